//! Accepting: notification, operation and deliveries in one transaction; then fresh deliveries into the memory queues.
//!
//! **Invariants**
//! 1. A delivery that has a place in a memory queue is written as leased, so no other dispatcher can take it.
//! 2. The writer itself fills the place, after the commit: it does not matter whether the request still waits.

use std::sync::Arc;

use rusqlite::params;
use tokio::sync::oneshot;

use super::binding::Announced;
use super::delivery::{self, NewRow, check_number_of, each_sink_once};
use super::operation::{Taken, Told};
use super::prepare::{Item, Prepared};
use super::{ended_calls, operation, quarantine, repeats, reports, schedule, watches};
use crate::domain::{
    ClientContext, Delivery, DeliveryId, Envelope, Event, Held, Lease, NewDelivery, OperationEvent, Origin, Previous,
    RecordOperation, RoutingKey, Status,
};
use crate::store::process::Place;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::instants::{instant, micros};
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::writer::Job;
use crate::store::sqlite::engine::{ids, lookups, unanswered};
use crate::store::unanswered::Unanswered;
use crate::store::{Receipt, StoreError, Stored};

/// A batch that is being accepted.
pub struct Accept {
    prepared: Prepared,
    decided: Vec<Decided>,
    reply: oneshot::Sender<Result<Handed, StoreError>>,
    unanswered: Arc<Unanswered>,
    /// Whether the request had given up when the batch was written. That fact was written with it.
    is_given_up: bool,
}

/// A receipt on its way to the request. If the request is gone, its events count as unanswered.
pub struct Handed {
    receipt: Receipt,
    unanswered: Option<Arc<Unanswered>>,
}

/// The decisions about one item.
struct Decided {
    stored: Stored,
    previous: Option<Status>,
    /// The metadata of the operation's expectation.
    metadata: Option<String>,
    /// The deliveries that the expectation asks for, or that the routes give for the operation's client context. They
    /// replace the deliveries that the notification alone is routed to.
    expected: Option<Vec<NewDelivery>>,
    /// The operation's client context, if the notification has none.
    client_context: Option<ClientContext>,
    /// The places to fill, each with its delivery.
    places: Vec<(Place, Fresh)>,
}

/// A delivery that was written as leased.
struct Fresh {
    /// The delivery's place in the list.
    number: usize,
    id: DeliveryId,
    /// In microseconds.
    expires_at: i64,
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

impl Handed {
    /// Takes the receipt: the request has it.
    pub fn take(mut self) -> Receipt {
        self.unanswered = None;
        std::mem::take(&mut self.receipt)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(unanswered) = self.unanswered.take() {
            unanswered.note(self.receipt.stored.iter().map(|stored| ids::event_row(stored.event().0)));
        }
    }
}

impl Job for Accept {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.decided.clear();
        self.decided.reserve_exact(self.prepared.items.len());
        for item in &self.prepared.items {
            self.decided.push(accept(tx, item, self.prepared.received_at)?);
        }
        // After all items: equal bytes in one POST do not repeat each other.
        self.is_given_up = self.reply.is_closed();
        if self.is_given_up {
            unanswered::mark(tx, self.decided.iter().map(|decided| ids::event_row(decided.stored.event().0)))?;
        }
        if self.prepared.items.is_empty() && self.prepared.quarantined.is_empty() {
            // A batch of which nothing is stored takes as long as any other, so the time reveals nothing to the sender.
            return tx.beat();
        }
        quarantine::add(tx, &self.prepared.quarantined, self.prepared.received_at)
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { prepared, decided, reply, unanswered, is_given_up } = *self;
        // A receipt means that the event can be read, unless an earlier event is still being written.
        drop(prepared.given);
        let receipt = outcome.map(|()| {
            let mut stored = Vec::with_capacity(decided.len());
            for (item, decided) in prepared.items.into_iter().zip(decided) {
                stored.push(decided.stored.clone());
                fill(decided, item, prepared.received_at);
            }
            let receipt = Receipt { stored, quarantined: prepared.quarantined.iter().map(|entry| entry.id).collect() };
            Handed { receipt, unanswered: Some(unanswered).filter(|_| !is_given_up) }
        });
        // The request may have given up waiting.
        let _ = reply.send(receipt);
    }
}

