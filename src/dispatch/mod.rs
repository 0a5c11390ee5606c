//! The outbound half: lease, deliver, settle. One [`Dispatcher`] for each sink, so that no sink can slow another.
//!
//! **Invariants**
//! 1. An attempt is made only under a lease that outlasts the sink's timeout: no delivery is attempted twice at a time.
//! 2. Every attempt ends in `settle`; every lease that was not used is released.
//! 3. Memory is bounded by the sink's queue; what does not fit waits in the store.

mod retry;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::SinkDispatch;
use crate::domain::{Attempt, Delivery, Lease, Outcome, Settlement, SinkName};
use crate::sinks::{DeliveryError, Sink};
use crate::store::Store;
use crate::telemetry::Metrics;

pub use retry::{Decision, decide};

/// How often the store is looked at without cause: an operator's replay from another process gives no sign.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
/// How much longer than an attempt a lease lasts.
const LEASE_MARGIN: Duration = Duration::from_secs(60);
/// How many leases are taken from the store at a time, at least.
const LEASE_LIMIT: usize = 64;

/// Delivers what waits for one sink.
pub struct Dispatcher {
    worker: Arc<Worker>,
    fresh: mpsc::Receiver<Lease>,
    /// Leased from the store, not yet attempted.
    leased: VecDeque<Lease>,
    running: JoinSet<()>,
    /// Whether the store may hold something that is due.
    look: bool,
    /// Whose turn it is, so that neither fresh deliveries nor old ones starve.
    store_next: bool,
}

/// What an attempt needs; shared by those under way.
struct Worker {
    name: SinkName,
    sink: Arc<dyn Sink>,
    settings: SinkDispatch,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
    paused_until: Mutex<Option<Timestamp>>,
    /// When the next delivery in the store falls due, as far as is known.
    due: Mutex<Option<Timestamp>>,
}

/// What wakes an idle dispatcher.
enum Wake {
    Fresh(Lease),
    /// Something in the store may be due.
    Look,
    /// It is time to ask the store what is due next.
    Ask,
    Again,
}

impl Dispatcher {
    /// Makes the dispatcher of one sink and opens its memory queue in the store.
    pub fn new(
        (name, sink): (SinkName, Arc<dyn Sink>),
        settings: SinkDispatch,
        store: Arc<dyn Store>,
        (metrics, clock): (Arc<Metrics>, Clock),
    ) -> Self {
        let fresh = store.fresh(&name, settings.queue, settings.timeout + LEASE_MARGIN);
        let (paused_until, due) = (Mutex::new(None), Mutex::new(None));
        let worker = Arc::new(Worker { name, sink, settings, store, metrics, clock, paused_until, due });
        Self { worker, fresh, leased: VecDeque::new(), running: JoinSet::new(), look: true, store_next: false }
    }

    /// Delivers until `cancel`; then finishes the attempts under way and hands the other leases back.
    pub async fn run(mut self, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            if self.running.len() >= self.worker.settings.concurrency {
                tokio::select! {
                    _ = self.running.join_next() => {}
                    () = cancel.cancelled() => break,
                }
                continue;
            }
            if let Some(pause) = self.worker.pause_left() {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = cancel.cancelled() => break,
                }
                continue;
            }
            let batch = self.next_batch(&cancel).await;
            if !batch.is_empty() {
                self.running.spawn(Arc::clone(&self.worker).attempt(batch));
            }
        }
        self.stop().await;
    }

    /// The next leases to attempt; empty means: look again.
    async fn next_batch(&mut self, cancel: &CancellationToken) -> Vec<Lease> {
        let size = self.worker.sink.batch_size().max(1);
        self.store_next = !self.store_next;
        if self.store_next && self.leased.is_empty() && self.look {
            self.lease_from_store().await;
        }
        let mut batch: Vec<Lease> = Vec::new();
        if self.store_next || self.fresh.is_empty() {
            let n = self.leased.len().min(size);
            batch.extend(self.leased.drain(..n));
        }
        while batch.len() < size {
            match self.fresh.try_recv() {
                Ok(lease) => batch.push(lease),
                Err(_) => break,
            }
        }
        if !batch.is_empty() || !self.leased.is_empty() || self.look {
            return batch;
        }
        match self.wait(cancel).await {
            Wake::Fresh(lease) => batch.push(lease),
            Wake::Look => self.look = true,
            Wake::Ask => self.look = self.worker.ask_what_is_due().await,
            Wake::Again => {}
        }
        batch
    }

    async fn lease_from_store(&mut self) {
        let worker = &self.worker;
        let limit = worker.sink.batch_size().max(LEASE_LIMIT);
        match worker.store.lease(&worker.name, limit, worker.settings.timeout + LEASE_MARGIN).await {
            Ok(leases) => {
                self.look = leases.len() >= limit;
                self.leased.extend(leases);
            }
            Err(error) => {
                tracing::warn!(sink = %worker.name, %error, "could not lease deliveries; trying again");
                self.look = false;
            }
        }
    }

    async fn wait(&mut self, cancel: &CancellationToken) -> Wake {
        let worker = &self.worker;
        let until_due = worker.due.lock().map(|due| until(due, worker.clock.now()));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Wake::Again,
            Some(lease) = self.fresh.recv() => Wake::Fresh(lease),
            () = worker.store.woken(&worker.name) => Wake::Look,
            Some(_) = self.running.join_next() => Wake::Again,
            () = tokio::time::sleep(until_due.unwrap_or(LOOK_ANYWAY).min(LOOK_ANYWAY)) => Wake::Ask,
        }
    }

    async fn stop(mut self) {
        while self.running.join_next().await.is_some() {}
        self.fresh.close();
        let mut unused: Vec<Lease> = self.leased.drain(..).collect();
        while let Some(lease) = self.fresh.recv().await {
            unused.push(lease);
        }
        self.worker.release(unused).await;
    }
}

