//! An attempt, from lease to settlement.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::attempted::Attempted;
use super::condition::{Condition, Ending, When};
use super::exchanges::Kept;
use super::health::Health;
use super::retry::{Ended, decide};
use super::run::Run;
use super::{LEASE_MARGIN, Shared};
use crate::clock::between;
use crate::config::SinkDispatch;
use crate::domain::{Attempt, Budget, Delivery, Lease, Outcome, Room, Settlement, SinkName};
use crate::sinks::{DeliveryError, Note, Sink};
use crate::store::StoreError;
use crate::wording::untrusted_text::Short;

/// The most characters of an id or a client context that are logged.
const MAX_CHARS: usize = 128;
/// The first and the longest pause before an outcome that was not recorded is tried again.
const FIRST_RECORD_PAUSE: Duration = Duration::from_millis(100);
const MOST_RECORD_PAUSE: Duration = Duration::from_secs(2);

/// The parts that an attempt needs; running attempts share them.
pub(super) struct Worker {
    pub(super) name: SinkName,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) settings: SinkDispatch,
    pub(super) shared: Shared,
    /// What it holds in memory.
    pub(super) budget: Arc<Budget>,
    /// How its last attempts ended.
    health: Mutex<Health>,
    /// What is shown of that.
    condition: Arc<Mutex<Condition>>,
    /// What it attempts now.
    attempted: Arc<Attempted>,
    /// The exchanges of successful attempts that were kept.
    kept: Kept,
    /// The pause that the sink itself asked for.
    paused: Mutex<Option<Pause>>,
    /// When the next delivery in the store falls due in steady time, as far as is known.
    due: Mutex<Option<Timestamp>>,
}

/// A pause ends when either clock says so: a test moves one of them.
#[derive(Clone, Copy)]
struct Pause {
    until: Timestamp,
    ends_at: Instant,
}

/// When an attempt was made.
struct Span {
    /// By the machine's clock, for people.
    started_at: Timestamp,
    /// In steady time, for the next attempt.
    ended_at: Timestamp,
    took: Duration,
    timed_out: bool,
}

impl Worker {
    pub(super) fn new(name: SinkName, sink: Arc<dyn Sink>, settings: SinkDispatch, shared: Shared) -> Self {
        let (budget, health) = (Budget::new(settings.queue_bytes), Mutex::default());
        let (kept, paused, due) = (Kept::default(), Mutex::new(None), Mutex::new(None));
        let condition = shared.conditions.share(&name, &budget);
        condition.lock().paused_until = None;
        let attempted = shared.conditions.attempted(&name);
        Self { name, sink, settings, shared, budget, health, condition, attempted, kept, paused, due }
    }

    /// Whether an operator paused the sink.
    pub(super) fn is_paused(&self) -> bool {
        self.shared.pauses.is_paused(&self.name)
    }

    /// Reports whether attempts are stopped, for either reason, and whether they fail.
    pub(super) fn tell_state(&self) {
        let paused = self.is_paused() || self.paused.lock().is_some();
        self.shared.metrics.sink_paused(self.name.as_str(), paused);
        self.shared.metrics.sink_failing(self.name.as_str(), self.condition.lock().failing_since.is_some());
    }

    /// Opens the memory queue of the sink.
    pub(super) fn open_queue(&self) -> mpsc::Receiver<Lease> {
        let room = Room { n: self.settings.queue, budget: Arc::clone(&self.budget) };
        self.shared.queues.open(&self.name, &room, self.lease_time())
    }

    /// Leases up to so many deliveries from the store.
    pub(super) async fn lease(&self, limit: usize) -> Result<Vec<Lease>, StoreError> {
        let Shared { store, queues, .. } = &self.shared;
        queues.lease(&**store, &self.name, limit, self.lease_time()).await
    }

    /// The duration of a lease.
    pub(super) fn lease_time(&self) -> Duration {
        self.settings.timeout.saturating_add(LEASE_MARGIN)
    }

    /// Stores when the next delivery falls due, as the store says.
    pub(super) fn know_due(&self, due: Option<Timestamp>) {
        *self.due.lock() = due;
    }

    /// How long until a delivery in the store falls due, as far as is known.
    pub(super) fn until_due(&self) -> Option<Duration> {
        self.due.lock().map(|due| between(self.shared.clock.steady(), due))
    }

    /// The rest of the sink's own pause.
    pub(super) fn pause_left(&self) -> Option<Duration> {
        let is_ended = self.shared.pauses.takes_end(&self.name);
        let mut paused = self.paused.lock();
        let pause = (*paused)?;
        let left = match is_ended {
            true => Duration::ZERO,
            false => between(self.shared.clock.steady(), pause.until)
                .min(pause.ends_at.saturating_duration_since(Instant::now())),
        };
        if left.is_zero() {
            *paused = None;
            drop(paused);
            self.condition.lock().paused_until = None;
            self.tell_state();
            return None;
        }
        Some(left)
    }

