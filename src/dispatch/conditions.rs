//! What is known of each sink. The dispatchers write it; console, API and metrics show it; the store keeps it over a restart.
//!
//! **Invariants**
//! 1. What is kept of a sink is written with the outcomes of its attempts, when it has changed. So a healthy sink costs no
//!    write, and after a crash the store knows what the recorded outcomes said.
//! 2. A sink that fails does so until an attempt succeeds, also over a restart and while it is not in the config.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::attempted::Attempted;
use super::condition::Condition;
use crate::domain::{Budget, DeliveryId, SinkName};
use crate::store::{Store, StoreError};

/// The conditions of all sinks.
#[derive(Debug, Default)]
pub struct Conditions {
    of: Mutex<BTreeMap<SinkName, Place>>,
}

/// What is known of a sink, and what its dispatcher holds in memory.
#[derive(Debug, Default)]
struct Place {
    condition: Arc<Mutex<Condition>>,
    held: Option<Arc<Budget>>,
    attempted: Arc<Attempted>,
}

impl From<Condition> for Place {
    fn from(condition: Condition) -> Self {
        Self { condition: Arc::new(Mutex::new(condition)), ..Self::default() }
    }
}

impl Conditions {
    /// Loads what the store knows, so that a sink that failed before a restart still does after it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn load(store: &dyn Store, sinks: &[SinkName]) -> Result<Self, StoreError> {
        let kept = store.sink_conditions().await?;
        let mut of: BTreeMap<SinkName, Place> =
            kept.into_iter().map(|kept| (kept.sink.clone(), Condition::stored(kept).into())).collect();
        for sink in sinks {
            if !of.contains_key(sink)
                && let Some(attempt) = store.last_failure(sink).await?
            {
                of.insert(sink.clone(), Condition::of_failed(attempt).into());
            }
        }
        Ok(Self { of: Mutex::new(of) })
    }

    /// Forgets the sinks that are neither among these nor have anything left in the store: otherwise each name that a
    /// config ever had would stay. Call it at the start.
    ///
    /// # Errors
    /// The store failed. They are still known.
    pub async fn forget_gone(&self, store: &dyn Store, sinks: &[SinkName]) -> Result<(), StoreError> {
        let mut left: BTreeSet<SinkName> = sinks.iter().cloned().collect();
        left.extend(store.backlog().await?.into_keys());
        left.extend(store.paused_sinks().await?.into_keys());
        let gone: Vec<SinkName> = self.of.lock().keys().filter(|sink| !left.contains(*sink)).cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        store.forget_conditions(gone).await?;
        self.of.lock().retain(|sink, _| left.contains(sink));
        Ok(())
    }

    /// What is known of a sink.
    pub fn of(&self, sink: &SinkName) -> Condition {
        self.of.lock().get(sink).map(|it| it.condition.lock().clone()).unwrap_or_default()
    }

    /// Whether the sink's dispatcher holds deliveries in memory, which it attempts as soon as it may.
    pub fn holds_any(&self, sink: &SinkName) -> bool {
        self.of.lock().get(sink).and_then(|it| it.held.as_ref()).is_some_and(|held| !held.is_free())
    }

    /// Whether an attempt of a delivery is in progress in this process.
    pub fn is_attempted(&self, sink: &SinkName, delivery: DeliveryId) -> bool {
        self.of.lock().get(sink).is_some_and(|it| it.attempted.has(delivery))
    }

    /// Where the dispatchers of a sink note what they attempt.
    pub(super) fn attempted(&self, sink: &SinkName) -> Arc<Attempted> {
        Arc::clone(&self.of.lock().entry(sink.clone()).or_default().attempted)
    }

    /// A sink was removed from the config. If it comes back, what is known of it still holds.
    pub fn leave(&self, sink: &SinkName) {
        if let Some(place) = self.of.lock().get_mut(sink) {
            place.held = None;
            place.condition.lock().paused_until = None;
        }
    }

    /// Where a new dispatcher, which holds this in memory, notes how its attempts end. A sink whose config changed keeps its
    /// condition until the next attempt.
    pub(super) fn share(&self, sink: &SinkName, held: &Arc<Budget>) -> Arc<Mutex<Condition>> {
        let mut of = self.of.lock();
        let place = of.entry(sink.clone()).or_default();
        place.held = Some(Arc::clone(held));
        Arc::clone(&place.condition)
    }
}
