//! What the last attempts said about each sink, as it is kept over a restart: whether it fails, since when, and the last
//! failure. One row a sink.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::SinkName;

/// An attempt that failed, or that the destination refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When the attempt began.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: String,
}

/// What is kept of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkCondition {
    /// The sink.
    pub sink: SinkName,
    /// It grows with each change, over restarts too. Settlements may be recorded in another order than they were made.
    pub version: i64,
    /// Since when every attempt has failed; `None`: the sink does not fail.
    pub failing_since: Option<Timestamp>,
    /// The last failure.
    pub last_failure: Option<Failure>,
}

/// Reads and forgets what is kept. It is written with the outcomes of attempts ([`super::Queue::settle_noting`]).
#[async_trait]
pub trait SinkConditions: Send + Sync {
    /// What is kept, in the order of the sinks' names.
    ///
    /// # Errors
    /// The database could not be read.
    async fn sink_conditions(&self) -> Result<Vec<SinkCondition>, StoreError>;

    /// Forgets what is kept of these sinks.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn forget_conditions(&self, sinks: Vec<SinkName>) -> Result<(), StoreError>;
}
