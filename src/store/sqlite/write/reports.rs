//! reelhook's own events about an operation: `overdue`, `lost`, `recovered`. They are stored and delivered like
//! Graph's.

use super::delivery::{self, NewRow, check_number_of, each_sink_once};
use super::event_row::EventRow;
use super::operation_row;
use crate::domain::{
    Carried, Channel, EventId, EventKind, NewDelivery, Operation, OperationEvent, Origin, RecordOperation,
};
use crate::store::StoreError;
use crate::store::ids;
use crate::store::sqlite::engine::contents;
use crate::store::sqlite::engine::contents::Contents;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read;

/// Adds an event about an operation in its current state; each of `deliveries` has another sink. It does not overtake
/// the operation's earlier deliveries to the same sink.
pub fn add(tx: &Tx<'_>, event: OperationEvent, number: i64, deliveries: &[NewDelivery]) -> Result<(), Failure> {
    let gone = || StoreError::Database("the operation that an event is about is gone".into());
    let operation = read::operation::one(tx.connection(), &tx.shared.seal, number)?.ok_or_else(gone)?;
    let seq = tx.event_number();
    let id = EventId(ids::of_event(seq, tx.steady));
    let data = serde_json::Value::Object(operation.resource().to_json()).to_string();
    let carried = carried(&operation);
    let contents = Contents { token: None, data: &data, carried: &carried, raw: b"" };
    let sealed = contents::seal(&tx.shared.seal, id, &contents)?;
    let (kind, path) = (event.kind(), operation.path());
    let row = EventRow {
        seq,
        id,
        origin: Origin::Reelhook,
        received_at: tx.wall,
        accepted_at: None,
        channel: Channel::Calls,
        operation: Some(number),
        is_long: operation_row::is_long(tx, number)?,
        // There are no bytes from outside that could repeat, so the event's own id stands for them.
        hash: id.0.as_bytes(),
        lookup: None,
        is_matched: !deliveries.is_empty(),
        has_token: false,
        kind,
        resource_type: RecordOperation::TYPE,
        resource: &path,
        client_context: operation.client_context.as_ref(),
        tenant_id: operation.tenant_id.as_deref(),
        subscription_id: None,
        graph_id: None,
        status: Some(&operation.status),
        order: None,
        previous: None,
        sealed: &sealed,
        message: None,
        possible_repeat: false,
    };
    row.insert(tx)?;
    let taken = deliveries.iter().filter(|new| tx.shared.takes(&new.sink, kind));
    for (new, row) in taken.zip(ids::first_delivery(seq)..) {
        let is_blocked = delivery::is_waited_for(tx, &new.sink, Some(number))?;
        let row = NewRow {
            seq: row,
            op_seq: Some(number),
            is_blocked,
            leased_until: None,
            created_at: tx.wall,
            resend_of: None,
        };
        delivery::insert(tx, new, &row)?;
    }
    tx.changed(number);
    Ok(())
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

fn carried(operation: &Operation) -> Carried {
    let (operation_id, call_id) = (Some(operation.id.clone()), operation.call_id.clone());
    Carried { operation_id, call_id, ..Carried::default() }
}
