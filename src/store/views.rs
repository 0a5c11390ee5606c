//! What operators are shown: deliveries, events, operations with both, and what waits.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    Backlog, DeadFilter, Delivered, DeliveryState, DeliveryView, EventView, FailedAttempt, Looked, Newest,
    OperationView, StoreError, Tallies, UnmatchedFilter,
};
use crate::domain::{DeliveryId, EventId, SinkName};

/// Reads for operators. Nothing here changes anything.
#[async_trait]
pub trait Views: Send + Sync {
    /// The backlog of each sink that has deliveries.
    ///
    /// # Errors
    /// The database could not be read.
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError>;

    /// How much there is that somebody may have to look at. The work does not grow with it.
    ///
    /// # Errors
    /// The database could not be read.
    async fn tallies(&self) -> Result<Tallies, StoreError>;

    /// An operation by its id (any spelling), with its events and deliveries. More than one where calls share an id.
    ///
    /// # Errors
    /// The database could not be read.
    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError>;

    /// Deliveries in a state, newest first, of one sink or of all.
    ///
    /// # Errors
    /// The database could not be read.
    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError>;

    /// Dead letters that are meant, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn dead_letters(&self, which: &DeadFilter, page: Newest<DeliveryId>)
    -> Result<Vec<DeliveryView>, StoreError>;

    /// The ids of the dead letters that are meant, the earliest events first, at most `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn dead_ids(&self, which: &DeadFilter, limit: usize) -> Result<Vec<DeliveryId>, StoreError>;

    /// The last failed attempt of the deliveries that wait for a sink; `None`: no attempt for them has failed. It looks
    /// at the deliveries that are due last, because a failed one is due later than one that was not attempted.
    ///
    /// # Errors
    /// The database could not be read.
    async fn last_failure(&self, sink: &SinkName) -> Result<Option<FailedAttempt>, StoreError>;

    /// Looks at up to `limit` deliveries, in the order of their events, behind `after` or from the first on that may be
    /// meant.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivered(&self, which: &Delivered, after: Option<DeliveryId>, limit: usize)
    -> Result<Looked, StoreError>;

    /// A delivery by its id, in any state.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError>;

    /// An event by its id.
    ///
    /// # Errors
    /// The database could not be read.
    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError>;

    /// Events that matched no route and were not routed since, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched(&self, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        self.unmatched_of(&UnmatchedFilter::default(), page).await
    }

    /// Those of them that are meant, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched_of(&self, which: &UnmatchedFilter, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError>;

    /// A page of the same events, oldest first: those that arrived after `after`, or the first ones if it is `None`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError>;
}
