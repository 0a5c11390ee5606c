//! Accepting: notification, operation and deliveries in one transaction; then fresh deliveries into the memory queues.
//!
//! **Invariants**
//! 1. A delivery that has a place in a memory queue is written as leased, so no other dispatcher can take it.
//! 2. The writer itself fills the place, after the commit: it does not matter whether the request still waits.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::delivery::{self, NewRow};
use super::event_row::EventRow;
use super::prepare::Prepared;
use super::{ended_calls, known, operation, quarantine, repeats, reports, watches};
use crate::domain::{Delivery, NewDelivery, OperationEvent, Origin};
use crate::store::decisions::announced::Announced;
use crate::store::decisions::decided::{Decided, Fresh};
use crate::store::decisions::item::Item;
use crate::store::decisions::news::News;
use crate::store::decisions::receipt::Handed;
use crate::store::decisions::routing;
use crate::store::decisions::taken::Taken;
use crate::store::ids;
use crate::store::instants::micros;
use crate::store::process::Place;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::unanswered;
use crate::store::sqlite::engine::writer::Job;
use crate::store::unanswered::Unanswered;
use crate::store::{Arrival, Receipt, StoreError, Stored};

/// A batch that is being accepted.
pub struct Accept {
    prepared: Prepared,
    decided: Vec<Decided>,
    reply: oneshot::Sender<Result<Handed, StoreError>>,
    unanswered: Arc<Unanswered>,
    /// Whether the request had given up when the batch was written. That fact was written with it.
    is_given_up: bool,
}

impl Accept {
    /// A batch whose receipt goes to `reply`. If nobody takes it, its events are noted in `unanswered`.
    pub fn new(
        prepared: Prepared,
        reply: oneshot::Sender<Result<Handed, StoreError>>,
        unanswered: Arc<Unanswered>,
    ) -> Self {
        Self { prepared, decided: Vec::new(), reply, unanswered, is_given_up: false }
    }
}

impl Job for Accept {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.decided.clear();
        self.decided.reserve_exact(self.prepared.items.len());
        for item in &self.prepared.items {
            self.decided.push(accept(tx, item, self.prepared.arrival)?);
        }
        // After all items: equal bytes in one POST do not repeat each other.
        self.is_given_up = self.reply.is_closed();
        if self.is_given_up {
            unanswered::mark(tx, self.decided.iter().map(|decided| ids::event_row(decided.stored.event().0)))?;
        }
        if let Some(entry) = self.prepared.entry {
            quarantine::end_wish(tx, entry, None)?;
        } else if self.prepared.items.is_empty() && self.prepared.quarantined.is_empty() {
            // A batch of which nothing is stored takes as long as any other, so the time reveals nothing to the sender.
            return tx.beat();
        }
        quarantine::add(tx, &self.prepared.quarantined, self.prepared.arrival.received_at)
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { prepared, decided, reply, unanswered, is_given_up } = *self;
        // A receipt means that the event can be read, unless an earlier event is still being written.
        drop(prepared.given);
        let receipt = outcome.map(|()| {
            let mut stored = Vec::with_capacity(decided.len());
            for (item, decided) in prepared.items.into_iter().zip(decided) {
                stored.push(decided.stored.clone());
                decided.fill(item, prepared.arrival.received_at);
            }
            let receipt = Receipt { stored, quarantined: prepared.quarantined.iter().map(|entry| entry.id).collect() };
            Handed::new(receipt, Some(unanswered).filter(|_| !is_given_up))
        });
        // The request may have given up waiting.
        let _ = reply.send(receipt);
    }
}

