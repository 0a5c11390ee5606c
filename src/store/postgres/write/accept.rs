//! Accepting: the notifications, operations and deliveries of many requests in one transaction; then fresh deliveries into
//! the memory queues.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::ended_calls::Ended;
use super::event_rows::{self, EventRow};
use super::operations::{Keys, Operations, call_of};
use super::own_event::OwnEvent;
use super::placing::{self, Placed, Wanted};
use super::repeats::Before;
use super::{quarantine, reports, taking, unanswered, watches};
use crate::domain::{Delivery, EventId, NewDelivery, OperationEvent, Origin, Quarantined};
use crate::store::decisions::announced::Announced;
use crate::store::decisions::decided::{Decided, Fresh};
use crate::store::decisions::item::Item;
use crate::store::decisions::news::News;
use crate::store::decisions::receipt::Handed;
use crate::store::decisions::routing;
use crate::store::decisions::taken::Taken;
use crate::store::ids;
use crate::store::instants::micros;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::shared::Shared;
use crate::store::postgres::engine::tx::Tx;
use crate::store::process::Place;
use crate::store::sealed;
use crate::store::unanswered::Unanswered;
use crate::store::{Arrival, Batch, Receipt, StoreError, Stored};

/// The rough size of a row without its texts.
const ROW_BYTES: usize = 512;

/// A batch that is being accepted.
pub struct Accept {
    items: Vec<Item>,
    quarantined: Vec<Quarantined>,
    entry: Option<i64>,
    arrival: Arrival,
    decided: Vec<Decided>,
    entries: Vec<i64>,
    reply: oneshot::Sender<Result<Handed, StoreError>>,
    unanswered: Arc<Unanswered>,
    /// Whether the request had given up when the batch was written. That fact was written with it.
    is_given_up: bool,
}

impl Accept {
    /// A batch, which may have been a quarantine entry until now. Its receipt goes to `reply`.
    ///
    /// # Errors
    /// An event has more deliveries than the store can number.
    pub fn new(
        (batch, entry): (Batch, Option<i64>),
        shared: &Shared,
        reply: oneshot::Sender<Result<Handed, StoreError>>,
    ) -> Result<Self, StoreError> {
        let accepted_at = entry.map(|_entry| shared.clock.now().as_microsecond());
        let arrival = Arrival { received_at: batch.received_at.as_microsecond(), accepted_at };
        let items = batch.accepted.into_iter().enumerate().map(|accepted| Item::new(accepted, arrival));
        Ok(Self {
            items: items.collect::<Result<_, _>>()?,
            quarantined: batch.quarantined,
            entry,
            arrival,
            decided: Vec::new(),
            entries: Vec::new(),
            reply,
            unanswered: Arc::clone(&shared.unanswered),
            is_given_up: false,
        })
    }

    /// Its rough size in memory.
    pub fn n_bytes(&self) -> usize {
        let items = self.items.iter().map(|item| item.raw.len() + item.data.len() + ROW_BYTES);
        items.chain(self.quarantined.iter().map(|it| it.raw.0.len() + ROW_BYTES)).sum()
    }

    /// Whether nothing in it comes from a known sender.
    pub fn is_strangers(&self) -> bool {
        self.items.is_empty() && self.quarantined.iter().all(|it| it.is_strangers() && it.held.is_none())
    }

    /// Tells the request, and fills the memory queues.
    pub fn finish(self, outcome: Result<(), StoreError>) {
        let Self { items, arrival, decided, entries, reply, unanswered, is_given_up, .. } = self;
        let receipt = outcome.map(|()| {
            let mut stored = Vec::with_capacity(decided.len());
            for (item, decided) in items.into_iter().zip(decided) {
                stored.push(decided.stored.clone());
                decided.fill(item, arrival.received_at);
            }
            Handed::new(Receipt { stored, quarantined: entries }, Some(unanswered).filter(|_| !is_given_up))
        });
        // The request may have given up waiting.
        let _ = reply.send(receipt);
    }
}