fn accept(tx: &Tx<'_>, item: &Item, received_at: i64) -> Result<Decided, Failure> {
    let since = received_at.saturating_sub(micros(tx.shared.settings.deduplicate));
    let about = item.notification.operation().zip(item.operation_lookup);
    let known = match about {
        Some((operation, lookup)) => operation::known(tx, operation, lookup)?,
        None => Vec::new(),
    };
    let seen = repeats::look(tx, item, &known, since)?;
    if let Some((of, by)) = seen.repeat {
        let (previous, metadata, expected, client_context, places) = Default::default();
        let stored = Stored::Duplicate { of, by };
        return Ok(Decided { stored, previous, metadata, expected, client_context, places });
    }
    let taken = match about {
        Some((operation, lookup)) => {
            let (notification, proof) = (&item.notification, item.proof);
            let told = Told { notification, operation, proof, event: item.seq, received_at };
            Some(operation::take(tx, &told, (known, lookup))?)
        }
        None => None,
    };
    let announced = taken.as_ref().and_then(|taken| taken.announced.as_ref());
    let metadata = announced.and_then(|announced| announced.metadata.clone());
    let client_context = taken.as_ref().and_then(|taken| taken.client_context.clone());
    let by_context = || client_context.as_ref().and_then(|context| routed(tx.shared, item, context));
    let expected = announced.and_then(Announced::deliveries).or_else(by_context);
    let deliveries = expected.as_deref().unwrap_or(&item.deliveries);
    insert(tx, (item, deliveries), (taken.as_ref(), seen.possible_repeat), received_at)?;
    let places = deliver(tx, (item, deliveries), taken.as_ref(), received_at)?;
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
            reports::add(tx, OperationEvent::Recovered, taken.seq, by_routes.as_deref().unwrap_or(deliveries))?;
        }
    }
    if let Some(ended) = &item.notification.ended_call {
        ended_calls::remember(tx, ended, received_at)?;
        watches::call_ended(tx, &ended.call_id, received_at)?;
    }
    let order = taken.as_ref().map(|taken| taken.order);
    let ambiguous = taken.as_ref().is_some_and(|taken| taken.ambiguous);
    let unmatched = deliveries.is_empty();
    let (id_conflict, possible_repeat) = (seen.id_conflict, seen.possible_repeat);
    let stored = Stored::New { event: item.id, order, id_conflict, possible_repeat, ambiguous, unmatched };
    let previous = taken.and_then(|taken| taken.previous);
    Ok(Decided { stored, previous, metadata, expected, client_context, places })
}

/// The deliveries of a notification without a client context, by its operation's client context; `None` if there are
/// none.
fn routed(shared: &Shared, item: &Item, context: &ClientContext) -> Option<Vec<NewDelivery>> {
    // The carried fields were taken out of the notification.
    let change_type = item.carried.change_type.as_deref();
    let client_context = Some(context.as_str());
    let key = RoutingKey { client_context, change_type, ..item.notification.routing_key() };
    let mut deliveries = shared.router.get()?(&key);
    each_sink_once(&mut deliveries);
    let is_somewhere = !deliveries.is_empty() && check_number_of(&deliveries).is_ok();
    is_somewhere.then_some(deliveries)
}

