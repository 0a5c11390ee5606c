//! The outbound half: lease, deliver, settle. One [`Dispatcher`] for each sink, so that no sink can slow another.
//!
//! **Invariants**
//! 1. An attempt is made only under a lease that lasts longer than the sink's timeout, so no delivery is attempted
//!    twice at a time.
//! 2. Every attempt ends in `settle`; every unused lease is released.
//! 3. Memory is bounded by the sink's queue, in deliveries and in bytes, deliveries that are being attempted included.
//!    The others wait in the store.
//! 4. New deliveries and those in the store take turns, so neither delays the other for long.
//! 5. If the store fails or contradicts itself, the next try comes after a pause, not in a loop.
//! 6. A delivery that follows another is attempted in the same call, right after it ([`Lease::follows`]).
//! 7. When it ends, it closes the sink, after the last attempt (`ending`).
//! 8. While an operator has paused the sink, nothing is attempted and no lease is held: all deliveries wait in the
//!    store.

mod attempted;
mod condition;
mod conditions;
mod ending;
mod exchanges;
mod health;
mod leasing;
mod pauses;
mod retry;
mod run;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::SinkDispatch;
use crate::domain::{Lease, SinkName};
use crate::sinks::Sink;
use crate::store::{Queue, Queues};
use crate::telemetry::Metrics;

pub use condition::Condition;
pub use conditions::Conditions;
pub use exchanges::KEPT_A_SECOND;
pub use pauses::Pauses;
pub use retry::{Decision, Ended, decide};
use worker::Worker;

/// How often the store is read without being woken: an operator's replay from another process does not wake it.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
/// How much longer than an attempt a lease lasts.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// What the dispatchers of all sinks share.
#[derive(Clone)]
pub struct Shared {
    /// Where the deliveries wait.
    pub store: Arc<dyn Queue>,
    /// The memory queues of this process.
    pub queues: Arc<Queues>,
    /// Which sinks an operator paused.
    pub pauses: Arc<Pauses>,
    /// What is known of each sink.
    pub conditions: Arc<Conditions>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

/// Delivers what waits for one sink.
pub struct Dispatcher {
    worker: Arc<Worker>,
    fresh: mpsc::Receiver<Lease>,
    /// Leased from the store, not yet attempted.
    leased: VecDeque<Lease>,
    running: JoinSet<()>,
    /// Reports that an operator paused or resumed a sink.
    pauses: watch::Receiver<BTreeMap<SinkName, Timestamp>>,
    /// Whether the store may have due deliveries.
    look: bool,
    /// Whether due deliveries may not have fitted the memory.
    is_tight: bool,
    /// Whose turn it is: the queue's or the store's.
    store_next: bool,
    /// When the store was last asked for due deliveries.
    asked_at: Instant,
    /// Until when it is not asked.
    rests_until: Instant,
    /// Cancelled when attempts under way are waited for no longer.
    hurry: CancellationToken,
}

/// The events that wake an idle dispatcher.
enum Wake {
    Fresh(Lease),
    /// Something in the store may be due.
    Look,
    /// It is time to ask the store what is due next.
    Ask,
    Again,
}

impl Dispatcher {
    /// Makes the dispatcher of one sink and opens its memory queue.
    pub fn new(name: SinkName, sink: Arc<dyn Sink>, settings: SinkDispatch, shared: Shared) -> Self {
        let changes = shared.pauses.changes();
        shared.metrics.add_sink(name.as_str());
        let worker = Arc::new(Worker::new(name, sink, settings, shared));
        // Whoever asks may ask before the first attempt.
        worker.tell_state();
        let now = Instant::now();
        Self {
            fresh: worker.open_queue(),
            worker,
            leased: VecDeque::new(),
            running: JoinSet::new(),
            pauses: changes,
            look: true,
            is_tight: false,
            store_next: false,
            asked_at: now,
            rests_until: now,
            hurry: CancellationToken::new(),
        }
    }

