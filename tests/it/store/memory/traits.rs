//! The store in memory as each of the traits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::rows::instant;
use super::{MemoryStore, accept, announce, exchanges, ids, logs, quarantine, queue, reports, sweep, views, watches};
use reelhook::config::Expectations;
use reelhook::domain::{
    DeliveryId, EventId, Exchange, GraphId, KEPT_MINUTES, Lease, MAX_RICH_SUBSCRIPTIONS, Minute, NewDelivery,
    Operation, Outcome, Raw, Reason, SinkName,
};
use reelhook::odata::Filter;
use reelhook::store::operations::{Change, Created, Deleted, NewOperation, Question, Updated};
use reelhook::store::{
    Backlog, Batch, Choosing, Counted, DeadFilter, DeadKey, DeadLetters, Delivered, Deliveries, DeliveryFilter,
    DeliveryState, DeliveryView, Due, EventFilter, EventView, Events, FailedAttempt, Health, Hint, History, Inbox,
    Limit, LoggedDelivery, Logs, Looked, MadeDue, Newest, NewestEvents, OperationView, Operations, Page, Quarantine,
    QuarantineFilter, QuarantineView, Queue, Raised, Receipt, Reception, ReplayWish, Report, Reports, Resent, Routing,
    Rules, Selections, SinkCondition, SinkConditions, SinkPauses, Space, StoreError, Stored, StreamedEvent, Tallies,
    Told, Upkeep, Views, Waiting, Watches,
};

/// A receipt on its way to the request. If the request is gone, its events count as unanswered.
struct Handed<'a> {
    store: &'a MemoryStore,
    receipt: Receipt,
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        let events: Vec<EventId> = self.receipt.stored.iter().map(Stored::event).collect();
        self.store.note_unanswered(&events);
    }
}

impl MemoryStore {
    /// Accepts a batch without waiting.
    ///
    /// # Errors
    /// As [`Inbox::accept`].
    pub fn accept_at_once(&self, batch: Batch) -> Result<Receipt, StoreError> {
        if self.around.is_full() {
            return Err(StoreError::Full);
        }
        self.write(|tx| accept::accept(tx, batch, None))
    }

    /// Notes events as unanswered.
    fn note_unanswered(&self, events: &[EventId]) {
        // A closed store recognises no repeat any more.
        let _ = self.write(|tx| {
            for number in events.iter().map(|id| ids::event_row(id.0)) {
                if tx.rows.events.contains_key(&number) {
                    tx.rows.unanswered.insert(number);
                }
            }
            Ok(())
        });
    }
}

#[async_trait]
impl Inbox for MemoryStore {
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError> {
        let mut handed = Handed { store: self, receipt: self.accept_at_once(batch)? };
        // Between the commit and the receipt a request may give up.
        tokio::task::yield_now().await;
        Ok(std::mem::take(&mut handed.receipt))
    }

    async fn accept_late(&self, entry: i64, batch: Batch) -> Result<Receipt, StoreError> {
        if self.around.is_full() {
            return Err(StoreError::Full);
        }
        self.write(|tx| accept::accept(tx, batch, Some(entry)))
    }

    fn unanswered(&self, events: Vec<EventId>) {
        self.note_unanswered(&events);
    }

    async fn rich_subscriptions(&self) -> Result<Vec<String>, StoreError> {
        self.read(|rows| rows.rich.clone())
    }

    async fn remember_rich(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.write(|tx| {
            for id in ids {
                if !tx.rows.rich.contains(&id) {
                    tx.rows.rich.push(id);
                }
            }
            let n_beyond = tx.rows.rich.len().saturating_sub(MAX_RICH_SUBSCRIPTIONS);
            tx.rows.rich.drain(..n_beyond);
            Ok(())
        })
    }
}

#[async_trait]
impl Queue for MemoryStore {
    async fn lease(&self, sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        self.write(|tx| Ok(queue::lease(tx, sink, limit, ttl)))
    }

    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        let now = self.around.clock.steady();
        self.read(|rows| {
            let waiting = rows.unsettled.iter().filter_map(|number| rows.deliveries.get(number));
            let free = waiting.filter(|row| {
                let is_open = row.new.sink == *sink && row.view.state == DeliveryState::Open;
                is_open && (!row.is_leased || row.view.at <= now)
            });
            free.map(|row| row.view.at).min()
        })
    }

    async fn settle_noting(
        &self,
        outcomes: Arc<[Outcome]>,
        condition: Option<SinkCondition>,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            queue::settle(tx, &outcomes);
            if let Some(condition) = condition {
                let kept = tx.rows.conditions.entry(condition.sink.clone()).or_insert_with(|| condition.clone());
                if condition.version > kept.version {
                    *kept = condition;
                }
            }
            Ok(())
        })
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| {
            queue::release(tx, &leases, due_at);
            Ok(())
        })
    }
}

