//! What is known of each sink in this process. The dispatchers write it; console, API and metrics show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::condition::Condition;
use crate::domain::SinkName;
use crate::store::{StoreError, Views};

/// The conditions of all sinks.
#[derive(Debug, Default)]
pub struct Conditions {
    of: Mutex<BTreeMap<SinkName, Arc<Mutex<Condition>>>>,
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
                *conditions.share(sink).lock() = Condition::stored(failure);
            }
        }
        Ok(conditions)
    }

    /// What is known of a sink.
    pub fn of(&self, sink: &SinkName) -> Condition {
        self.of.lock().get(sink).map(|it| it.lock().clone()).unwrap_or_default()
    }

    /// Forgets a sink that is delivered to no more.
    pub fn forget(&self, sink: &SinkName) {
        self.of.lock().remove(sink);
    }

    /// The place where a dispatcher notes it. A sink whose config changed keeps its condition until the next attempt.
    pub(super) fn share(&self, sink: &SinkName) -> Arc<Mutex<Condition>> {
        Arc::clone(self.of.lock().entry(sink.clone()).or_default())
    }
}
