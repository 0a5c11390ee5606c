//! Accepting: the event, its operation and its deliveries; then fresh deliveries into the memory queues.

use std::sync::Arc;

use super::deliveries::checked;
use super::ids;
use super::item::Item;
use super::operation::{self, News, Taken};
use super::queue::{self, NewRow};
use super::rows::{EventRow, instant, micros};
use super::tx::Tx;
use super::{events, quarantine, repeats, reports, watches};
use reelhook::domain::{
    ClientContext, Delivery, Envelope, Held, Lease, NewDelivery, OperationEvent, Origin, RoutingKey,
};
use reelhook::store::process::Place;
use reelhook::store::{Arrival, Batch, EventView, Receipt, StoreError, Stored};

/// A place in a memory queue, with the number of the delivery that goes there.
type Filled = (Place, i64);

/// Accepts a batch, which may have been a quarantine entry until now. If it fails, nothing of it is accepted.
pub fn accept(tx: &mut Tx<'_>, mut batch: Batch, entry: Option<i64>) -> Result<Receipt, StoreError> {
    for accepted in &mut batch.accepted {
        accepted.deliveries = checked(std::mem::take(&mut accepted.deliveries))?;
    }
    let arrival = Arrival { received_at: batch.received_at.as_microsecond(), accepted_at: entry.map(|_entry| tx.wall) };
    let (mut stored, mut filled) = (Vec::new(), Vec::new());
    for (place, accepted) in batch.accepted.into_iter().enumerate() {
        let mut item = Item::new(tx, accepted, place);
        item.carried.accepted_at = arrival.accepted_at.map(instant);
        stored.push(store(tx, item, arrival, &mut filled)?);
    }
    if let Some(entry) = entry {
        quarantine::end_wish(tx, entry, None);
    }
    let quarantined = quarantine::add(tx, batch.quarantined, batch.received_at);
    for (place, number) in filled {
        if let Some(lease) = fresh(tx, number) {
            place.fill(lease);
        }
    }
    Ok(Receipt { stored, quarantined })
}

fn store(tx: &mut Tx<'_>, item: Item, arrival: Arrival, filled: &mut Vec<Filled>) -> Result<Stored, StoreError> {
    let since = arrival.received_at.saturating_sub(micros(tx.around.settings.deduplicate));
    let known = item.notification.operation().map(|it| operation::known(tx, it)).unwrap_or_default();
    let seen = repeats::look(tx, &item, &known, since);
    if let Some((of, by)) = seen.repeat {
        return Ok(Stored::Duplicate { of, by });
    }
    let taken = item.notification.operation().map(|operation| {
        let (notification, proof) = (&item.notification, item.proof);
        let news = News { notification, operation, proof, event: item.number, received_at: arrival.known_at() };
        operation::take(tx, &news, &known)
    });
    let named = taken.as_ref().filter(|taken| !taken.sinks.is_empty());
    let named = named.map(|taken| NewDelivery::by_expectation(&taken.sinks));
    let by_context = || routed(tx, &item, taken.as_ref()?.client_context.as_ref()?);
    let deliveries = named.clone().or_else(by_context).unwrap_or_else(|| item.deliveries.clone());
    let (number, event, ended) = (item.number, item.id, item.notification.ended_call.clone());
    insert(tx, item, (taken.as_ref(), seen.possible_repeat, !deliveries.is_empty()), arrival.received_at);
    deliver(tx, (number, &deliveries), taken.as_ref(), (arrival.known_at(), filled));
    if let Some(taken) = &taken {
        follow(tx, taken, (named.is_some(), &deliveries))?;
    }
    if let Some(ended) = ended {
        watches::remember_end(tx, &ended, arrival);
    }
    Ok(Stored::New {
        event,
        order: taken.as_ref().map(|taken| taken.order),
        id_conflict: seen.id_conflict,
        possible_repeat: seen.possible_repeat,
        ambiguous: taken.as_ref().is_some_and(|taken| taken.ambiguous),
        unmatched: deliveries.is_empty(),
    })
}