#[async_trait]
impl Deliveries for MemoryStore {
    async fn make_due(&self, sink: &SinkName) -> Result<u64, StoreError> {
        self.write(|tx| Ok(queue::make_due(tx, sink)))
    }

    async fn n_due(&self, sink: &SinkName) -> Result<u64, StoreError> {
        let now = self.around.clock.steady();
        let is_due = |it: &super::rows::DeliveryRow| it.view.state == DeliveryState::Open && it.view.at <= now;
        self.read(|rows| rows.deliveries.values().filter(|it| it.new.sink == *sink && is_due(it)).count() as u64)
    }

    async fn make_one_due(&self, id: DeliveryId) -> Result<Option<MadeDue>, StoreError> {
        self.write(|tx| Ok(queue::make_one_due(tx, id)))
    }

    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError> {
        self.write(|tx| Ok(queue::replay(tx, &which)))
    }

    async fn resend(&self, deliveries: Vec<DeliveryId>, to: Option<SinkName>) -> Result<Vec<Resent>, StoreError> {
        self.write(|tx| Ok(queue::resend(tx, &deliveries, to.as_ref())))
    }

    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<Option<usize>, StoreError> {
        self.write(|tx| queue::route_again(tx, id, deliveries))
    }

    async fn move_waiting(&self, from: &SinkName, to: &SinkName) -> Result<u64, StoreError> {
        self.write(|tx| Ok(queue::move_waiting(tx, from, to)))
    }

    async fn drop_waiting(&self, sink: &SinkName) -> Result<u64, StoreError> {
        self.write(|tx| Ok(queue::drop_waiting(tx, sink)))
    }
}

#[async_trait]
impl Quarantine for MemoryStore {
    async fn quarantined(
        &self,
        which: &QuarantineFilter,
        page: Newest<i64>,
    ) -> Result<Vec<QuarantineView>, StoreError> {
        let before = page.before.unwrap_or(i64::MAX);
        self.read(|rows| {
            let newest_first = views::quarantine(rows, which).rev().filter(|it| it.id < before);
            newest_first.take(page.limit).collect()
        })
    }

    async fn quarantine_ids(
        &self,
        which: &QuarantineFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let is_behind = |it: &QuarantineView| after.is_none_or(|after| it.id > after);
        self.read(|rows| views::quarantine(rows, which).filter(is_behind).take(limit).map(|it| it.id).collect())
    }

    async fn count_quarantined(&self, which: &QuarantineFilter, most: usize) -> Result<Counted, StoreError> {
        self.read(|rows| views::count_quarantined(rows, which, most))
    }

    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError> {
        self.read(|rows| rows.quarantine.get(&id).map(|row| row.shown()))
    }

    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError> {
        self.write(|tx| Ok(tx.rows.quarantine.get_mut(&id).map(|row| row.wish = Some(vouched)).is_some()))
    }

    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError> {
        self.read(|rows| quarantine::wishes(rows, limit))
    }

    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError> {
        self.write(|tx| {
            quarantine::end_wish(tx, id, refused);
            Ok(())
        })
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(quarantine::waiting)
    }

    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError> {
        self.write(|tx| {
            quarantine::end_waiting(tx, id, refused);
            Ok(())
        })
    }
}

impl MemoryStore {
    /// Converts the due time of a delivery to the machine's clock.
    fn tell_due(&self, delivery: &mut DeliveryView) {
        if matches!(delivery.state, DeliveryState::Open | DeliveryState::Blocked) {
            delivery.at = self.around.clock.shown(delivery.at);
        }
    }

    /// As [`Self::tell_due`], for the deliveries of an event.
    fn shown(&self, mut event: EventView) -> EventView {
        event.deliveries.iter_mut().for_each(|delivery| self.tell_due(delivery));
        event
    }
}

