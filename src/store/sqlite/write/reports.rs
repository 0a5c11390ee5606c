//! reelhook's own events: about an operation (`overdue`, `lost`, `recovered`), and about itself.

use super::own_event::{self, About, OwnEvent};
use crate::domain::{EventId, EventKind, NewDelivery, OperationEvent, OperatorEvent, RecordOperation};
use crate::store::decisions::deliveries::{check_number_of, each_sink_once};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read;
use crate::store::{Report, StoreError};

/// An event about an operation in its current state.
#[derive(Clone, Copy, Debug)]
pub struct OfOperation {
    /// What happened to it.
    pub event: OperationEvent,
    /// The row of the operation.
    pub number: i64,
    /// The event that caused this one; `None`: time did.
    pub caused_by: Option<EventId>,
}

/// Adds an event about an operation; each of `deliveries` has another sink. It does not overtake the operation's earlier
/// deliveries to the same sink.
pub fn add(tx: &Tx<'_>, new: OfOperation, deliveries: &[NewDelivery]) -> Result<(), Failure> {
    let OfOperation { event, number, caused_by } = new;
    let gone = || StoreError::Database("the operation that an event is about is gone".into());
    let operation = read::operation::one(tx.connection(), &tx.shared.seal, number)?.ok_or_else(gone)?;
    let data = serde_json::Value::Object(operation.resource().to_json()).to_string();
    let event = OwnEvent {
        kind: event.kind(),
        resource_type: RecordOperation::TYPE,
        resource: &operation.path(),
        data: &data,
        about: Some(About { number, operation: &operation, caused_by }),
    };
    own_event::add(tx, &event, deliveries)?;
    tx.changed(number);
    Ok(())
}

/// Adds an event about reelhook itself; each of `deliveries` has another sink.
pub fn add_for_operators(tx: &Tx<'_>, report: &Report, deliveries: &[NewDelivery]) -> Result<EventId, Failure> {
    let data = serde_json::to_string(&report.data).unwrap_or_default();
    let event = OwnEvent {
        kind: report.event.kind(),
        resource_type: OperatorEvent::TYPE,
        resource: &report.subject,
        data: &data,
        about: None,
    };
    own_event::add(tx, &event, deliveries)
}

/// Where the routes say that reelhook's word of an operation goes; `None` where none are known here.
pub fn routed(tx: &Tx<'_>, event: OperationEvent, number: i64) -> Result<Option<Vec<NewDelivery>>, Failure> {
    let Some(routing) = tx.shared.routing.get() else { return Ok(None) };
    let Some(operation) = read::operation::one(tx.connection(), &tx.shared.seal, number)? else { return Ok(None) };
    let path = operation.path();
    let mut deliveries = routing(&operation.routing_key(&path, EventKind::Operation(event)));
    each_sink_once(&mut deliveries);
    check_number_of(&deliveries)?;
    Ok(Some(deliveries))
}
