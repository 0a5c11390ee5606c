//! What operators are shown: deliveries, events, operations with both, and what waits.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Backlog, Counted, DeliveryView, EventView, FailedAttempt, OperationView, StoreError, Tallies};
use crate::domain::{DeliveryId, EventId, Exchange, Raw, SinkName};

/// The newest events of an operation.
#[derive(Clone, Debug)]
pub struct NewestEvents {
    /// The events, oldest first.
    pub events: Vec<EventView>,
    /// How many events it has.
    pub counted: Counted,
}

/// Reads for operators. Nothing here changes anything.
#[async_trait]
pub trait Views: Send + Sync {
    /// The backlog of each sink that has deliveries which wait or are dead. The work grows with the number of sinks, not
    /// with what waits.
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

    /// The newest events of an operation with their deliveries, oldest first; `operation` is its number. The work does not
    /// grow with the number of events.
    ///
    /// # Errors
    /// The database could not be read.
    async fn newest_events(&self, operation: i64, limit: usize) -> Result<NewestEvents, StoreError>;

    /// The last failed attempt of the deliveries that wait for a sink; `None`: no attempt for them has failed. It looks
    /// at the deliveries that are due last, because a failed one is due later than one that was not attempted.
    ///
    /// # Errors
    /// The database could not be read.
    async fn last_failure(&self, sink: &SinkName) -> Result<Option<FailedAttempt>, StoreError>;

    /// A delivery by its id, in any state.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError>;

    /// The exchanges that are kept of a delivery's attempts, by their numbers as [`Views::delivery`] tells them.
    ///
    /// # Errors
    /// The database could not be read.
    async fn exchanges(&self, id: DeliveryId) -> Result<BTreeMap<u32, Exchange>, StoreError>;

    /// An event by its id.
    ///
    /// # Errors
    /// The database could not be read.
    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError>;

    /// The notification of an event, byte for byte. It may hold a secret. `None`: it was wiped with its token, it
    /// cannot be opened with this store's key, reelhook made the event, or there is none.
    ///
    /// # Errors
    /// The database could not be read.
    async fn original(&self, id: EventId) -> Result<Option<Raw>, StoreError>;
}
