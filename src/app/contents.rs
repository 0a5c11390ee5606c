//! Copies what the store holds, and the space that it takes, into the metrics.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::parts::Parts;
use super::store::Stored;
use crate::clock::Clock;
use crate::store::{Space, Store, Tally};
use crate::telemetry::Metrics;

/// Copies what the store holds into the metrics.
pub(super) struct Contents {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Contents {
    pub(super) fn new(stored: &Stored, parts: &Parts) -> Arc<Self> {
        let (store, metrics, clock) = (Arc::clone(&stored.store), Arc::clone(&parts.metrics), parts.clock.clone());
        Arc::new(Self { store, metrics, clock })
    }

    pub(super) async fn tell(&self) {
        self.tell_space();
        match self.store.tallies().await {
            Ok(tallies) => {
                let now = self.clock.now();
                for (class, tally) in tallies.quarantine {
                    self.metrics.quarantined(class, (tally.n, age(tally, now)));
                }
                self.metrics.unmatched_events((tallies.unmatched.n, age(tallies.unmatched, now)));
                for (state, tally) in tallies.expectations {
                    self.metrics.expectations(state, (tally.n, age(tally, now)));
                }
            }
            Err(error) => tracing::warn!(%error, "could not read how much the store holds; trying again"),
        }
    }

    fn tell_space(&self) {
        let Space { database_bytes, reusable_bytes, disk_free_bytes, reserve_bytes } = self.store.space();
        self.metrics.database_bytes(database_bytes, reusable_bytes);
        self.metrics.disk_bytes(disk_free_bytes, reserve_bytes);
    }
}

/// If the machine's clock was set back, the oldest may be from the future: its age is 0 then.
fn age(tally: Tally, now: Timestamp) -> Duration {
    let age = tally.oldest_at.map(|oldest_at| now.duration_since(oldest_at));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}