/// What follows from a notification for its operation.
///
/// # Errors
/// Its own event has too many deliveries.
fn follow(tx: &mut Tx<'_>, taken: &Taken, (are_named, deliveries): (bool, &[NewDelivery])) -> Result<(), StoreError> {
    tx.changed(taken.number);
    if taken.is_open {
        watches::became_known(tx, taken.number);
    }
    if taken.is_recovered {
        // If the client named no sinks, reelhook's own event has its own routes.
        let routed = if are_named { None } else { reports::routed(tx, OperationEvent::Recovered, taken.number)? };
        reports::add(tx, OperationEvent::Recovered, taken.number, routed.as_deref().unwrap_or(deliveries));
    }
    Ok(())
}

/// The deliveries of a notification without a client context, by its operation's client context; `None` if there are
/// none.
fn routed(tx: &Tx<'_>, item: &Item, context: &ClientContext) -> Option<Vec<NewDelivery>> {
    let change_type = item.carried.change_type.as_deref();
    let key = RoutingKey { client_context: Some(context.as_str()), change_type, ..item.notification.routing_key() };
    let deliveries = checked(tx.around.routing.get()?(&key)).ok()?;
    (!deliveries.is_empty()).then_some(deliveries)
}

fn insert(
    tx: &mut Tx<'_>,
    item: Item,
    (taken, possible_repeat, is_matched): (Option<&Taken>, bool, bool),
    received_at: i64,
) {
    let Item { notification, .. } = item;
    let operation = notification.operation();
    let token = match operation {
        Some(operation) => operation.recording_access_token.clone(),
        None => notification.secrets.clone(),
    };
    let status = operation.map(|operation| operation.status.clone());
    let client_context = taken.and_then(|taken| taken.client_context.clone()).or(notification.client_context);
    let view = EventView {
        id: item.id,
        number: item.number,
        origin: Origin::Graph,
        envelope: Envelope {
            channel: notification.channel,
            resource_type: notification.resource_type,
            tenant_id: notification.tenant_id,
            subscription_id: notification.subscription_id,
            carried: item.carried,
        },
        kind: item.kind,
        received_at: instant(received_at),
        client_context: client_context.map(|context| context.as_str().to_owned()),
        resource: notification.resource,
        status,
        order: taken.map(|taken| taken.order),
        previous: taken.and_then(|taken| taken.previous.clone()),
        possible_repeat,
        is_matched,
        deliveries: Vec::new(),
        data: item.data,
    };
    let row = EventRow {
        view,
        operation: taken.map(|taken| taken.number),
        token,
        raw: item.raw,
        identity: item.identity,
        graph_id: notification.graph_id,
        message: item.messages[0].clone(),
        is_matched,
    };
    events::add(tx, row);
}

/// Adds an event's deliveries; those that find a place in a memory queue are leased.
fn deliver(
    tx: &mut Tx<'_>,
    (event, deliveries): (i64, &[NewDelivery]),
    taken: Option<&Taken>,
    (created_at, filled): (i64, &mut Vec<Filled>),
) {
    let Some(row) = tx.rows.events.get(&event) else { return };
    let (n_bytes, kind) = (Delivery::n_bytes_with(&row.view.data), row.view.kind.clone());
    let taken_by: Vec<_> = deliveries.iter().filter(|new| tx.around.takes(&new.sink, &kind)).collect();
    for (new, number) in taken_by.into_iter().zip(ids::first_delivery(event)..) {
        let operation = taken.map(|taken| taken.number);
        let is_blocked = tx.rows.is_waited_for(&new.sink, operation);
        let place = if is_blocked { None } else { tx.around.listener.place(&new.sink, n_bytes) };
        let leased_until = place.as_ref().map(|place| tx.steady.saturating_add(micros(place.ttl)));
        let row = NewRow { number, event, operation, is_blocked, leased_until, created_at };
        queue::insert(tx, new, &row);
        filled.extend(place.map(|place| (place, number)));
    }
}

/// The lease of a delivery that goes into a memory queue: what would be read back.
fn fresh(tx: &Tx<'_>, number: i64) -> Option<Lease> {
    let row = tx.rows.deliveries.get(&number)?;
    let event = Arc::new(tx.rows.event(tx.rows.events.get(&ids::event_of(number))?));
    // The place holds the budget.
    Some(queue::lease_of(row, event, (false, Held::default())))
}
