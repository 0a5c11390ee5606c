//! The embedded store: one SQLite file, one writer thread, a few readers.
//!
//! A request's batch is hashed and sealed by the request itself (`prepare`), then waits for the writer, which puts
//! whatever waits into one transaction (`writer`). Reads have connections of their own (`readers`).
//!
//! **Invariants**
//! 1. One process owns the store: a lock file keeps a second server out. Operators' commands may write beside it.
//! 2. Every write goes through the writer; no task of the runtime waits for the disk.
//! 3. After a failed write or sync the process ends (`failure`).

mod accept;
mod announce;
mod answers;
mod binding;
mod change;
mod checkpoint;
mod contents;
mod delivery;
mod failure;
mod ids;
mod kept;
mod listing;
mod lookups;
mod open;
mod operation;
mod operations;
mod own;
mod pauses;
mod prepare;
mod quarantine;
mod readers;
mod removal;
mod replay;
mod rows;
mod schema;
mod stream;
mod sweep;
mod tx;
mod views;
mod watches;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::failure::store_error;
use self::ids::Numbers;
use self::readers::Readers;
use self::tx::{Shared, instant, micros};
use self::writer::Writer;
use super::disk::Disk;
use super::mailbox::Mailboxes;
use super::seal::Seal;
use super::{
    Backlog, Batch, DeadLetters, DeliveryState, DeliveryView, EventView, OperationView, QuarantineView, Receipt,
    ReplayWish, Store, StoreError,
};
use crate::clock::Clock;
use crate::config;
use crate::domain::{DeliveryId, EventId, Lease, NewDelivery, Outcome, Reason, SinkName};

/// How long after its call an operation is lost where nothing else was said, in microseconds.
const LOST_AFTER: i64 = 30_000_000;

/// How long a question of people or the API may take.
const MAX_QUESTION: Duration = Duration::from_secs(10);

/// The store in one SQLite file.
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Writer,
    /// For the dispatchers and the server's own tasks.
    readers: Readers,
    /// For what people and the API look up.
    lookups: Readers,
    /// For what may walk through many rows.
    questions: Readers,
}

impl SqliteStore {
    /// Opens the server's store; makes it, its folder and its key where they are missing. What a process that died had
    /// leased is due at once.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another server has it, [`StoreError::Unusable`] where it is not what it should be.
    pub fn open(settings: &config::Store, clock: Clock) -> Result<Self, StoreError> {
        open::make_folder(&settings.path)?;
        let lock = open::lock(&settings.path)?;
        let seal = Seal::new(settings.encryption_key.as_ref(), &settings.path)?;
        let connection = open::writer(&settings.path, &seal)?;
        let now = clock.now().as_microsecond();
        let n_voided = delivery::void_leases(&connection, now).map_err(|error| open::broken(&settings.path, &error))?;
        if n_voided > 0 {
            tracing::info!(n_voided, "deliveries that were under way when the last process ended are due again");
        }
        Self::start(settings, clock, (connection, seal), Some(lock))
    }

    /// Opens the store for a command, whether a server runs or not. It takes no lock and makes no store; the server
    /// finds what was written when it next looks.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where there is no store, or none of this version.
    pub fn open_for_operator(settings: &config::Store, clock: Clock) -> Result<Self, StoreError> {
        open::must_exist(&settings.path)?;
        let seal = Seal::new(settings.encryption_key.as_ref(), &settings.path)?;
        let connection = open::operator_writer(&settings.path, &seal)?;
        Self::start(settings, clock, (connection, seal), None)
    }

    /// Sets how long after the end of its call an operation is lost: what was on its way may still come.
    pub fn set_lost_after(&self, grace: Duration) {
        self.shared.lost_after.store(micros(grace), Ordering::Relaxed);
    }

