//! Events about reelhook itself: no notification made them, and they are about no operation.

use super::delivery::{self, NewRow};
use super::event_row::EventRow;
use crate::domain::{Carried, Channel, EventId, NewDelivery, OperatorEvent, Origin};
use crate::store::sqlite::engine::contents;
use crate::store::sqlite::engine::contents::Contents;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::{Report, ids};

/// Adds an event; each of `deliveries` has another sink.
pub fn add(tx: &Tx<'_>, report: &Report, deliveries: &[NewDelivery]) -> Result<EventId, Failure> {
    let seq = tx.event_number();
    let id = EventId(ids::of_event(seq, tx.steady));
    let carried = Carried::default();
    let data = serde_json::to_string(&report.data).unwrap_or_default();
    let contents = Contents { token: None, data: &data, carried: &carried, raw: b"" };
    let sealed = contents::seal(&tx.shared.seal, id, &contents)?;
    let row = EventRow {
        seq,
        id,
        origin: Origin::Reelhook,
        received_at: tx.wall,
        accepted_at: None,
        // Every event has a channel. Nothing that is told to users comes from this one.
        channel: Channel::Calls,
        operation: None,
        is_long: false,
        // There are no bytes from outside that could repeat, so the event's own id stands for them.
        hash: id.0.as_bytes(),
        lookup: None,
        is_matched: !deliveries.is_empty(),
        has_token: false,
        kind: report.event.kind(),
        resource_type: OperatorEvent::TYPE,
        resource: &report.subject,
        client_context: None,
        tenant_id: None,
        subscription_id: None,
        graph_id: None,
        status: None,
        order: None,
        previous: None,
        sealed: &sealed,
        message: None,
        possible_repeat: false,
    };
    row.insert(tx)?;
    let taken = deliveries.iter().filter(|new| tx.shared.takes(&new.sink, report.event.kind()));
    for (new, seq) in taken.zip(ids::first_delivery(seq)..) {
        let row =
            NewRow { seq, op_seq: None, is_blocked: false, leased_until: None, created_at: tx.wall, resend_of: None };
        delivery::insert(tx, new, &row)?;
    }
    Ok(id)
}
