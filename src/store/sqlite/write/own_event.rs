//! An event of reelhook's own: no notification made it. It is stored and delivered like Graph's.

use super::delivery::{self, NewRow};
use super::event_row::EventRow;
use super::operation_row;
use crate::domain::{Carried, Channel, EventId, NewDelivery, Operation, Origin};
use crate::store::contents;
use crate::store::contents::Contents;
use crate::store::ids;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// An event of reelhook's own, to be added.
pub struct OwnEvent<'a> {
    /// CloudEvents `type`.
    pub kind: &'a str,
    /// The type of what it is about.
    pub resource_type: &'a str,
    /// The path of what it is about.
    pub resource: &'a str,
    /// Its data: JSON.
    pub data: &'a str,
    /// The operation that it is about.
    pub about: Option<About<'a>>,
}

/// The operation that an event is about.
pub struct About<'a> {
    /// Its row.
    pub number: i64,
    /// Its state.
    pub operation: &'a Operation,
    /// The event that caused this one.
    pub caused_by: Option<EventId>,
}

/// Adds an event; each of `deliveries` has another sink. It does not overtake earlier deliveries of its operation to the
/// same sink.
pub fn add(tx: &Tx<'_>, event: &OwnEvent<'_>, deliveries: &[NewDelivery]) -> Result<EventId, Failure> {
    let seq = tx.event_number();
    let id = EventId(ids::of_event(seq, tx.steady));
    let number = event.about.as_ref().map(|about| about.number);
    let operation = event.about.as_ref().map(|about| about.operation);
    let carried = event.about.as_ref().map(carried).unwrap_or_default();
    let contents = Contents { token: None, data: event.data, carried: &carried, raw: b"" };
    let sealed = contents::seal(&tx.shared.seal, id, &contents)?;
    let row = EventRow {
        seq,
        id,
        origin: Origin::Reelhook,
        received_at: tx.wall,
        accepted_at: None,
        // Every row has a channel: record operations come on this one. Of other events it is told to nobody.
        channel: Channel::Calls,
        operation: number,
        is_long: number.map_or(Ok(false), |number| operation_row::is_long(tx, number))?,
        // There are no bytes from outside that could repeat, so the event's own id stands for them.
        hash: id.0.as_bytes(),
        lookup: None,
        is_matched: !deliveries.is_empty(),
        has_token: false,
        kind: event.kind,
        resource_type: event.resource_type,
        resource: event.resource,
        client_context: operation.and_then(|it| it.client_context.as_ref()),
        tenant_id: operation.and_then(|it| it.tenant_id.as_deref()),
        subscription_id: None,
        graph_id: None,
        status: operation.map(|it| &it.status),
        order: None,
        previous: None,
        sealed: &sealed,
        message: None,
        possible_repeat: false,
    };
    row.insert(tx)?;
    let taken = deliveries.iter().filter(|new| tx.shared.takes(&new.sink, event.kind));
    for (new, seq) in taken.zip(ids::first_delivery(seq)..) {
        let is_blocked = delivery::is_waited_for(tx, &new.sink, number)?;
        let row = NewRow { seq, op_seq: number, is_blocked, leased_until: None, created_at: tx.wall, resend_of: None };
        delivery::insert(tx, new, &row)?;
    }
    Ok(id)
}

fn carried(About { operation, caused_by, .. }: &About<'_>) -> Carried {
    let (operation_id, call_id) = (Some(operation.id.clone()), operation.call_id.clone());
    Carried { operation_id, call_id, caused_by: *caused_by, ..Carried::default() }
}
