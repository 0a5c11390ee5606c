//! The events as a stream, for clients that follow it.

use async_trait::async_trait;

use super::{EventView, StoreError};
use crate::domain::EventId;

/// An event of the stream.
#[derive(Clone, Debug)]
pub struct StreamedEvent {
    /// The event; its deliveries are left out.
    pub event: EventView,
    /// The metadata of its operation's expectation.
    pub metadata: Option<String>,
}

/// The events in the order in which they may be read.
#[async_trait]
pub trait Events: Send + Sync {
    /// Events after `after` (from the oldest if `None`), oldest first, at most `limit`. An event that becomes durable
    /// later never has its place before an event that this has returned.
    ///
    /// # Errors
    /// The database could not be read.
    async fn stream(&self, after: Option<EventId>, limit: usize) -> Result<Vec<StreamedEvent>, StoreError>;

    /// The last event that [`Events::stream`] would return.
    ///
    /// # Errors
    /// The database could not be read.
    async fn newest_event(&self) -> Result<Option<EventId>, StoreError>;

    /// The last events that [`Events::stream`] would return, newest first, at most `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn latest(&self, limit: usize) -> Result<Vec<StreamedEvent>, StoreError>;
}