    /// Attempts deliveries, a batch at a time, each under the sink's timeout, and settles them. While one batch is
    /// settled the next one is attempted, because a commit often takes longer than an attempt.
    pub(super) async fn attempt(self: Arc<Self>, leases: Vec<Lease>) {
        let mut run = Run::new(leases);
        let mut settling = FuturesUnordered::new();
        while let Some(batch) = run.next_batch(self.sink.batch_size(), self.sink.is_all_or_nothing()) {
            beside(&mut settling, self.attempt_batch(batch, &mut run)).await;
            if settling.is_empty() {
                settling.push(self.settle(run.take_outcomes()));
            }
            if self.is_paused() || self.pause_left().is_some() {
                run.stop();
            }
        }
        while settling.next().await.is_some() {}
        self.settle(run.take_outcomes()).await;
        self.release(run.into_unused()).await;
    }

    /// Attempts one batch and notes the results.
    async fn attempt_batch(&self, batch: Vec<Lease>, run: &mut Run) {
        let needed_until = later(self.shared.clock.steady(), self.settings.timeout);
        let (batch, stale): (Vec<_>, Vec<_>) = batch.into_iter().partition(|lease| lease.expires_at > needed_until);
        run.hand_back(stale);
        if batch.is_empty() {
            return;
        }
        let (started_at, began) = (self.shared.clock.now(), Instant::now());
        // Outside of the attempt, so that they survive its end.
        let notes: Vec<Note> = batch.iter().map(|_lease| Note::default()).collect();
        let (results, timed_out) = self.deliver(&batch, &notes).await;
        let span = Span { started_at, ended_at: self.shared.clock.steady(), took: began.elapsed(), timed_out };
        let mut results = results.into_iter();
        for (lease, note) in batch.into_iter().zip(&notes) {
            let result = results.next().unwrap_or_else(|| failure("the sink gave no result"));
            let Some((lease, result)) = run.is_in_turn(lease, result) else { continue };
            let outcome = self.outcome(lease, result, note, &span);
            run.note(outcome);
        }
    }

    /// One result for each lease, and whether the timeout passed.
    async fn deliver(&self, batch: &[Lease], notes: &[Note]) -> (Vec<Result<(), DeliveryError>>, bool) {
        let deliveries: Vec<&Delivery> = batch.iter().map(|lease| &lease.delivery).collect();
        let _noted = self.attempted.note(deliveries.iter().map(|delivery| delivery.id));
        let attempt = AssertUnwindSafe(async { self.sink.deliver_noting(&deliveries, notes).await }).catch_unwind();
        match tokio::time::timeout(self.settings.timeout, attempt).await {
            Ok(Ok(results)) => (results, false),
            Ok(Err(_panic)) => (vec![failure("the sink panicked"); batch.len()], false),
            Err(_elapsed) => {
                (vec![failure(&format!("no answer within {:?}", self.settings.timeout)); batch.len()], true)
            }
        }
    }

    fn outcome(&self, lease: Lease, result: Result<(), DeliveryError>, note: &Note, span: &Span) -> Outcome {
        let number = lease.delivery.attempt;
        let exchange = self.kept.told(note, result.is_err(), span.ended_at);
        self.note(&result, span);
        let decision = decide(&self.settings, Ended { number, result, at: span.ended_at }, fastrand::f64());
        let is_ill = self.health.lock().note(decision.pause.is_some());
        if let Some(pause) = decision.pause.filter(|_| is_ill) {
            self.pause(span.ended_at, pause);
        }
        let result = match &decision.settlement {
            Settlement::Delivered => "delivered",
            Settlement::RetryAt { .. } if span.timed_out => "timeout",
            Settlement::RetryAt { .. } => "retry",
            Settlement::Dead { .. } => "dead",
        };
        self.shared.metrics.attempt(self.name.as_str(), result, span.took, span.ended_at);
        self.log(&lease.delivery, &decision.settlement);
        let attempt = Attempt { number, started_at: span.started_at, took: span.took, exchange };
        Outcome { lease, attempt, settlement: decision.settlement }
    }

    /// Notes what the end of an attempt says about the sink.
    fn note(&self, result: &Result<(), DeliveryError>, span: &Span) {
        let when = When { started_at: span.started_at, ended_at: span.ended_at };
        let reason = result.as_ref().err().map(ToString::to_string);
        let mut condition = self.condition.lock();
        let was_failing = condition.failing_since.is_some();
        condition.note(Ending::from(result), when, reason);
        let is_failing = condition.failing_since.is_some();
        drop(condition);
        if was_failing != is_failing {
            self.tell_state();
        }
    }

