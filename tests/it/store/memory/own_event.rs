//! An event of reelhook's own: no notification made it.

use super::identity::Identity;
use super::queue::{self, NewRow};
use super::rows::{Counter, EventRow, instant};
use super::tx::Tx;
use super::{events, ids};
use reelhook::domain::{Carried, Channel, ClientContext, Envelope, EventId, NewDelivery, Operation, Origin};
use reelhook::store::EventView;

/// An event of reelhook's own, to be added.
pub struct OwnEvent {
    pub kind: &'static str,
    pub resource_type: &'static str,
    pub resource: String,
    pub data: String,
    /// The operation that it is about, and its row.
    pub about: Option<About>,
}

/// The operation that an event is about.
pub struct About {
    pub number: i64,
    pub operation: Operation,
}

/// Adds an event with its deliveries. It does not overtake earlier ones of its operation to the same sink.
pub fn add(tx: &mut Tx<'_>, event: OwnEvent, deliveries: &[NewDelivery]) -> EventId {
    let number = tx.number(Counter::Event);
    let id = EventId(ids::of_event(number, tx.steady));
    let row_of_operation = event.about.as_ref().map(|about| about.number);
    let operation = event.about.as_ref().map(|about| &about.operation);
    let is_matched = !deliveries.is_empty();
    let view = EventView {
        id,
        number,
        origin: Origin::Reelhook,
        envelope: Envelope {
            channel: Channel::Calls,
            resource_type: event.resource_type.into(),
            tenant_id: operation.and_then(|it| it.tenant_id.clone()),
            subscription_id: None,
            carried: operation.map(carried).unwrap_or_default(),
        },
        kind: event.kind.into(),
        received_at: instant(tx.wall),
        client_context: operation
            .and_then(|it| it.client_context.as_ref())
            .map(ClientContext::as_str)
            .map(str::to_owned),
        resource: event.resource,
        status: operation.map(|it| it.status.clone()),
        order: None,
        previous: None,
        possible_repeat: false,
        is_matched,
        deliveries: Vec::new(),
        data: event.data,
    };
    let row = EventRow {
        view,
        operation: row_of_operation,
        token: None,
        raw: Default::default(),
        identity: Identity::Own,
        graph_id: None,
        message: None,
        is_matched,
    };
    events::add(tx, row);
    let taken: Vec<_> = deliveries.iter().filter(|new| tx.around.takes(&new.sink, event.kind)).collect();
    for (new, row) in taken.into_iter().zip(ids::first_delivery(number)..) {
        let is_blocked = tx.rows.is_waited_for(&new.sink, row_of_operation);
        let (leased_until, created_at) = (None, tx.wall);
        let row =
            NewRow { number: row, event: number, operation: row_of_operation, is_blocked, leased_until, created_at };
        queue::insert(tx, new, &row);
    }
    id
}

fn carried(operation: &Operation) -> Carried {
    Carried { operation_id: Some(operation.id.clone()), call_id: operation.call_id.clone(), ..Carried::default() }
}