impl Worker {
    /// Asks the store when the next delivery falls due; returns whether one is due now.
    async fn ask_what_is_due(&self) -> bool {
        match self.store.next_due(&self.name).await {
            Ok(due) => {
                *self.due.lock() = due;
                due.is_some_and(|due| due <= self.clock.now())
            }
            Err(error) => {
                tracing::warn!(sink = %self.name, %error, "could not ask what is due; trying again");
                false
            }
        }
    }

    fn pause_left(&self) -> Option<Duration> {
        let mut paused_until = self.paused_until.lock();
        let until_end = until((*paused_until)?, self.clock.now());
        if until_end.is_zero() {
            *paused_until = None;
            self.metrics.sink_paused(self.name.as_str(), false);
            return None;
        }
        // Looked at again in short steps: the clock may be turned.
        Some(until_end.min(LOOK_ANYWAY))
    }

    /// Attempts a batch under the sink's timeout and settles it.
    async fn attempt(self: Arc<Self>, batch: Vec<Lease>) {
        let started_at = self.clock.now();
        let needed_until = started_at + SignedDuration::try_from(self.settings.timeout).unwrap_or_default();
        let (batch, stale): (Vec<_>, Vec<_>) = batch.into_iter().partition(|lease| lease.expires_at > needed_until);
        self.release(stale).await;
        if batch.is_empty() {
            return;
        }
        let deliveries: Vec<&Delivery> = batch.iter().map(|lease| &lease.delivery).collect();
        let clock = std::time::Instant::now();
        let attempt = AssertUnwindSafe(self.sink.deliver_batch(&deliveries)).catch_unwind();
        let (results, timed_out) = match tokio::time::timeout(self.settings.timeout, attempt).await {
            Ok(Ok(results)) => (results, false),
            Ok(Err(_panic)) => (vec![failure("the sink panicked"); batch.len()], false),
            Err(_elapsed) => {
                (vec![failure(&format!("no answer within {:?}", self.settings.timeout)); batch.len()], true)
            }
        };
        let took = clock.elapsed();
        let ended_at = self.clock.now();
        let mut results = results.into_iter();
        let outcomes = batch.into_iter().map(|lease| {
            let result = results.next().unwrap_or_else(|| failure("the sink gave no result"));
            self.outcome(lease, result, (started_at, ended_at, took, timed_out))
        });
        let outcomes = outcomes.collect();
        self.settle(outcomes).await;
    }

    fn outcome(
        &self,
        lease: Lease,
        result: Result<(), DeliveryError>,
        (started_at, ended_at, took, timed_out): (Timestamp, Timestamp, Duration, bool),
    ) -> Outcome {
        let number = lease.delivery.attempt;
        let decision = decide(&self.settings, number, result, (ended_at, fastrand::f64()));
        if let Some(pause) = decision.pause {
            *self.paused_until.lock() =
                Some(ended_at.saturating_add(SignedDuration::try_from(pause).unwrap_or_default()).unwrap_or(ended_at));
            self.metrics.sink_paused(self.name.as_str(), true);
        }
        if let Settlement::RetryAt { at, .. } = &decision.settlement {
            let mut due = self.due.lock();
            *due = Some(due.map_or(*at, |known| known.min(*at)));
        }
        let result = match &decision.settlement {
            Settlement::Delivered => "delivered",
            Settlement::RetryAt { .. } if timed_out => "timeout",
            Settlement::RetryAt { .. } => "retry",
            Settlement::Dead { .. } => "dead",
        };
        self.metrics.attempt(self.name.as_str(), result, took);
        self.log(&lease.delivery, &decision.settlement);
        let attempt = Attempt { number, started_at, took };
        Outcome { lease, attempt, settlement: decision.settlement }
    }

    fn log(&self, delivery: &Delivery, settlement: &Settlement) {
        let (sink, id, attempt) = (&self.name, delivery.id, delivery.attempt);
        match settlement {
            Settlement::Delivered => tracing::debug!(%sink, delivery = %id, attempt, "delivered"),
            Settlement::RetryAt { at, reason } => {
                tracing::warn!(%sink, delivery = %id, attempt, retry_at = %at, reason = %reason, "attempt failed");
            }
            Settlement::Dead { reason } => {
                tracing::error!(%sink, delivery = %id, attempt, reason = %reason, "dead letter");
            }
        }
    }

    async fn settle(&self, outcomes: Vec<Outcome>) {
        let n = outcomes.len();
        if let Err(error) = self.store.settle(outcomes).await {
            tracing::error!(sink = %self.name, n, %error, "could not record outcomes; the deliveries are attempted again");
        }
    }

    async fn release(&self, leases: Vec<Lease>) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.store.release(leases, self.clock.now()).await {
            tracing::warn!(sink = %self.name, %error, "could not hand leases back; they expire by themselves");
        }
    }
}

fn failure(reason: &str) -> Result<(), DeliveryError> {
    Err(DeliveryError::Retry { reason: reason.to_owned(), after: None, pause: false })
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
