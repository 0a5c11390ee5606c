//! The deadlines: operations that did not end in time, and what is said of them.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Reception, StoreError};
use crate::domain::{NewDelivery, Operation, Watch};

/// An operation that the watch has to report.
#[derive(Clone, Debug)]
pub struct Due {
    /// The operation as it is now.
    pub operation: Operation,
    /// What to report: overdue or lost.
    pub watch: Watch,
    /// Since when it is due.
    pub at: Timestamp,
}

/// The result of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// The event was raised.
    Said,
    /// Put off, because notifications could not arrive all the time.
    PutOff,
    /// There is nothing to report any more.
    Nothing,
}

/// The deadlines of the operations, as rows.
#[async_trait]
pub trait Watches: Send + Sync {
    /// The operations that the watch has to report by now, the longest due first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError>;

    /// When the next report is due, in steady time.
    ///
    /// # Errors
    /// The database could not be read.
    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Makes the event of a due operation durable, with its deliveries; unless the operation ended meanwhile, the event
    /// was raised before, or notifications could not arrive for some of the time.
    ///
    /// # Errors
    /// Nothing was raised.
    async fn raise(
        &self,
        due: Due,
        deliveries: Vec<NewDelivery>,
        reception: &Arc<Reception>,
    ) -> Result<Raised, StoreError>;
}
