//! What happened in each minute of the last day, as it is kept over a restart for the console's plots.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::Minute;

/// The numbers of the last [`crate::domain::KEPT_MINUTES`].
#[async_trait]
pub trait History: Send + Sync {
    /// Adds what this process counted to what is stored, because several processes may count the same minute. Removes the
    /// minutes that are too old.
    ///
    /// # Errors
    /// Nothing was added; try again later.
    async fn add_history(&self, minutes: Vec<Minute>) -> Result<(), StoreError>;

    /// The minutes since this one in which something happened, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn history(&self, since: i64) -> Result<Vec<Minute>, StoreError>;
}
