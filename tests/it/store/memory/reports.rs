//! The events that reelhook itself adds: an operation is overdue, lost or recovered; and those about reelhook itself.

use super::deliveries::checked;
use super::own_event::{self, About, OwnEvent};
use super::tx::Tx;
use reelhook::domain::{EventId, EventKind, NewDelivery, OperationEvent, OperatorEvent, RecordOperation};
use reelhook::store::{Report, StoreError};

/// Adds an event about an operation in its current state, with its deliveries.
pub fn add(tx: &mut Tx<'_>, event: OperationEvent, operation: i64, deliveries: &[NewDelivery]) {
    let Some(known) = tx.rows.operation(operation) else { return };
    let event = OwnEvent {
        kind: event.kind(),
        resource_type: RecordOperation::TYPE,
        resource: known.path(),
        data: serde_json::Value::Object(known.resource().to_json()).to_string(),
        about: Some(About { number: operation, operation: known }),
    };
    own_event::add(tx, event, deliveries);
    tx.changed(operation);
}

/// Adds an event about reelhook itself, with its deliveries.
///
/// # Errors
/// There are too many deliveries.
pub fn add_for_operators(tx: &mut Tx<'_>, report: Report, deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError> {
    let event = OwnEvent {
        kind: report.event.kind(),
        resource_type: OperatorEvent::TYPE,
        resource: report.subject,
        data: serde_json::to_string(&report.data).unwrap(),
        about: None,
    };
    Ok(own_event::add(tx, event, &checked(deliveries)?))
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
