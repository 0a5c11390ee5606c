//! Sinks that an operator paused: what waits for them stays, nothing is attempted.

use std::collections::BTreeSet;

use parking_lot::RwLock;

use crate::domain::SinkName;
use crate::store::StoreError;

/// Which sinks are paused.
#[derive(Debug, Default)]
pub struct Pauses {
    paused: RwLock<BTreeSet<SinkName>>,
}

impl Pauses {
    /// Whether a sink is paused.
    pub fn is_paused(&self, sink: &SinkName) -> bool {
        self.paused.read().contains(sink)
    }

    /// Pauses a sink. Whether it was not before.
    ///
    /// # Errors
    /// It is not paused.
    pub async fn pause(&self, sink: &SinkName) -> Result<bool, StoreError> {
        Ok(self.paused.write().insert(sink.clone()))
    }

    /// Lets a sink go on. Whether it was paused.
    ///
    /// # Errors
    /// It is still paused.
    pub async fn resume(&self, sink: &SinkName) -> Result<bool, StoreError> {
        Ok(self.paused.write().remove(sink))
    }
}
