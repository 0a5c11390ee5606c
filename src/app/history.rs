//! Keeps what happened in each minute over a restart.
//!
//! **Invariants**
//! 1. What was counted is stored every [`SAVE_EVERY`] and at a stop, in one transaction, and only if there is something:
//!    the intake never waits for it. After a crash only what was counted since the last time is missing in the plots.

use std::sync::Arc;
use std::time::Duration;

use super::parts::Parts;
use crate::clock::Clock;
use crate::domain::KEPT_MINUTES;
use crate::store::Store;
use crate::telemetry::Metrics;

/// How often it is stored.
pub(super) const SAVE_EVERY: Duration = Duration::from_secs(10);
/// The most minutes of a transaction: more wait only if the store failed for long.
const MOST_MINUTES: usize = 60;

/// Stores what happened in each minute.
#[derive(Clone)]
pub(super) struct History {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl History {
    pub(super) fn new(parts: &Parts, store: &Arc<dyn Store>) -> Self {
        Self { store: Arc::clone(store), metrics: Arc::clone(&parts.metrics), clock: parts.clock.clone() }
    }

    /// Goes on from what is stored. Without it the plots begin empty, which keeps no server from starting.
    pub(super) async fn restore(&self) {
        let oldest = self.clock.steady().as_second().div_euclid(60) - KEPT_MINUTES + 1;
        match self.store.history(oldest).await {
            Ok(minutes) => self.metrics.minutes.restore(minutes),
            Err(error) => tracing::warn!(%error, "could not read what happened in the last day: the plots begin empty"),
        }
    }

    /// Adds what was counted since the last time.
    pub(super) async fn save(&self) {
        loop {
            let minutes = self.metrics.minutes.take_unsaved(MOST_MINUTES);
            if minutes.is_empty() {
                return;
            }
            let is_last = minutes.len() < MOST_MINUTES;
            if let Err(error) = self.store.add_history(minutes.clone()).await {
                tracing::warn!(%error, "could not store the numbers of the plots; trying again");
                self.metrics.minutes.put_back(minutes);
                return;
            }
            if is_last {
                return;
            }
        }
    }
}