fn accept(tx: &Tx<'_>, item: &Item, arrival: Arrival) -> Result<Decided, Failure> {
    let since = arrival.received_at.saturating_sub(micros(tx.shared.settings.deduplicate));
    let about = item.notification.operation().zip(item.operation_lookup);
    let known = match about {
        Some((operation, lookup)) => known::of_id(tx, operation, lookup)?,
        None => Vec::new(),
    };
    let seen = repeats::look(tx, item, &known, since)?;
    if let Some((of, by)) = seen.repeat {
        return Ok(Decided::repeated(of, by));
    }
    let taken = match about {
        Some((operation, lookup)) => {
            let (notification, proof) = (&item.notification, item.proof);
            let news = News { notification, operation, proof, event: item.seq, known_at: arrival.known_at() };
            Some(operation::take(tx, &news, known, lookup)?)
        }
        None => None,
    };
    let announced = taken.as_ref().and_then(|taken| taken.announced.as_ref());
    let metadata = announced.and_then(|announced| announced.metadata.clone());
    let client_context = taken.as_ref().and_then(|taken| taken.client_context.clone());
    let by_context =
        || client_context.as_ref().and_then(|context| routing::routed(tx.shared.routing.get(), item, context));
    let expected = announced.and_then(Announced::deliveries).or_else(by_context);
    let deliveries = expected.as_deref().unwrap_or(&item.deliveries);
    let new = New { item, deliveries, taken: taken.as_ref(), possible_repeat: seen.possible_repeat, arrival };
    new.insert(tx)?;
    let places = new.deliver(tx)?;
    if let Some(taken) = taken.as_ref() {
        tx.changed(taken.seq);
        if taken.is_open {
            watches::became_known(tx, taken.seq)?;
        }
        if taken.is_recovered {
            // If the client named no sinks, reelhook's own event may be routed differently from the end itself, by its
            // type and path.
            let by_routes = match announced.and_then(Announced::deliveries) {
                Some(_named) => None,
                None => reports::routed(tx, OperationEvent::Recovered, taken.seq)?,
            };
            let (event, caused_by) = (OperationEvent::Recovered, Some(item.id));
            let recovered = reports::OfOperation { event, number: taken.seq, caused_by };
            reports::add(tx, recovered, by_routes.as_deref().unwrap_or(deliveries))?;
        }
    }
    if let Some(ended) = &item.notification.ended_call {
        ended_calls::remember(tx, ended, arrival)?;
        watches::call_ended(tx, &ended.call_id, arrival.known_at())?;
    }
    let order = taken.as_ref().map(|taken| taken.order);
    let ambiguous = taken.as_ref().is_some_and(|taken| taken.ambiguous);
    let unmatched = deliveries.is_empty();
    let (id_conflict, possible_repeat) = (seen.id_conflict, seen.possible_repeat);
    let stored = Stored::New { event: item.id, order, id_conflict, possible_repeat, ambiguous, unmatched };
    let previous = taken.and_then(|taken| taken.previous);
    Ok(Decided { stored, previous, metadata, expected, client_context, places })
}

/// An item that makes an event.
struct New<'a> {
    item: &'a Item,
    /// Where it goes: as it was routed, or as its operation says.
    deliveries: &'a [NewDelivery],
    taken: Option<&'a Taken>,
    possible_repeat: bool,
    arrival: Arrival,
}

impl New<'_> {
    /// Writes the event.
    fn insert(&self, tx: &Tx<'_>) -> Result<(), Failure> {
        let Self { item, deliveries, taken, possible_repeat, arrival } = *self;
        let notification = &item.notification;
        let operation = notification.operation();
        let of_operation = taken.and_then(|taken| taken.client_context.as_ref());
        let row = EventRow {
            seq: item.seq,
            id: item.id,
            origin: Origin::Graph,
            received_at: arrival.received_at,
            accepted_at: arrival.accepted_at,
            channel: notification.channel,
            operation: taken.map(|taken| taken.seq),
            is_long: taken.is_some_and(|taken| taken.is_long),
            hash: &item.hash,
            lookup: item.lookup,
            is_matched: !deliveries.is_empty(),
            has_token: item.has_token(),
            kind: &item.kind,
            resource_type: &notification.resource_type,
            resource: &notification.resource,
            client_context: of_operation.or(notification.client_context.as_ref()),
            tenant_id: notification.tenant_id.as_deref(),
            subscription_id: notification.subscription_id.as_deref(),
            graph_id: notification.graph_id.as_deref(),
            status: operation.map(|operation| &operation.status),
            order: taken.map(|taken| taken.order),
            previous: taken.and_then(|taken| taken.previous.as_ref()),
            sealed: &item.sealed,
            message: item.messages[0],
            possible_repeat,
        };
        row.insert(tx)
    }

    /// Writes the deliveries; those that found a place in a memory queue are leased.
    fn deliver(&self, tx: &Tx<'_>) -> Result<Vec<(Place, Fresh)>, Failure> {
        let Self { item, deliveries, taken, arrival, .. } = *self;
        let created_at = arrival.known_at();
        let (mut places, n_bytes) = (Vec::new(), Delivery::n_bytes_with(&item.data));
        let op_seq = taken.map(|taken| taken.seq);
        // Nothing waits for an operation that was not known.
        let known = taken.filter(|taken| !taken.is_new).map(|taken| taken.seq);
        let taken_by = deliveries.iter().enumerate().filter(|(_, new)| tx.shared.takes(&new.sink, &item.kind));
        for ((number, new), seq) in taken_by.zip(ids::first_delivery(item.seq)..) {
            let is_blocked = delivery::is_waited_for(tx, &new.sink, known)?;
            let place = if is_blocked { None } else { tx.shared.listener.place(&new.sink, n_bytes) };
            let leased_until = place.as_ref().map(|place| tx.steady.saturating_add(micros(place.ttl)));
            let id = delivery::insert(
                tx,
                new,
                &NewRow { seq, op_seq, is_blocked, leased_until, created_at, resend_of: None },
            )?;
            if let (Some(place), Some(expires_at)) = (place, leased_until) {
                places.push((place, Fresh { number, id, expires_at }));
            }
        }
        Ok(places)
    }
}
