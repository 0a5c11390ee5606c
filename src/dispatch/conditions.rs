//! What is known of each sink in this process. The dispatchers write it; console, API and metrics show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::condition::Condition;
use crate::domain::{Budget, SinkName};
use crate::store::{StoreError, Views};

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
}

impl Conditions {
    /// Loads what the store knows of these sinks, so that a sink that failed before a restart still does after it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn load(store: &dyn Views, sinks: &[SinkName]) -> Result<Self, StoreError> {
        let conditions = Self::default();
        for sink in sinks {
            if let Some(failure) = store.last_failure(sink).await? {
                let condition = Arc::new(Mutex::new(Condition::stored(failure)));
                conditions.of.lock().insert(sink.clone(), Place { condition, held: None });
            }
        }
        Ok(conditions)
    }

    /// What is known of a sink.
    pub fn of(&self, sink: &SinkName) -> Condition {
        self.of.lock().get(sink).map(|it| it.condition.lock().clone()).unwrap_or_default()
    }

    /// Whether the sink's dispatcher holds deliveries in memory, which it attempts as soon as it may.
    pub fn holds_any(&self, sink: &SinkName) -> bool {
        self.of.lock().get(sink).and_then(|it| it.held.as_ref()).is_some_and(|held| !held.is_free())
    }

    /// Forgets a sink that is delivered to no more.
    pub fn forget(&self, sink: &SinkName) {
        self.of.lock().remove(sink);
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