    fn start(
        settings: &config::Store,
        clock: Clock,
        (connection, seal): (Connection, Seal),
        lock: Option<std::fs::File>,
    ) -> Result<Self, StoreError> {
        let numbers = last_numbers(&connection).map_err(|error| open::broken(&settings.path, &error))?;
        let recent = lookups::Recent::of(&connection).map_err(|error| open::broken(&settings.path, &error))?;
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            clock,
            seal,
            mailboxes: Mailboxes::default(),
            disk: Disk::new(open::folder(&settings.path), settings.disk_reserve_bytes),
            numbers,
            recent,
            changes: Arc::default(),
            lost_after: AtomicI64::new(LOST_AFTER),
        });
        shared.note_reusable(&connection).map_err(|error| open::broken(&settings.path, &error))?;
        let writer = Writer::start(connection, Arc::clone(&shared), lock)?;
        let readers = || Readers::new(settings.path.clone());
        let bounded = || readers().bounded(MAX_QUESTION);
        Ok(Self { shared, writer, readers: readers(), lookups: bounded(), questions: bounded() })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_by(&self.lookups, work).await
    }

    async fn question<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_by(&self.questions, work).await
    }

    async fn read_by<T: Send + 'static>(
        &self,
        readers: &Readers,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        readers.read(move |connection| work(connection, &shared).map_err(|error| store_error(&error))).await
    }

    /// Reads the events of what was leased. What cannot be read is given up, or handed back where that may pass.
    async fn with_events(&self, sink: &SinkName, leased: Vec<delivery::Leased>) -> Result<Vec<Lease>, StoreError> {
        let (name, shared) = (sink.clone(), Arc::clone(&self.shared));
        let rows: Vec<(i64, i64)> = leased.iter().map(|it| (it.seq, it.token)).collect();
        let read = self.readers.read(move |connection| delivery::with_events(connection, &shared.seal, &name, leased));
        match read.await {
            Ok((leases, lost)) => {
                if !lost.is_empty() {
                    let sink = sink.clone();
                    self.writer.ask(move |tx| delivery::give_up(tx, &sink, &lost)).await?;
                }
                Ok(leases)
            }
            Err(error) => {
                let sink = sink.clone();
                self.writer.ask(move |tx| delivery::hand_back(tx, &sink, &rows, tx.now)).await?;
                Err(error)
            }
        }
    }
}

fn last_numbers(connection: &Connection) -> rusqlite::Result<Numbers> {
    let last = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let event = last("SELECT max(event, (SELECT coalesce(max(seq), 0) FROM events)) FROM removed")?;
    let operation = last("SELECT max(operation, (SELECT coalesce(max(seq), 0) FROM operations)) FROM removed")?;
    let quarantine = last("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'quarantine'")?;
    Ok(Numbers::after(event, operation, quarantine))
}

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        let (reply, receipt) = oneshot::channel();
        let offered = prepare::Prepared::new(batch, &self.shared).and_then(|prepared| {
            let n_bytes = prepared.n_bytes();
            self.writer.offer(Box::new(accept::Accept::new(prepared, reply)), n_bytes)
        });
        // What is refused may have been all that later events waited for.
        offered.inspect_err(|_refused| self.shared.tell_of_events())?;
        receipt.await.map_err(|_gone| StoreError::Closed)?
    }

    fn fresh(&self, sink: &SinkName, capacity: usize, ttl: Duration) -> mpsc::Receiver<Lease> {
        self.shared.mailboxes.open(sink, capacity, ttl)
    }

    async fn lease(&self, sink: &SinkName, limit: usize, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        let name = sink.clone();
        let leased = self.writer.ask(move |tx| delivery::lease(tx, &name, limit, ttl)).await?;
        if leased.is_empty() { Ok(Vec::new()) } else { self.with_events(sink, leased).await }
    }

    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        let sink = sink.clone();
        let due = self.read_by(&self.readers, move |connection, shared| {
            views::next_due(connection, &sink, shared.clock.now().as_microsecond())
        });
        Ok(due.await?.map(instant))
    }

    async fn woken(&self, sink: &SinkName) {
        self.shared.mailboxes.woken(sink).await;
    }

    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| delivery::settle(tx, &outcomes)).await
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        let due_at = due_at.as_microsecond();
        self.writer.ask(move |tx| delivery::release(tx, &leases, due_at)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        self.writer.ask(|tx| tx.beat()).await
    }

    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        self.read_by(&self.readers, |connection, _| views::backlog(connection)).await
    }

    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection, shared| views::operations(connection, &shared.seal, &id)).await
    }

    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        limit: usize,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let sink = sink.cloned();
        self.question(move |connection, _| views::deliveries_in(connection, state, sink.as_ref(), limit)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        self.read(move |connection, _| views::delivery(connection, id)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError> {
        self.read(move |connection, shared| views::event(connection, &shared.seal, id)).await
    }

    async fn unmatched(&self, limit: usize) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection, shared| views::unmatched(connection, &shared.seal, limit)).await
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
            // What dies again meanwhile is not this command's: no more rounds than there were dead letters.
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

    async fn quarantine(&self, limit: usize) -> Result<Vec<QuarantineView>, StoreError> {
        self.lookups.read(move |connection| quarantine::list(connection, limit)).await
    }

    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.lookups.read(move |connection| quarantine::entry(connection, &shared.seal, id)).await
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

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.writer.ask(sweep::sweep).await
    }

    async fn close(&self) {
        for readers in [&self.readers, &self.lookups, &self.questions] {
            readers.close().await;
        }
        self.writer.close().await;
        self.shared.mailboxes.close();
    }
}