#[async_trait]
impl Views for MemoryStore {
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        let steady = self.around.clock.steady().as_microsecond();
        self.read(|rows| views::backlog(rows, steady))
    }

    async fn tallies(&self) -> Result<Tallies, StoreError> {
        self.read(views::tallies)
    }

    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError> {
        let mut found = self.read(|rows| views::operations(rows, id))?;
        for operation in &mut found {
            operation.events = std::mem::take(&mut operation.events).into_iter().map(|it| self.shown(it)).collect();
        }
        Ok(found)
    }

    async fn newest_events(&self, operation: i64, limit: usize) -> Result<NewestEvents, StoreError> {
        let mut found = self.read(|rows| views::newest_events(rows, operation, limit))?;
        found.events = std::mem::take(&mut found.events).into_iter().map(|it| self.shown(it)).collect();
        Ok(found)
    }

    async fn last_failure(&self, sink: &SinkName) -> Result<Option<FailedAttempt>, StoreError> {
        self.read(|rows| views::last_failure(rows, sink))
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        let mut found = self.read(|rows| views::delivery(rows, id))?;
        found.iter_mut().for_each(|delivery| self.tell_due(delivery));
        Ok(found)
    }

    async fn exchanges(&self, id: DeliveryId) -> Result<BTreeMap<u32, Exchange>, StoreError> {
        self.read(|rows| exchanges::of(rows, id))
    }

    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError> {
        let found = self.read(|rows| rows.event_row(id).map(|row| rows.event_view(row)))?;
        Ok(found.map(|event| self.shown(event)))
    }

    async fn original(&self, id: EventId) -> Result<Option<Raw>, StoreError> {
        self.read(|rows| rows.event_row(id).map(|row| row.raw.clone()).filter(|raw| !raw.is_empty()).map(Raw))
    }
}

#[async_trait]
impl Selections for MemoryStore {
    async fn dead_letters(
        &self,
        which: &DeadFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        self.read(|rows| logs::dead_letters(rows, which, page))
    }

    async fn dead_keys(
        &self,
        which: &DeadFilter,
        after: Option<&DeadKey>,
        limit: usize,
    ) -> Result<Vec<DeadKey>, StoreError> {
        self.read(|rows| views::dead_keys(rows, which, after, limit))
    }

    async fn count_dead(&self, which: &DeadFilter, most: usize) -> Result<Counted, StoreError> {
        self.read(|rows| views::count_dead(rows, which, most))
    }

    async fn delivered(
        &self,
        which: &Delivered,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Looked, StoreError> {
        self.read(|rows| views::delivered(rows, which, (after, limit)))
    }

    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError> {
        self.read(|rows| views::unmatched_after(rows, after, limit))
    }
}

#[async_trait]
impl Logs for MemoryStore {
    async fn event_log(
        &self,
        which: &EventFilter,
        page: Newest<EventId>,
    ) -> Result<Page<EventView, EventId>, StoreError> {
        let mut found = self.read(|rows| logs::events(rows, which, page))?;
        found.rows = found.rows.into_iter().map(|event| self.shown(event)).collect();
        Ok(found)
    }

    async fn delivery_log(
        &self,
        which: &DeliveryFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        let now = self.around.clock.steady();
        let mut found = self.read(|rows| logs::deliveries(rows, which, page, now))?;
        found.rows.iter_mut().for_each(|row| self.tell_due(&mut row.delivery));
        Ok(found)
    }
}

#[async_trait]
impl Events for MemoryStore {
    async fn stream(&self, after: Option<EventId>, limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        self.read(|rows| views::stream(rows, after, limit))
    }

    async fn newest_event(&self) -> Result<Option<EventId>, StoreError> {
        self.read(|rows| rows.events.values().next_back().map(|row| row.view.id))
    }

    async fn latest(&self, limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        self.read(|rows| views::latest(rows, limit))
    }
}

#[async_trait]
impl Operations for MemoryStore {
    async fn list(&self, question: Question<'_>) -> Result<Vec<Operation>, StoreError> {
        self.read(|rows| views::page(rows, &question))
    }

