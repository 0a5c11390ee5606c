//! Events about reelhook itself.

use super::deliveries::checked;
use super::identity::Identity;
use super::queue::{self, NewRow};
use super::rows::{Counter, EventRow, instant};
use super::tx::Tx;
use super::{events, ids};
use reelhook::domain::{Carried, Channel, Envelope, EventId, NewDelivery, OperatorEvent, Origin};
use reelhook::store::{EventView, Report, StoreError};

/// Adds an event with its deliveries.
///
/// # Errors
/// There are too many deliveries.
pub fn add(tx: &mut Tx<'_>, report: Report, deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError> {
    let mut deliveries = checked(deliveries)?;
    let number = tx.number(Counter::Event);
    let id = EventId(ids::of_event(number, tx.steady));
    let is_matched = !deliveries.is_empty();
    deliveries.retain(|new| tx.around.takes(&new.sink, report.event.kind()));
    let view = EventView {
        id,
        number,
        origin: Origin::Reelhook,
        envelope: Envelope {
            channel: Channel::Calls,
            resource_type: OperatorEvent::TYPE.into(),
            tenant_id: None,
            subscription_id: None,
            carried: Carried::default(),
        },
        kind: report.event.kind().into(),
        received_at: instant(tx.wall),
        client_context: None,
        resource: report.subject,
        status: None,
        order: None,
        previous: None,
        possible_repeat: false,
        is_matched,
        deliveries: Vec::new(),
        data: serde_json::to_string(&report.data).unwrap(),
    };
    let row = EventRow {
        view,
        operation: None,
        token: None,
        raw: Default::default(),
        identity: Identity::Own,
        graph_id: None,
        message: None,
        is_matched,
    };
    events::add(tx, row);
    for (new, row) in deliveries.iter().zip(ids::first_delivery(number)..) {
        let (is_blocked, leased_until, created_at) = (false, None, tx.wall);
        let row = NewRow { number: row, event: number, operation: None, is_blocked, leased_until, created_at };
        queue::insert(tx, new, &row);
    }
    Ok(id)
}
