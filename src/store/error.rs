//! Why the store could not do a task, and what the caller should do.

use super::health;

/// Why the store could not do a task.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Below the disk reserve, or the disk is full. Answer 503; retrying later is safe.
    #[error("the store's disk has too little free space: nothing is accepted until there is more")]
    Full,
    /// Too much is waiting for the writer or for a reader's connection. Answer 503; retrying later is safe.
    #[error("the store is too busy; retrying later is safe")]
    Busy,
    /// A query of the API takes too long. The same query will take too long again; a narrower one may not.
    #[error("the query would take too long: narrow the filter, or omit the order")]
    Slow,
    /// The store is closing. Answer 503.
    #[error("the store is closing")]
    Closed,
    /// Another process holds the store.
    #[error("{path} is in use by another reelhook process; stop it first, or give this one a store of its own")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// The store is not usable: what was found, what was expected, what to do.
    #[error("{0}")]
    Unusable(String),
    /// The database is damaged: some of it cannot be read. Retrying does not help.
    #[error("the store is damaged ({0}): {what_to_do}", what_to_do = health::WHAT_TO_DO)]
    Damaged(String),
    /// The database failed. Retrying may be safe; the writer ends the process where it is not.
    #[error("the database failed: {0}")]
    Database(String),
}
