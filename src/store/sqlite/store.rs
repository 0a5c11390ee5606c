//! The store's traits for intake, dispatch and operators: each method calls the module that does the work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::SqliteStore;
use super::engine::tx::{Shared, instant};
use super::engine::writer::Sender;
use super::engine::{ids, time};
use super::read::views;
use super::write::{accept, delivery, lease, pauses, prepare, quarantine, redirect, replay, rich, sweep, waiting};
use crate::domain::{DeliveryId, EventId, Lease, NewDelivery, Outcome, Reason, Room, SinkName};
use crate::store::{
    Backlog, Batch, DeadLetters, DeliveryState, DeliveryView, EventView, Health, Newest, OperationView, QuarantineView,
    Receipt, ReplayWish, Store, StoreError, Waiting,
};

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        let (reply, receipt) = oneshot::channel();
        let offered = prepare::Prepared::new(batch, &self.shared).and_then(|prepared| {
            let n_bytes = prepared.n_bytes();
            let unanswered = Arc::clone(&self.shared.unanswered);
            let sender = if prepared.is_strangers() { Sender::Stranger } else { Sender::Known };
            self.writer.offer(Box::new(accept::Accept::new(prepared, reply, unanswered)), n_bytes, sender)
        });
        // Later events may have waited only for the refused one.
        offered.inspect_err(|_refused| self.shared.tell_of_events())?;
        receipt.await.map_err(|_gone| StoreError::Closed)?.map(accept::Handed::take)
    }

    fn unanswered(&self, events: Vec<EventId>) {
        self.shared.unanswered.note(events.into_iter().map(|event| ids::event_row(event.0)));
    }

    fn fresh(&self, sink: &SinkName, room: &Room, ttl: Duration) -> mpsc::Receiver<Lease> {
        self.shared.mailboxes.open(sink, room, ttl)
    }

    async fn lease(&self, sink: &SinkName, limit: usize, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        let name = sink.clone();
        let budget = self.shared.mailboxes.budget(sink);
        let (n_bytes, takes_any) = budget.map_or((usize::MAX, true), |it| (it.left(), it.is_free()));
        let limit = lease::Limit { n: limit, n_bytes, takes_any };
        let leased = self.writer.ask(move |tx| lease::lease(tx, &name, limit, ttl)).await?;
        if leased.is_empty() { Ok(Vec::new()) } else { self.with_events(sink, leased).await }
    }

    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        let sink = sink.clone();
        let due = self.read_by(&self.readers, move |connection, shared| {
            views::next_due(connection, &sink, shared.clock.steady().as_microsecond())
        });
        Ok(due.await?.map(instant))
    }

    async fn woken(&self, sink: &SinkName) {
        self.shared.mailboxes.woken(sink).await;
    }

    async fn settle(&self, outcomes: Arc<[Outcome]>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| delivery::settle(tx, &outcomes)).await
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        let due_at = due_at.as_microsecond();
        self.writer.ask(move |tx| lease::release(tx, &leases, due_at)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        if let Some(found) = self.shared.health.damage() {
            return Err(StoreError::Damaged(found.to_owned()));
        }
        self.writer.ask(|tx| tx.beat()).await
    }

    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        let backlog =
            |connection: &_, shared: &Shared| views::backlog(connection, shared.clock.steady().as_microsecond());
        self.read_by(&self.views, backlog).await
    }

    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError> {
        let id = id.to_owned();
        let mut found = self.read(move |connection, shared| views::operations(connection, &shared.seal, &id)).await?;
        found.iter_mut().flat_map(|operation| &mut operation.events).for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let sink = sink.cloned();
        let question = move |connection: &_, _: &_| views::deliveries_in(connection, state, sink.as_ref(), page);
        let mut found = self.question(question).await?;
        found.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
        Ok(found)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        let mut found = self.read(move |connection, _| views::delivery(connection, id)).await?;
        found.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
        Ok(found)
    }

    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError> {
        let mut found = self.read(move |connection, shared| views::event(connection, &shared.seal, id)).await?;
        found.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn unmatched(&self, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection, shared| views::unmatched(connection, &shared.seal, page)).await
    }

    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection, shared| views::unmatched_after(connection, &shared.seal, after, limit)).await
    }

    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<usize, StoreError> {
        self.writer.ask(move |tx| replay::route(tx, id, &deliveries)).await
    }

    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError> {
        let sinks = match which {
            DeadLetters::One(id) => return self.writer.ask(move |tx| replay::one(tx, id)).await,
            DeadLetters::OfSink(sink) => vec![sink],
            DeadLetters::All => self.writer.ask(replay::sinks_with_dead).await?,
        };
        let mut n_replayed = 0;
        for sink in sinks {
            // Dead letters that fail again meanwhile do not belong to this command: there are no more rounds than there
            // were dead letters.
            let n_dead = self.backlog().await?.get(&sink).map_or(0, |backlog| backlog.n_dead);
            let mut n_of_sink = 0;
            while n_of_sink < n_dead {
                let name = sink.clone();
                let n = self.writer.ask(move |tx| replay::of_sink(tx, &name)).await?;
                n_of_sink += n as u64;
                if n < replay::ROUND {
                    break;
                }
            }
            n_replayed += n_of_sink;
        }
        Ok(n_replayed)
    }

    async fn quarantine(&self, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError> {
        self.views.read(move |connection| quarantine::list(connection, page)).await
    }

    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.views.read(move |connection| quarantine::entry(connection, &shared.seal, id)).await
    }

    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError> {
        self.writer.ask(move |tx| quarantine::wish(tx, id, vouched)).await
    }

    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let read = self.readers.read(move |connection| quarantine::wishes(connection, &shared.seal, limit));
        let (wishes, lost) = read.await?;
        for (id, reason) in lost {
            self.end_wish(id, Some(reason)).await?;
        }
        Ok(wishes)
    }

    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| quarantine::end_wish(tx, id, refused)).await
    }

    async fn rich_subscriptions(&self) -> Result<Vec<String>, StoreError> {
        self.readers.read(rich::list).await
    }

    async fn remember_rich(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| rich::remember(tx, &ids)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.readers.read(move |connection| waiting::list(connection, &shared.seal)).await
    }

    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError> {
        self.writer.ask(move |tx| waiting::end(tx, id, refused)).await
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.shared.health)
    }

    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError> {
        self.read(|connection, _| pauses::list(connection)).await
    }

    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError> {
        let sink = sink.clone();
        self.writer.ask(move |tx| pauses::pause(tx, &sink)).await
    }

    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError> {
        let sink = sink.clone();
        self.writer.ask(move |tx| pauses::resume(tx, &sink)).await
    }

    async fn move_waiting(&self, from: &SinkName, to: &SinkName) -> Result<u64, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.writer.in_rounds(move |tx| redirect::move_some(tx, &from, &to)).await
    }

    async fn drop_waiting(&self, sink: &SinkName) -> Result<u64, StoreError> {
        let sink = sink.clone();
        self.writer.in_rounds(move |tx| redirect::drop_some(tx, &sink)).await
    }

    async fn note_time(&self) -> Result<(), StoreError> {
        self.writer.ask(time::note).await
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.writer.ask(sweep::sweep).await
    }

    async fn close(&self) {
        self.end_check().await;
        for readers in [&self.readers, &self.views, &self.questions] {
            readers.close().await;
        }
        // A command's store writes nothing and has no time of its own.
        if let Some(error) = self.note_time().await.err().filter(|error| !matches!(error, StoreError::Closed)) {
            tracing::warn!(%error, "the store's time could not be stored; the next start uses that of a minute ago");
        }
        self.writer.close().await;
        self.shared.mailboxes.close();
    }
}
