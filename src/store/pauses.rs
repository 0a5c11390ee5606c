//! The sinks that an operator paused, as they are kept over a restart.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::SinkName;

/// Which sinks are paused.
#[async_trait]
pub trait SinkPauses: Send + Sync {
    /// The sinks that an operator paused, each with the time of the pause.
    ///
    /// # Errors
    /// The database could not be read.
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError>;

    /// Stores that a sink is paused. Returns since when it is.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError>;

    /// Stores that a sink is not paused any more.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError>;
}
