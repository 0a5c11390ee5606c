//! The quarantine: what could not be verified, the items that wait for keys, and the operator's wishes to judge again.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Counted, Newest, QuarantineFilter, QuarantineView, StoreError, Waiting};
use crate::domain::{Channel, Raw, Reason, Request};

/// An operator's request that the running server verifies a quarantine entry again. The server finds it in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayWish {
    /// The quarantine entry.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The tenant that its sender verifiably belongs to, if known.
    pub tenant_id: Option<String>,
    /// The bytes.
    pub raw: Raw,
    /// The facts of its POST.
    pub request: Arc<Request>,
    /// Whether the operator vouches for its origin. Then proof that was not stored is not required.
    pub vouched: bool,
}

/// What arrived and could not be verified.
#[async_trait]
pub trait Quarantine: Send + Sync {
    /// Quarantine entries without their bytes, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine(&self, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError> {
        self.quarantined(&QuarantineFilter::default(), page).await
    }

    /// Those of them that are meant, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantined(&self, which: &QuarantineFilter, page: Newest<i64>)
    -> Result<Vec<QuarantineView>, StoreError>;

    /// The numbers of the entries that are meant, oldest first: those behind `after`, at most `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine_ids(
        &self,
        which: &QuarantineFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError>;

    /// How many entries are meant, of the `most` oldest ones.
    ///
    /// # Errors
    /// The database could not be read.
    async fn count_quarantined(&self, which: &QuarantineFilter, most: usize) -> Result<Counted, StoreError>;

    /// One quarantine entry with its bytes.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError>;

    /// Writes an operator's request to verify a quarantine entry again. Returns whether the entry exists.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError>;

    /// The requests that wait, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError>;

    /// Ends a request: removes the entry if it was accepted, or keeps it with a further reason if it was refused again.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError>;

    /// The items that wait for the provider's keys, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Ends the waiting of an entry that was refused, and wipes its tokens. For one that was accepted, call
    /// [`Quarantine::end_wish`].
    ///
    /// # Errors
    /// Nothing was changed.
    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError>;
}
