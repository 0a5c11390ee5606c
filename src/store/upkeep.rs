//! The store's own care: readiness, health, housekeeping, its end.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Health, Space, StoreError};

/// What the process does for the store itself.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Whether a commit goes through now, for readiness.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk reserve, [`StoreError::Damaged`] once damage was met; other errors as they
    /// occur.
    async fn ready(&self) -> Result<(), StoreError>;

    /// The size of the store and of its disk, as of now.
    fn space(&self) -> Space;

    /// Stores the offset between steady time and the machine's clock, after that clock was set.
    ///
    /// # Errors
    /// The offset is stored by the next round of housekeeping, or at the stop.
    async fn note_time(&self) -> Result<(), StoreError>;

    /// One round of housekeeping, bounded in time: wipes tokens, removes what is past its retention, trims the
    /// quarantine. Returns how many rows it touched; call it again at once while that is not 0.
    ///
    /// # Errors
    /// Try again later.
    async fn sweep(&self) -> Result<u64, StoreError>;

    /// Finishes the waiting work and closes. Later calls fail with [`StoreError::Closed`].
    async fn close(&self);

    /// The store's health: what it noticed about itself.
    fn health(&self) -> Arc<Health>;
}
