//! Finds operations by what people have at hand: an operation's or a call's id (with or without dashes), a client
//! context, or an event's id.

use serde_json::Value;

use super::Operator;
use crate::domain::{EventId, GraphId, Operation, RecordOperation};
use crate::odata::{Filter, OrderBy, quoted};
use crate::store::operations::Question;
use crate::store::{EventView, OperationView, StoreError};

/// The most operations that are found for one client context. They are the newest.
const MOST: usize = 20;

/// The things that a text names.
#[derive(Debug, Default)]
pub struct Found {
    /// The operations.
    pub operations: Vec<OperationView>,
    /// The event, if the text is the id of an event that belongs to no operation.
    pub event: Option<EventView>,
}

impl Operator {
    /// Finds operations: by an operation's id, else by a client context, else by their call's id, else by the id of one of
    /// their events.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find(&self, subject: &str) -> Result<Found, StoreError> {
        let mut operations = self.store.operations(subject).await?;
        if operations.is_empty() {
            operations = self.of_client_context(subject).await?;
        }
        if operations.is_empty() {
            operations = self.of_call_id(subject).await?;
        }
        if !operations.is_empty() {
            return Ok(Found { operations, event: None });
        }
        let Ok(id) = subject.parse::<EventId>() else { return Ok(Found::default()) };
        let Some(event) = self.store.event(id).await? else { return Ok(Found::default()) };
        match operation_of(&event) {
            Some((id, call)) => {
                let operations = self.of_call(&id, call.as_deref()).await?;
                // Its operation may have been removed.
                let event = Some(event).filter(|_| operations.is_empty());
                Ok(Found { operations, event })
            }
            None => Ok(Found { operations: Vec::new(), event: Some(event) }),
        }
    }

    /// The operations that an id names, newest first: an operation's, a call's or an event's id, in any spelling.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn named(&self, id: &str) -> Result<Vec<Operation>, StoreError> {
        let Some(id) = GraphId::new(id) else { return Ok(Vec::new()) };
        if let Some(operation) = self.operations.get(&id, None).await? {
            return Ok(vec![operation]);
        }
        let operations = self.newest_of_call(&id).await?;
        if !operations.is_empty() {
            return Ok(operations);
        }
        match id.as_str().parse::<EventId>() {
            Ok(event) => self.of_event(event).await,
            Err(_no_uuid) => Ok(Vec::new()),
        }
    }

    /// The operation of an event; of another event, the operations of its call.
    async fn of_event(&self, event: EventId) -> Result<Vec<Operation>, StoreError> {
        let Some(event) = self.store.event(event).await? else { return Ok(Vec::new()) };
        let Some((id, call)) = operation_of(&event) else {
            return match event.envelope.carried.call_id.as_deref().and_then(GraphId::new) {
                Some(call) => self.newest_of_call(&call).await,
                None => Ok(Vec::new()),
            };
        };
        let (id, call) = (GraphId::new(&id), call.as_deref().and_then(GraphId::new));
        let Some(id) = id else { return Ok(Vec::new()) };
        Ok(Vec::from_iter(self.operations.get(&id, call.as_ref()).await?))
    }

    pub(super) async fn of_call_id(&self, call: &str) -> Result<Vec<OperationView>, StoreError> {
        let Some(call) = GraphId::new(call) else { return Ok(Vec::new()) };
        self.with_events(self.newest_of_call(&call).await?).await
    }

    async fn newest_of_call(&self, call: &GraphId) -> Result<Vec<Operation>, StoreError> {
        let order = OrderBy::default();
        self.operations.list(Question { call_id: Some(call), ..Question::first(&order, MOST) }).await
    }

    async fn with_events(&self, operations: Vec<Operation>) -> Result<Vec<OperationView>, StoreError> {
        let mut found = Vec::new();
        for operation in operations {
            found.extend(self.of_call(&operation.id, operation.call_id.as_deref()).await?);
        }
        Ok(found)
    }

    async fn of_client_context(&self, client_context: &str) -> Result<Vec<OperationView>, StoreError> {
        let filter = Filter::parse(&format!("clientContext eq {}", quoted(client_context)));
        let order = OrderBy::parse("createdDateTime desc");
        // No stored client context can be a text that a filter cannot hold.
        let (Ok(filter), Ok(order)) = (filter, order) else { return Ok(Vec::new()) };
        let question = Question { filter: Some(&filter), ..Question::first(&order, MOST) };
        self.with_events(self.operations.list(question).await?).await
    }

    /// The operation with an id. If several calls have it, `call` selects one.
    async fn of_call(&self, id: &str, call: Option<&str>) -> Result<Vec<OperationView>, StoreError> {
        let mut operations = self.store.operations(id).await?;
        operations.retain(|it| call.is_none() || it.call_id.as_deref() == call);
        Ok(operations)
    }
}

/// The id and the call of the operation that an event belongs to.
fn operation_of(event: &EventView) -> Option<(String, Option<String>)> {
    let is_of_operation = event.envelope.resource_type == RecordOperation::TYPE;
    let data: Value = serde_json::from_str(&event.data).ok().filter(|_| is_of_operation)?;
    let id = |key: &str| data[key].as_str().and_then(GraphId::new).map(|id| id.as_str().to_owned());
    Some((id("id")?, id("callId")))
}