/// What a group of batches is judged by, and what it makes.
struct Group {
    operations: Operations,
    before: Before,
    ended: Ended,
    /// The number of the next new operation.
    next_operation: i64,
    made: Vec<Made>,
    own: Vec<(OwnEvent, Vec<NewDelivery>)>,
}

/// The place of an item: of its batch, and its own.
#[derive(Clone, Copy)]
struct At {
    batch: usize,
    item: usize,
}

/// What an end that came late is reported by.
struct Cause<'a> {
    event: EventId,
    /// Whether the client of the operation named the sinks.
    is_named: bool,
    deliveries: &'a [NewDelivery],
}

/// An item that makes an event, and what was decided.
struct Made {
    at: At,
    deliveries: Vec<NewDelivery>,
    taken: Option<Taken>,
    possible_repeat: bool,
}

/// Accepts batches.
pub async fn run(batches: &mut [&mut Accept], tx: &mut Tx<'_>) -> Result<(), Failure> {
    // First: what is accepted now may repeat them.
    unanswered::write_down(tx).await?;
    let n_items = batches.iter().map(|batch| batch.items.len()).sum();
    if n_items > 0 {
        let mut number = tx.numbers("event_numbers", n_items).await?;
        for item in batches.iter_mut().flat_map(|batch| &mut batch.items) {
            item.number((number, tx.steady), &tx.shared.seal)?;
            number += 1;
        }
        let mut group = Group::load(batches, tx).await?;
        for (at, batch) in batches.iter_mut().enumerate() {
            batch.decided.clear();
            for item in 0..batch.items.len() {
                let decided = group.accept(tx, (&batch.items[item], At { batch: at, item }), batch.arrival)?;
                batch.decided.push(decided);
            }
        }
        group.write(batches, tx).await?;
    }
    for batch in batches.iter_mut() {
        // After all items: equal bytes in one POST do not repeat each other.
        batch.is_given_up = batch.reply.is_closed();
        if batch.is_given_up {
            let events = batch.decided.iter().map(|decided| ids::event_row(decided.stored.event().0));
            unanswered::mark(tx, &events.collect::<Vec<_>>()).await?;
        }
        if let Some(entry) = batch.entry {
            quarantine::remove(tx, entry).await?;
        }
    }
    let refused: Vec<(&[Quarantined], i64)> =
        batches.iter().map(|batch| (&batch.quarantined[..], batch.arrival.received_at)).collect();
    let numbers = quarantine::add(tx, &refused).await?;
    for (batch, numbers) in batches.iter_mut().zip(numbers) {
        batch.entries = numbers;
    }
    Ok(())
}

impl Group {
    async fn load(batches: &[&mut Accept], tx: &Tx<'_>) -> Result<Self, Failure> {
        let items: Vec<&Item> = batches.iter().flat_map(|batch| &batch.items).collect();
        let mut keys = Keys::default();
        for item in &items {
            if let Some(operation) = item.notification.operation() {
                keys.ids.push(operation.id.as_str().to_owned());
                keys.calls.extend(operation.call_id.as_ref().map(|call| call.as_str().to_owned()));
                let context = item.notification.client_context.as_ref();
                keys.contexts.extend(context.map(|context| context.as_str().to_owned()));
            }
            let ended = item.notification.ended_call.as_ref();
            keys.calls.extend(ended.map(|ended| ended.call_id.as_str().to_owned()));
        }
        let n_operations = items.iter().filter(|item| item.notification.operation().is_some()).count();
        let has_any = !keys.ids.is_empty() || !keys.calls.is_empty();
        let operations = if has_any { Operations::load(tx, &keys, false).await? } else { Operations::default() };
        keys.calls.extend(operations.all().filter_map(|it| it.operation.call_id.clone()));
        let ended = if keys.calls.is_empty() { Ended::default() } else { Ended::load(tx, &keys.calls).await? };
        let before = Before::load(tx, &items, &operations).await?;
        let next_operation = tx.numbers("operation_numbers", n_operations).await?;
        Ok(Self { operations, before, ended, next_operation, made: Vec::new(), own: Vec::new() })
    }