    /// Of attempts that end together, the longest pause counts.
    fn pause(&self, from: Timestamp, length: Duration) {
        let until = later(from, length);
        {
            let mut paused = self.paused.lock();
            if paused.is_none_or(|known| known.until < until) {
                let now = Instant::now();
                *paused = Some(Pause { until, ends_at: now.checked_add(length).unwrap_or(now) });
                self.condition.lock().paused_until = Some(self.shared.clock.shown(until));
            }
        }
        self.tell_state();
    }

    fn log(&self, delivery: &Delivery, settlement: &Settlement) {
        let (sink, id, attempt, event) = (&self.name, delivery.id, delivery.attempt, &delivery.event);
        let short = |text| tracing::field::display(Short(text, MAX_CHARS));
        let operation = event.envelope.carried.operation_id.as_deref().map(short);
        let client_context = event.client_context.as_ref().map(|context| short(context.as_str()));
        match settlement {
            Settlement::Delivered => {
                tracing::debug!(%sink, delivery = %id, attempt, operation, client_context, "delivered");
            }
            Settlement::RetryAt { at, reason } => {
                let retry_at = self.shared.clock.shown(*at);
                tracing::warn!(
                    %sink, delivery = %id, attempt, operation, client_context, %retry_at, %reason, "attempt failed"
                );
            }
            Settlement::Dead { reason } => {
                tracing::error!(%sink, delivery = %id, attempt, operation, client_context, %reason, "dead letter");
            }
        }
    }

    async fn settle(&self, outcomes: Vec<Outcome>) {
        if outcomes.is_empty() {
            return;
        }
        let n = outcomes.len();
        let next = outcomes.iter().filter_map(|outcome| match outcome.settlement {
            Settlement::RetryAt { at, .. } => Some(at),
            Settlement::Delivered | Settlement::Dead { .. } => None,
        });
        let next = next.min();
        let given_up = given_up(&outcomes);
        if let Err(error) = self.record(outcomes).await {
            tracing::error!(sink = %self.name, n_deliveries = n, %error, "could not record outcomes; the deliveries are attempted again");
            return;
        }
        for reason in given_up {
            self.shared.metrics.dead_letter(self.name.as_str(), self.shared.clock.now(), &reason);
        }
        // Only after the commit: before it, the store does not know the pause.
        if let Some(next) = next {
            let mut due = self.due.lock();
            *due = Some(due.map_or(next, |known| known.min(next)));
        }
    }

    /// Records outcomes, and tries again until their leases end: a lost outcome means a second delivery.
    async fn record(&self, outcomes: Vec<Outcome>) -> Result<(), StoreError> {
        let ends_at = outcomes.iter().map(|outcome| outcome.lease.expires_at).min();
        let (outcomes, mut pause): (Arc<[Outcome]>, _) = (outcomes.into(), FIRST_RECORD_PAUSE);
        loop {
            // With the newest state: an earlier try may have told less.
            let condition = self.condition.lock().unkept(&self.name);
            let version = condition.as_ref().map(|it| it.version);
            let Err(error) = self.shared.store.settle_noting(Arc::clone(&outcomes), condition).await else {
                self.condition.lock().is_kept(version.unwrap_or_default());
                return Ok(());
            };
            if pause == FIRST_RECORD_PAUSE {
                tracing::warn!(sink = %self.name, n_deliveries = outcomes.len(), %error, "could not record outcomes; trying again");
            }
            tokio::time::sleep(pause).await;
            let is_over = ends_at.is_none_or(|ends_at| ends_at <= self.shared.clock.steady());
            if is_over || matches!(error, StoreError::Closed) {
                return Err(error);
            }
            pause = (pause * 2).min(MOST_RECORD_PAUSE);
        }
    }

    /// Hands leases back; no attempt is counted.
    pub(super) async fn release(&self, leases: Vec<Lease>) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.shared.store.release(leases, self.shared.clock.steady()).await {
            tracing::warn!(sink = %self.name, %error, "could not hand leases back; they expire by themselves");
        }
    }
}

/// Why deliveries became dead letters. Those of events about reelhook itself are not among them: an event about them would
/// become one as well.
fn given_up(outcomes: &[Outcome]) -> Vec<String> {
    let told = outcomes.iter().filter(|outcome| !outcome.lease.delivery.event.is_for_operators());
    let reasons = told.filter_map(|outcome| match &outcome.settlement {
        Settlement::Dead { reason } => Some(reason.clone()),
        Settlement::Delivered | Settlement::RetryAt { .. } => None,
    });
    reasons.collect()
}

/// Waits for an attempt while other work goes on.
async fn beside<T>(others: &mut FuturesUnordered<impl Future<Output = ()>>, attempt: impl Future<Output = T>) -> T {
    let mut attempt = pin!(attempt);
    loop {
        tokio::select! {
            done = &mut attempt => return done,
            Some(()) = others.next() => {}
        }
    }
}

fn failure(reason: &str) -> Result<(), DeliveryError> {
    Err(DeliveryError::Retry { reason: reason.to_owned(), after: None, pause: false })
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}
