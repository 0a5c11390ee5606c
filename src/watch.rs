//! The watch: reports operations that did not end in time (`recordOperation.overdue`), and operations that did not end
//! although their call did (`recordOperation.lost`).
//!
//! The deadlines are rows of the store, and an index finds the nearest one. So a restart loses none, and a million
//! distant ones cost nothing.
//!
//! **Invariants**
//! 1. A due operation is reported once, within a second. A deadline that is set or moved meanwhile is not missed.
//! 2. If an expectation names sinks, its events go to those; otherwise the routes decide.
//! 3. If the store fails or contradicts itself, the next try comes after a pause, not in a loop.
//! 4. While notifications could not arrive, because they were refused or the process was suspended, no grace runs out:
//!    the store puts off the due operations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, between};
use crate::domain::{EventKind, NewDelivery, Operation, SinkName, Watch};
use crate::routing::Router;
use crate::store::{Changes, Due, Raised, Reception, StoreError, Watches};
use crate::telemetry::Metrics;

/// The longest sleep. Tests move the clock; and reading the nearest deadline costs one lookup in an index.
const STEP: Duration = Duration::from_millis(500);
/// The pause after the store failed.
const REST: Duration = Duration::from_secs(1);
/// How many operations are reported at a time, in one commit or a few.
const BATCH: usize = 128;
/// If the watch wakes up this much too late, the process or its machine was suspended. Graph's notifications of that
/// time may not have arrived.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Watches the deadlines.
pub struct Watcher {
    /// The store of the deadlines.
    pub store: Arc<dyn Watches>,
    /// Reports that a deadline was set or moved.
    pub changes: Arc<Changes>,
    /// Since when notifications can arrive.
    pub reception: Arc<Reception>,
    /// The routes for the events.
    pub routes: Arc<Router>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

impl Watcher {
    /// Watches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pulse = Pulse { due: Instant::now(), lead: self.clock.lead() };
        loop {
            let sleep = match self.look(&mut pulse).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::warn!(%error, "could not read the deadlines; trying again");
                    REST
                }
            };
            // The process may have been suspended during the work, which must not count as sleep.
            self.feel(&mut pulse);
            pulse.rests(sleep);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(sleep) => {}
                () = self.changes.of_watches() => {}
            }
            self.feel(&mut pulse);
        }
    }

    /// Restarts the graces if the process or its machine was suspended. The machine's clock is then further ahead of
    /// the steady one, as if it had been set.
    fn feel(&self, pulse: &mut Pulse) {
        let stood_still = pulse.missed().or_else(|| pulse.slept(self.clock.lead()));
        if let Some(stood_still) = stood_still {
            tracing::warn!(
                suspended_for = ?stood_still,
                "the process was suspended: expectations.lost_after starts again for operations that are due"
            );
            self.reception.begins_again();
        }
    }

    /// Reports a batch of due operations. Returns how long to sleep.
    async fn look(&self, pulse: &mut Pulse) -> Result<Duration, StoreError> {
        let due = self.store.due(BATCH).await?;
        // The process may have been suspended just now: nothing is reported before that is known.
        self.feel(pulse);
        if due.is_empty() {
            let next = self.store.next_watch().await?;
            return Ok(next.map_or(STEP, |next| between(self.clock.steady(), next).min(STEP)));
        }
        let told = join_all(due.into_iter().map(|due| self.tell(due))).await;
        // A report that failed is not repeated in a loop.
        Ok(if told.contains(&true) { Duration::ZERO } else { REST })
    }

    /// Reports one operation. Returns whether an event was made.
    async fn tell(&self, due: Due) -> bool {
        let (watch, operation, due_at) = (due.watch, due.operation.id.clone(), due.at);
        let deliveries = self.deliveries(&due.operation, watch);
        let n_deliveries = deliveries.len();
        let takes = |sink: &&SinkName| self.routes.takes(sink, watch.event().kind());
        let sinks: Vec<_> = deliveries.iter().map(|it| &it.sink).filter(takes).cloned().collect();
        match self.store.raise(due, deliveries, &self.reception).await {
            Ok(Raised::Said) => {
                tracing::warn!(%operation, n_deliveries, "an operation is {}", watch.event().word());
                self.metrics.expectation_raised(watch);
                sinks.iter().for_each(|sink| self.metrics.report_routed(sink.as_str(), watch));
                if n_deliveries == 0 {
                    self.metrics.unmatched();
                }
                true
            }
            Ok(Raised::PutOff) => {
                tracing::info!(%operation, %due_at, "an operation is not reported as {} yet, because notifications could not arrive", watch.event().word());
                true
            }
            // It ended in the meantime.
            Ok(Raised::Nothing) => false,
            Err(error) => {
                tracing::warn!(%operation, %error, "could not report an operation as {}; trying again", watch.event().word());
                false
            }
        }
    }

    /// The deliveries of the event.
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

/// Notices that the process was suspended.
struct Pulse {
    /// When the watch should wake up.
    due: Instant,
    /// How far the machine's clock was ahead of the steady one, which does not run while the machine sleeps.
    lead: SignedDuration,
}

impl Pulse {
    /// Expects the next call after a sleep.
    fn rests(&mut self, sleep: Duration) {
        self.due = Instant::now() + sleep;
    }

    /// How long the process was suspended, if it was. Call it often.
    fn missed(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let late = now.saturating_duration_since(self.due);
        self.due = now;
        (late > STANDSTILL).then_some(late)
    }

    /// How long the machine was suspended, if it was; from how far its clock is ahead now.
    fn slept(&mut self, lead: SignedDuration) -> Option<Duration> {
        let ahead = Duration::try_from(lead.saturating_sub(self.lead)).unwrap_or_default();
        self.lead = lead;
        (ahead > STANDSTILL).then_some(ahead)
    }
}