    fn accept(&mut self, tx: &mut Tx<'_>, (item, at): (&Item, At), arrival: Arrival) -> Result<Decided, Failure> {
        let since = arrival.received_at.saturating_sub(micros(tx.shared.settings.deduplicate));
        let seen = self.before.look(item, &self.operations, since);
        if let Some((of, by)) = seen.repeat {
            return Ok(Decided::repeated(of, by));
        }
        let taken = self.take(item, arrival);
        let announced = taken.as_ref().and_then(|taken| taken.announced.as_ref());
        let metadata = announced.and_then(|announced| announced.metadata.clone());
        let client_context = taken.as_ref().and_then(|taken| taken.client_context.clone());
        let named = announced.and_then(Announced::deliveries);
        let by_context =
            || client_context.as_ref().and_then(|context| routing::routed(tx.shared.routing.get(), item, context));
        let expected = named.clone().or_else(by_context);
        let deliveries = expected.clone().unwrap_or_else(|| item.deliveries.clone());
        if let Some(taken) = &taken {
            let cause = Cause { event: item.id, is_named: named.is_some(), deliveries: &deliveries };
            self.follow(tx, taken, &cause)?;
        }
        if let Some(ended) = &item.notification.ended_call {
            self.ended.remember(tx, ended, arrival)?;
            watches::call_ended(tx, &mut self.operations, ended.call_id.as_str(), arrival.known_at());
        }
        self.before.add(item, taken.as_ref().map(|taken| taken.seq), arrival.received_at);
        let stored = Stored::New {
            event: item.id,
            order: taken.as_ref().map(|taken| taken.order),
            id_conflict: seen.id_conflict,
            possible_repeat: seen.possible_repeat,
            ambiguous: taken.as_ref().is_some_and(|taken| taken.ambiguous),
            unmatched: deliveries.is_empty(),
        };
        let previous = taken.as_ref().and_then(|taken| taken.previous.clone());
        self.made.push(Made { at, deliveries, taken, possible_repeat: seen.possible_repeat });
        Ok(Decided { stored, previous, metadata, expected, client_context, places: Vec::new() })
    }

    /// Applies an item to its operation, if it is about one.
    fn take(&mut self, item: &Item, arrival: Arrival) -> Option<Taken> {
        let operation = item.notification.operation()?;
        let (notification, proof) = (&item.notification, item.proof);
        let news = News { notification, operation, proof, event: item.seq, known_at: arrival.known_at() };
        let taken = taking::take(&mut self.operations, &news, (self.next_operation, &item.data));
        self.next_operation += i64::from(taken.is_new);
        Some(taken)
    }

    /// What follows from an item for its operation.
    fn follow(&mut self, tx: &mut Tx<'_>, taken: &Taken, cause: &Cause<'_>) -> Result<(), Failure> {
        tx.effects.changed(taken.seq);
        if taken.is_open {
            watches::became_known(tx, (&mut self.operations, &self.ended), taken.seq);
        }
        if !taken.is_recovered {
            return Ok(());
        }
        let event = OperationEvent::Recovered;
        if let Some(stored) = self.operations.change(taken.seq) {
            let operation = &mut stored.operation;
            let call_id = call_of(operation).to_owned();
            let end = self.ended.end_of(&call_id);
            operation.call_end = end.map(|end| sealed::open_call_end(&tx.shared.seal, &call_id, end));
        }
        // If the client named no sinks, reelhook's own event may be routed differently from the end itself, by its type
        // and path.
        let by_routes = match self.operations.get(taken.seq) {
            Some(stored) if !cause.is_named => reports::routed(tx.shared, event, &stored.operation)?,
            _ => None,
        };
        let about = reports::OfOperation { event, number: taken.seq, caused_by: Some(cause.event) };
        let event = reports::of_operation(tx, &self.operations, about)?;
        self.own.push((event, by_routes.unwrap_or_else(|| cause.deliveries.to_vec())));
        Ok(())
    }

