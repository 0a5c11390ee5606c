//! The watch: tells of operations that did not end in time (`recordOperation.overdue`), and of those that did not although
//! their call has ended (`recordOperation.lost`).
//!
//! The deadlines are rows of the store, and the nearest one is found by an index. So a restart forgets none, and a million
//! that are far away cost nothing.
//!
//! **Invariants**
//! 1. What is due is told within a second, once; a deadline that is set or moved meanwhile is not overslept.
//! 2. Where an expectation names sinks, its events go to those; else where the routes say.
//! 3. A store that fails or contradicts itself is asked again after a rest, not in a loop.
//! 4. While notifications could not arrive, because they were refused or the process stood still, no grace runs out: the store
//!    puts off what is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, between};
use crate::domain::{EventKind, NewDelivery, Operation, Watch};
use crate::routing::Routes;
use crate::store::operations::Due;
use crate::store::{Operations, Raised, StoreError};
use crate::telemetry::Metrics;

/// The longest sleep: a test turns the clock, and to ask for the nearest deadline is one look at the end of an index.
const STEP: Duration = Duration::from_millis(500);
/// How long the store is left alone after it failed.
const REST: Duration = Duration::from_secs(1);
/// How many are told of at a time: together they are one commit or a few.
const BATCH: usize = 128;
/// Where the watch comes to itself so much later than it should, the process stood still: it was stopped, or its machine was.
/// What Graph sent meanwhile may not have arrived.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Watches the deadlines.
pub struct Watcher {
    /// Where they are.
    pub operations: Arc<dyn Operations>,
    /// Where events go.
    pub routes: Arc<Routes>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

impl Watcher {
    /// Watches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let changes = self.operations.changes();
        let mut pulse = Pulse { due: Instant::now(), lead: self.clock.lead() };
        loop {
            let sleep = match self.look(&mut pulse).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::warn!(%error, "could not look for deadlines; trying again");
                    REST
                }
            };
            // It may have stood still while it looked: that must not be taken for rest.
            self.feel(&mut pulse);
            pulse.rests(sleep);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(sleep) => {}
                () = changes.of_watches() => {}
            }
            self.feel(&mut pulse);
        }
    }

    /// Has the graces begin again where the process stood still, or its machine slept: then the machine's clock is further
    /// ahead of the steady one, as if it had been set.
    fn feel(&self, pulse: &mut Pulse) {
        let stood_still = pulse.missed().or_else(|| pulse.slept(self.clock.lead()));
        if let Some(stood_still) = stood_still {
            tracing::warn!(
                ?stood_still,
                "the process stood still; what waits for a notification is given its grace again"
            );
            self.operations.reception().begins_again();
        }
    }

    /// Tells of a batch of what is due. Returns how long to sleep.
    async fn look(&self, pulse: &mut Pulse) -> Result<Duration, StoreError> {
        let due = self.operations.due(BATCH).await?;
        // It may have stood still just now: nothing is told before that is known.
        self.feel(pulse);
        if due.is_empty() {
            let next = self.operations.next_watch().await?;
            return Ok(next.map_or(STEP, |next| between(self.clock.steady(), next).min(STEP)));
        }
        let told = join_all(due.into_iter().map(|due| self.tell(due))).await;
        // What came to nothing is not asked for in a loop.
        Ok(if told.contains(&true) { Duration::ZERO } else { REST })
    }

    /// Tells of one. Whether that came to something.
    async fn tell(&self, due: Due) -> bool {
        let (watch, operation, due_at) = (due.watch, due.operation.id.clone(), due.at);
        let deliveries = self.deliveries(&due.operation, watch);
        let n_deliveries = deliveries.len();
        match self.operations.raise(due, deliveries).await {
            Ok(Raised::Said) => {
                tracing::warn!(%operation, n_deliveries, "an operation is {}", watch.event().word());
                self.metrics.expectation_raised(watch);
                if n_deliveries == 0 {
                    self.metrics.unmatched();
                }
                true
            }
            Ok(Raised::PutOff) => {
                tracing::info!(%operation, %due_at, "whether an operation is {} is put off: notifications could not arrive", watch.event().word());
                true
            }
            // It ended in the meantime.
            Ok(Raised::Nothing) => false,
            Err(error) => {
                tracing::warn!(%operation, %error, "could not tell that an operation is {}; trying again", watch.event().word());
                false
            }
        }
    }

    /// Where the event goes.
    fn deliveries(&self, operation: &Operation, watch: Watch) -> Vec<NewDelivery> {
        match &operation.expectation {
            Some(expectation) if !expectation.sinks.is_empty() => NewDelivery::by_expectation(&expectation.sinks),
            _ => {
                let (path, kind) = (operation.path(), EventKind::Operation(watch.event()));
                self.routes.matches(&operation.routing_key(&path, kind))
            }
        }
    }
}

/// Notices that the process stood still.
struct Pulse {
    /// When the watch should come to itself.
    due: Instant,
    /// How far the machine's clock was ahead of the steady one, which does not run while the machine sleeps.
    lead: SignedDuration,
}

impl Pulse {
    /// Expects to be asked again after a sleep.
    fn rests(&mut self, sleep: Duration) {
        self.due = Instant::now() + sleep;
    }

    /// How long the process stood still, if it did. To be asked often.
    fn missed(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let late = now.saturating_duration_since(self.due);
        self.due = now;
        (late > STANDSTILL).then_some(late)
    }

    /// How long the machine slept, if it did, by how far its clock is ahead now.
    fn slept(&mut self, lead: SignedDuration) -> Option<Duration> {
        let ahead = Duration::try_from(lead.saturating_sub(self.lead)).unwrap_or_default();
        self.lead = lead;
        (ahead > STANDSTILL).then_some(ahead)
    }
}
