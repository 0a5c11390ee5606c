//! The events that reelhook itself adds: an operation is overdue, lost or recovered.

use super::deliveries::checked;
use super::events;
use super::identity::Identity;
use super::ids;
use super::queue::{self, NewRow};
use super::rows::{Counter, EventRow, instant};
use super::tx::Tx;
use reelhook::domain::{
    Carried, Channel, ClientContext, Envelope, EventId, EventKind, NewDelivery, OperationEvent, Origin, RecordOperation,
};
use reelhook::store::{EventView, StoreError};

/// Adds an event about an operation in its current state, with its deliveries.
pub fn add(tx: &mut Tx<'_>, event: OperationEvent, operation: i64, deliveries: &[NewDelivery]) {
    let Some(known) = tx.rows.operation(operation) else { return };
    let number = tx.number(Counter::Event);
    let id = EventId(ids::of_event(number, tx.steady));
    let carried =
        Carried { operation_id: Some(known.id.clone()), call_id: known.call_id.clone(), ..Carried::default() };
    let view = EventView {
        id,
        number,
        origin: Origin::Reelhook,
        envelope: Envelope {
            channel: Channel::Calls,
            resource_type: RecordOperation::TYPE.into(),
            tenant_id: known.tenant_id.clone(),
            subscription_id: None,
            carried,
        },
        kind: event.kind().into(),
        received_at: instant(tx.wall),
        client_context: known.client_context.as_ref().map(ClientContext::as_str).map(str::to_owned),
        resource: known.path(),
        status: Some(known.status.clone()),
        order: None,
        previous: None,
        possible_repeat: false,
        is_matched: !deliveries.is_empty(),
        deliveries: Vec::new(),
        data: serde_json::Value::Object(known.resource().to_json()).to_string(),
    };
    let row = EventRow {
        view,
        operation: Some(operation),
        token: None,
        raw: Default::default(),
        identity: Identity::Own,
        graph_id: None,
        message: None,
        is_matched: !deliveries.is_empty(),
    };
    events::add(tx, row);
    let taken_by: Vec<_> = deliveries.iter().filter(|new| tx.around.takes(&new.sink, event.kind())).collect();
    for (new, row) in taken_by.into_iter().zip(ids::first_delivery(number)..) {
        let is_blocked = tx.rows.is_waited_for(&new.sink, Some(operation));
        let (leased_until, created_at) = (None, tx.wall);
        let row =
            NewRow { number: row, event: number, operation: Some(operation), is_blocked, leased_until, created_at };
        queue::insert(tx, new, &row);
    }
    tx.changed(operation);
}

/// Where the routes say that an event about an operation goes; `None` without routes.
///
/// # Errors
/// It has too many deliveries.
pub fn routed(tx: &Tx<'_>, event: OperationEvent, number: i64) -> Result<Option<Vec<NewDelivery>>, StoreError> {
    let Some(routing) = tx.around.routing.get() else { return Ok(None) };
    let Some(operation) = tx.rows.operation(number) else { return Ok(None) };
    let path = operation.path();
    checked(routing(&operation.routing_key(&path, EventKind::Operation(event)))).map(Some)
}