    async fn write(self, batches: &mut [&mut Accept], tx: &mut Tx<'_>) -> Result<(), Failure> {
        let Self { operations, before, ended, made, own, .. } = self;
        operations.flush(tx).await?;
        ended.flush(tx).await?;
        before.flush(tx).await?;
        let rows: Vec<EventRow<'_>> = made.iter().map(|made| made.row(batches)).collect();
        event_rows::insert(tx, &rows).await?;
        drop(rows);
        let (mut owners, mut wanted) = (Vec::new(), Vec::new());
        for made in &made {
            let of_one = made.wanted(batches, tx);
            owners.extend(std::iter::repeat_n(made, of_one.len()));
            wanted.extend(of_one);
        }
        let placed = placing::place(tx, &wanted).await?;
        for ((made, wanted), placed) in owners.into_iter().zip(&wanted).zip(placed) {
            batches[made.at.batch].decided[made.at.item].places.extend(fresh(made, wanted, placed));
        }
        for (event, deliveries) in own {
            placing::add(tx, event, &deliveries).await?;
        }
        Ok(())
    }
}

/// The place to fill, with its delivery.
fn fresh(made: &Made, wanted: &Wanted<'_>, placed: Placed) -> Option<(Place, Fresh)> {
    let (place, expires_at) = placed.place?;
    let number = made.deliveries.iter().position(|new| new.sink == wanted.new.sink)?;
    Some((place, Fresh { number, id: placed.id, expires_at }))
}

impl Made {
    fn item<'a>(&self, batches: &'a [&mut Accept]) -> &'a Item {
        &batches[self.at.batch].items[self.at.item]
    }

    fn row<'a>(&'a self, batches: &'a [&mut Accept]) -> EventRow<'a> {
        let (item, arrival, taken) = (self.item(batches), batches[self.at.batch].arrival, self.taken.as_ref());
        let notification = &item.notification;
        let of_operation = taken.and_then(|taken| taken.client_context.as_ref());
        EventRow {
            number: item.seq,
            id: item.id,
            origin: Origin::Graph,
            received_at: arrival.received_at,
            accepted_at: arrival.accepted_at,
            channel: notification.channel,
            operation: taken.map(|taken| taken.seq),
            hash: &item.hash,
            lookup: item.lookup,
            is_matched: !self.deliveries.is_empty(),
            has_token: item.has_token(),
            kind: &item.kind,
            resource_type: &notification.resource_type,
            resource: &notification.resource,
            client_context: of_operation.or(notification.client_context.as_ref()),
            tenant_id: notification.tenant_id.as_deref(),
            subscription_id: notification.subscription_id.as_deref(),
            graph_id: notification.graph_id.as_deref(),
            status: notification.operation().map(|operation| &operation.status),
            order: taken.map(|taken| taken.order),
            previous: taken.and_then(|taken| taken.previous.as_ref()),
            message: item.messages[0],
            possible_repeat: self.possible_repeat,
            sealed: &item.sealed,
        }
    }

    fn wanted<'a>(&'a self, batches: &[&mut Accept], tx: &Tx<'_>) -> Vec<Wanted<'a>> {
        let (item, arrival) = (self.item(batches), batches[self.at.batch].arrival);
        let (first, operation) = (ids::first_delivery(item.seq), self.taken.as_ref().map(|taken| taken.seq));
        let event = placing::OfEvent { first, kind: &item.kind, operation, created_at: arrival.known_at() };
        let mut wanted = placing::wanted(tx, &event, &self.deliveries);
        let n_bytes = Delivery::n_bytes_with(&item.data);
        wanted.iter_mut().for_each(|it| it.n_bytes = Some(n_bytes));
        wanted
    }
}