    /// Delivers until `cancel`; then hands unused leases back, finishes the attempts under way and closes the sink.
    pub async fn run(mut self, cancel: CancellationToken) {
        let sink = &self.worker.sink;
        let concurrency = self.worker.settings.concurrency.min(sink.most_at_a_time()).max(1) + sink.waiting_at_a_time();
        while !cancel.is_cancelled() {
            if self.worker.is_paused() {
                self.sit_out(&cancel).await;
                continue;
            }
            if self.running.len() >= concurrency {
                tokio::select! {
                    Some(ended) = self.running.join_next() => self.note(ended),
                    _ = self.pauses.changed() => {}
                    () = cancel.cancelled() => break,
                }
                continue;
            }
            if let Some(pause) = self.worker.pause_left() {
                // In short steps, because a test may move the clock.
                tokio::select! {
                    () = tokio::time::sleep(pause.min(LOOK_ANYWAY)) => {}
                    _ = self.pauses.changed() => {}
                    () = cancel.cancelled() => break,
                }
                continue;
            }
            let batch = self.next_batch(&cancel).await;
            if self.worker.is_paused() {
                // The sink was paused meanwhile: the delivery goes back with the others.
                self.leased.extend(batch);
            } else if !batch.is_empty() {
                self.running.spawn(Arc::clone(&self.worker).attempt(batch));
            }
        }
        self.end().await;
    }

    /// While an operator has paused the sink: nothing is held, so new deliveries stay in the store.
    async fn sit_out(&mut self, cancel: &CancellationToken) {
        tracing::info!(sink = %self.worker.name, "paused: nothing is attempted until it is resumed");
        self.worker.tell_state();
        self.hand_back().await;
        while self.worker.is_paused() {
            tokio::select! {
                _ = self.pauses.changed() => {}
                Some(ended) = self.running.join_next() => self.note(ended),
                () = cancel.cancelled() => return,
            }
        }
        self.fresh = self.worker.open_queue();
        self.look = true;
        self.worker.tell_state();
        tracing::info!(sink = %self.worker.name, "resumed");
    }

    /// The next leases to attempt; empty means: read again.
    async fn next_batch(&mut self, cancel: &CancellationToken) -> Vec<Lease> {
        self.store_next = !self.store_next;
        if self.store_next {
            self.look_into_the_store().await;
        }
        let mut batch = self.take();
        if !batch.is_empty() || self.look {
            return batch;
        }
        match self.wait(cancel).await {
            Wake::Fresh(lease) => batch.push(lease),
            Wake::Look => self.look = true,
            Wake::Ask => self.ask_what_is_due().await,
            Wake::Again => {}
        }
        batch
    }

    /// Takes a batch from memory, beginning with the side whose turn it is.
    fn take(&mut self) -> Vec<Lease> {
        let size = self.worker.sink.batch_size().max(1);
        let mut batch: Vec<Lease> = Vec::new();
        if self.store_next {
            self.take_leased(&mut batch, size);
        }
        while batch.len() < size {
            match self.fresh.try_recv() {
                Ok(lease) => batch.push(lease),
                Err(_) => break,
            }
        }
        self.take_leased(&mut batch, size);
        // Deliveries that follow the last one come with it, beyond the batch's size; the worker cuts the batch.
        while let Some(follower) = self.leased.pop_front_if(|lease| lease.follows) {
            batch.push(follower);
        }
        batch
    }

    fn take_leased(&mut self, batch: &mut Vec<Lease>, size: usize) {
        let n = self.leased.len().min(size - batch.len());
        batch.extend(self.leased.drain(..n));
    }

    async fn wait(&mut self, cancel: &CancellationToken) -> Wake {
        let until_asked = self.until_asked();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Wake::Again,
            _ = self.pauses.changed() => Wake::Again,
            Some(lease) = self.fresh.recv() => Wake::Fresh(lease),
            () = self.worker.shared.queues.woken(&self.worker.name) => Wake::Look,
            Some(ended) = self.running.join_next() => {
                self.note(ended);
                Wake::Again
            }
            () = tokio::time::sleep(until_asked) => Wake::Ask,
        }
    }

    /// A sink that panics fails one attempt; an error here comes from the code around it.
    fn note(&mut self, ended: Result<(), JoinError>) {
        if std::mem::take(&mut self.is_tight) {
            // There is room again.
            (self.look, self.rests_until) = (true, Instant::now());
        }
        if let Err(error) = ended {
            let sink = &self.worker.name;
            tracing::error!(%sink, %error, "an attempt was cancelled by a fault; its deliveries are attempted again when their leases end");
        }
    }

    /// Closes the memory queue and hands back every lease that is not being attempted.
    async fn hand_back(&mut self) {
        self.fresh.close();
        let mut unused: Vec<Lease> = self.leased.drain(..).collect();
        // Until the last place that was reserved before the queue closed is filled or given up.
        while let Some(lease) = self.fresh.recv().await {
            unused.push(lease);
        }
        self.worker.release(unused).await;
    }
}