fn insert(
    tx: &Tx<'_>,
    (item, deliveries): (&Item, &[NewDelivery]),
    (taken, possible_repeat): (Option<&Taken>, bool),
    received_at: i64,
) -> Result<(), Failure> {
    let notification = &item.notification;
    let operation = notification.operation();
    let has_token = match operation {
        Some(operation) => operation.recording_access_token.is_some(),
        None => notification.secrets.is_some(),
    };
    let client_context = taken.and_then(|taken| taken.client_context.as_ref()).or(notification.client_context.as_ref());
    let sql = "INSERT INTO events (seq, id, received_at, channel, op_seq, hash, lookup, is_matched, has_token, kind, \
               resource_type, resource, client_context, tenant_id, subscription_id, graph_id, status, op_order, \
               previous_status, sealed, message, possible_repeat) VALUES \
               (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";
    tx.execute(
        sql,
        params![
            item.seq,
            item.id.0.as_bytes(),
            received_at,
            notification.channel.as_str(),
            taken.map(|taken| taken.seq),
            item.hash,
            item.lookup,
            !deliveries.is_empty(),
            has_token,
            item.kind,
            notification.resource_type,
            notification.resource,
            client_context.map(ClientContext::as_str),
            notification.tenant_id,
            notification.subscription_id,
            notification.graph_id,
            operation.map(|operation: &RecordOperation| operation.status.as_str()),
            taken.map(|taken| taken.order.as_str()),
            taken.and_then(|taken| taken.previous.as_ref()).map(Status::as_str),
            item.sealed,
            item.messages[0],
            possible_repeat,
        ],
    )?;
    if let Some(lookup) = item.lookup {
        lookups::add(tx, lookup, item.seq)?;
    }
    schedule::look_at(tx, item.seq, schedule::first_look(&tx.shared.settings, tx.steady, has_token))
}

/// Writes an item's deliveries; those that found a place in a memory queue are leased.
fn deliver(
    tx: &Tx<'_>,
    (item, deliveries): (&Item, &[NewDelivery]),
    taken: Option<&Taken>,
    received_at: i64,
) -> Result<Vec<(Place, Fresh)>, Failure> {
    let (mut places, n_bytes) = (Vec::new(), Delivery::n_bytes_with(&item.data));
    for ((number, new), row) in deliveries.iter().enumerate().zip(ids::first_delivery(item.seq)..) {
        // Nothing waits for an operation that was not known.
        let op_seq = taken.map(|taken| taken.seq);
        let is_blocked = match taken {
            Some(taken) if !taken.is_new => delivery::is_waited_for(tx, &new.sink, taken.seq)?,
            _ => false,
        };
        let place = if is_blocked { None } else { tx.shared.listener.place(&new.sink, n_bytes) };
        let leased_until = place.as_ref().map(|place| tx.steady.saturating_add(micros(place.ttl)));
        let id =
            delivery::insert(tx, new, &NewRow { seq: row, op_seq, is_blocked, leased_until, created_at: received_at })?;
        if let (Some(place), Some(expires_at)) = (place, leased_until) {
            places.push((place, Fresh { number, id, expires_at }));
        }
    }
    Ok(places)
}

/// Puts the leases into the places. The event is the same as one read back from the disk.
fn fill(decided: Decided, item: Item, received_at: i64) {
    let Decided { stored, previous, metadata, expected, client_context, places } = decided;
    let Stored::New { order, possible_repeat, .. } = stored else { return };
    if places.is_empty() {
        return;
    }
    let notification = item.notification;
    let recording_access_token =
        notification.operation().and_then(|operation| operation.recording_access_token.clone());
    let event = Arc::new(Event {
        id: item.id,
        origin: Origin::Graph,
        kind: item.kind,
        number: item.seq,
        envelope: Envelope {
            channel: notification.channel,
            resource_type: notification.resource_type,
            tenant_id: notification.tenant_id,
            subscription_id: notification.subscription_id,
            carried: item.carried,
        },
        recording_access_token,
        secrets: notification.secrets,
        subject: Some(notification.resource).filter(|resource| !resource.is_empty()),
        time: instant(received_at),
        client_context: client_context.or(notification.client_context),
        order,
        previous: previous.map(|status| Previous { status }),
        possible_repeat,
        data: item.data,
        metadata,
    });
    let deliveries = expected.unwrap_or(item.deliveries);
    for (place, fresh) in places {
        let Some(new) = deliveries.get(fresh.number).cloned() else { continue };
        let event = Arc::clone(&event);
        place.fill(Lease {
            delivery: Delivery {
                id: fresh.id,
                sink: new.sink,
                route: new.route,
                captures: new.captures,
                event,
                attempt: 1,
            },
            expires_at: instant(fresh.expires_at),
            token: delivery::FIRST_TOKEN,
            follows: false,
            // The place holds the budget.
            held: Held::default(),
        });
    }
}