    async fn count(&self, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Result<u64, StoreError> {
        self.read(|rows| views::count(rows, call_id, filter))
    }

    async fn get(&self, id: &GraphId, call_id: Option<&GraphId>) -> Result<Option<Operation>, StoreError> {
        self.read(|rows| views::get(rows, id, call_id))
    }

    async fn create(&self, new: NewOperation) -> Result<Created, StoreError> {
        if self.around.is_full() {
            return Err(StoreError::Full);
        }
        self.write(|tx| announce::create(tx, &new))
    }

    async fn update(&self, number: i64, version: Option<i64>, change: Change) -> Result<Updated, StoreError> {
        self.write(|tx| announce::update(tx, number, version, &change))
    }

    async fn delete(&self, number: i64, version: Option<i64>, force: bool) -> Result<Deleted, StoreError> {
        self.write(|tx| Ok(announce::delete(tx, number, version, force)))
    }

    fn page_key(&self) -> [u8; 32] {
        self.contents.page_key
    }
}

#[async_trait]
impl Watches for MemoryStore {
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError> {
        let now = self.around.clock.steady().as_microsecond();
        self.read(|rows| watches::due(rows, now, limit))
    }

    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|rows| rows.watches.first().map(|(at, ..)| instant(*at)))
    }

    async fn raise(
        &self,
        due: Due,
        deliveries: Vec<NewDelivery>,
        reception: &Arc<Reception>,
    ) -> Result<Raised, StoreError> {
        self.write(|tx| watches::raise(tx, &due, deliveries, reception))
    }
}

#[async_trait]
impl SinkPauses for MemoryStore {
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError> {
        self.read(|rows| rows.paused.clone())
    }

    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError> {
        self.write(|tx| {
            let now = instant(tx.wall);
            Ok(*tx.rows.paused.entry(sink.clone()).or_insert(now))
        })
    }

    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.rows.paused.remove(sink);
            Ok(())
        })
    }
}

#[async_trait]
impl SinkConditions for MemoryStore {
    async fn sink_conditions(&self) -> Result<Vec<SinkCondition>, StoreError> {
        self.read(|rows| rows.conditions.values().cloned().collect())
    }

    async fn forget_conditions(&self, sinks: Vec<SinkName>) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.rows.conditions.retain(|sink, _| !sinks.contains(sink));
            Ok(())
        })
    }
}

#[async_trait]
impl History for MemoryStore {
    async fn add_history(&self, minutes: Vec<Minute>) -> Result<(), StoreError> {
        self.write(|tx| {
            for Minute { minute, counts } in minutes {
                *tx.rows.history.entry(minute).or_default() += counts;
            }
            let oldest = instant(tx.steady).as_second().div_euclid(60) - KEPT_MINUTES + 1;
            tx.rows.history = tx.rows.history.split_off(&oldest);
            Ok(())
        })
    }

    async fn history(&self, since: i64) -> Result<Vec<Minute>, StoreError> {
        self.read(|rows| {
            rows.history.range(since..).map(|(minute, counts)| Minute { minute: *minute, counts: *counts }).collect()
        })
    }
}

#[async_trait]
impl Reports for MemoryStore {
    async fn report(&self, report: Report, deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError> {
        self.write(|tx| reports::add_for_operators(tx, report, deliveries))
    }

    async fn tell(&self, told: Told, event: Option<(Report, Vec<NewDelivery>)>) -> Result<(), StoreError> {
        self.write(|tx| {
            if let Some((report, deliveries)) = event {
                reports::add_for_operators(tx, report, deliveries)?;
            }
            tx.rows.told.insert(told.subject.clone(), told);
            Ok(())
        })
    }

    async fn told(&self) -> Result<Vec<Told>, StoreError> {
        self.read(|rows| rows.told.values().cloned().collect())
    }

    async fn forget_told(&self, subjects: Vec<String>) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.rows.told.retain(|subject, _| !subjects.contains(subject));
            Ok(())
        })
    }
}

impl Rules for MemoryStore {
    fn route_by(&self, routing: Routing) {
        // A second call is for nothing: see the trait.
        let _ = self.around.routing.set(routing);
    }

    fn choose_by(&self, choosing: Choosing) {
        let _ = self.around.choosing.set(choosing);
    }

    fn watch_by(&self, settings: &Expectations) {
        *self.around.expectations.lock() = settings.clone();
    }
}

#[async_trait]
impl Upkeep for MemoryStore {
    async fn ready(&self) -> Result<(), StoreError> {
        if self.around.is_full() {
            return Err(StoreError::Full);
        }
        self.read(|_rows| ())
    }

    /// There is no file and no disk.
    fn space(&self) -> Space {
        Space::default()
    }

    /// The time is in the clock that the store was opened with.
    async fn note_time(&self) -> Result<(), StoreError> {
        self.read(|_rows| ())
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.write(|tx| Ok(sweep::sweep(tx)))
    }

    async fn close(&self) {
        self.around.is_closed.store(true, Ordering::SeqCst);
        self.around.listener.hint(Hint::Closed);
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }
}
