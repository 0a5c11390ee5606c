//! reelhook's own events: about an operation (`overdue`, `lost`, `recovered`), and about itself.

use async_trait::async_trait;

use super::operations::Operations;
use super::own_event::OwnEvent;
use super::placing;
use crate::domain::{
    EventId, EventKind, NewDelivery, Operation, OperationEvent, OperatorEvent, RecordOperation, SinkName,
};
use crate::store::decisions::deliveries::{check_number_of, each_sink_once};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::shared::Shared;
use crate::store::postgres::engine::sql;
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::{Report, StoreError, Told};

/// An event about an operation in its current state.
#[derive(Clone, Copy, Debug)]
pub struct OfOperation {
    /// What happened to it.
    pub event: OperationEvent,
    /// The number of the operation.
    pub number: i64,
    /// The event that caused this one; `None`: time did.
    pub caused_by: Option<EventId>,
}

/// The event about an operation among those that were read.
pub fn of_operation(tx: &mut Tx<'_>, operations: &Operations, about: OfOperation) -> Result<OwnEvent, Failure> {
    let gone = || StoreError::Database("the operation that an event is about is gone".into());
    let operation = operations.get(about.number).ok_or_else(gone)?.operation.clone();
    tx.effects.changed(about.number);
    Ok(OwnEvent {
        kind: about.event.kind(),
        resource_type: RecordOperation::TYPE,
        resource: operation.path(),
        data: serde_json::Value::Object(operation.resource().to_json()).to_string(),
        about: Some((operation, about.caused_by)),
    })
}

/// Where the routes say that reelhook's word of an operation goes; `None` where none are known here.
pub fn routed(
    shared: &Shared,
    event: OperationEvent,
    operation: &Operation,
) -> Result<Option<Vec<NewDelivery>>, Failure> {
    let Some(routing) = shared.routing.get() else { return Ok(None) };
    let path = operation.path();
    let mut deliveries = routing(&operation.routing_key(&path, EventKind::Operation(event)));
    each_sink_once(&mut deliveries);
    check_number_of(&deliveries)?;
    Ok(Some(deliveries))
}

/// Adds an event about reelhook itself.
pub struct ForOperators {
    /// What happened.
    pub report: Report,
    /// Where it goes, each sink once.
    pub deliveries: Vec<NewDelivery>,
}

#[async_trait]
impl Work for ForOperators {
    type Done = EventId;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<EventId, Failure> {
        for_operators(tx, &self.report, &self.deliveries).await
    }
}

async fn for_operators(tx: &mut Tx<'_>, report: &Report, deliveries: &[NewDelivery]) -> Result<EventId, Failure> {
    let event = OwnEvent {
        kind: report.event.kind(),
        resource_type: OperatorEvent::TYPE,
        resource: report.subject.clone(),
        data: serde_json::to_string(&report.data).unwrap_or_default(),
        about: None,
    };
    placing::add(tx, event, deliveries).await
}

/// Keeps what was told last of something, with the event that tells it.
pub struct Tell {
    /// What was told.
    pub told: Told,
    /// The event, and where it goes, each sink once.
    pub event: Option<(Report, Vec<NewDelivery>)>,
}

#[async_trait]
impl Work for Tell {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        if let Some((report, deliveries)) = &self.event {
            for_operators(tx, report, deliveries).await?;
        }
        let Told { subject, state, to, at } = &self.told;
        let to: Vec<&str> = to.iter().map(SinkName::as_str).collect();
        let to = serde_json::to_string(&to).unwrap_or_default();
        let statement = "INSERT INTO told (subject, state, told_to, told_at) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (subject) DO UPDATE SET state = excluded.state, told_to = excluded.told_to, \
            told_at = excluded.told_at";
        let (subject, state) = (text::stored(subject), text::stored(state));
        sql::execute(tx.client, statement, &[&subject, &state, &to, &at.as_microsecond()]).await.map(drop)
    }
}

/// Forgets what was told of these subjects.
pub struct Forget {
    /// The subjects.
    pub subjects: Vec<String>,
}

#[async_trait]
impl Work for Forget {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let subjects: Vec<_> = self.subjects.iter().map(|subject| text::stored(subject)).collect();
        sql::execute(tx.client, "DELETE FROM told WHERE subject = ANY($1)", &[&subjects]).await.map(drop)
    }
}
