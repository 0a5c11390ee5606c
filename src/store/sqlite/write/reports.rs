//! reelhook's own events about an operation: `overdue`, `lost`, `recovered`. They are stored and delivered like
//! Graph's.

use rusqlite::params;

use super::delivery::{self, NewRow, check_number_of, each_sink_once};
use super::schedule;
use crate::domain::{
    Carried, Channel, ClientContext, EventId, EventKind, NewDelivery, Operation, OperationEvent, Origin,
    RecordOperation,
};
use crate::store::StoreError;
use crate::store::sqlite::engine::contents::Contents;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::{contents, ids};
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
    let sql = "INSERT INTO events (seq, id, received_at, channel, op_seq, hash, is_matched, has_token, kind, resource_type, \
               resource, client_context, tenant_id, status, sealed, origin) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    tx.execute(
        sql,
        params![
            seq,
            id.0.as_bytes(),
            tx.wall,
            Channel::Calls.as_str(),
            number,
            // There are no bytes from outside that could repeat, so the event's own id stands for them.
            id.0.as_bytes(),
            !deliveries.is_empty(),
            event.kind(),
            RecordOperation::TYPE,
            operation.path(),
            operation.client_context.as_ref().map(ClientContext::as_str),
            operation.tenant_id,
            operation.status.as_str(),
            sealed,
            Origin::Reelhook.number(),
        ],
    )?;
    schedule::look_at(tx, seq, schedule::first_look(&tx.shared.settings, tx.steady, false))?;
    for (new, row) in deliveries.iter().zip(ids::first_delivery(seq)..) {
        let is_blocked = delivery::is_waited_for(tx, &new.sink, number)?;
        let row = NewRow { seq: row, op_seq: Some(number), is_blocked, leased_until: None, created_at: tx.wall };
        delivery::insert(tx, new, &row)?;
    }
    tx.changed(number);
    Ok(())
}

/// Where the routes say that reelhook's word of an operation goes; `None` where none are known here.
pub fn routed(tx: &Tx<'_>, event: OperationEvent, number: i64) -> Result<Option<Vec<NewDelivery>>, Failure> {
    let Some(router) = tx.shared.router.get() else { return Ok(None) };
    let Some(operation) = read::operation::one(tx.connection(), &tx.shared.seal, number)? else { return Ok(None) };
    let path = operation.path();
    let mut deliveries = router(&operation.routing_key(&path, EventKind::Operation(event)));
    each_sink_once(&mut deliveries);
    check_number_of(&deliveries)?;
    Ok(Some(deliveries))
}

fn carried(operation: &Operation) -> Carried {
    let (operation_id, call_id) = (Some(operation.id.clone()), operation.call_id.clone());
    Carried { operation_id, call_id, ..Carried::default() }
}
