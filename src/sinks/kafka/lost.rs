//! Whether a producer is of no more use, and why.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::sinks::{DeliveryError, reason};

/// Shared by a producer and those who wait for its confirmations.
#[derive(Clone, Default)]
pub(super) struct Lost {
    token: CancellationToken,
    why: Arc<OnceLock<String>>,
    /// What went wrong last, which may be the cause of what comes.
    noted: Arc<Mutex<Option<String>>>,
}

impl Lost {
    /// Notes what went wrong without ending it.
    pub(super) fn note(&self, what: &str) {
        *self.noted.lock() = Some(what.to_owned());
    }

    /// What was noted last.
    pub(super) fn noted(&self) -> Option<String> {
        self.noted.lock().clone()
    }

    /// Ends it. Only the first reason counts.
    pub(super) fn lose(&self, why: &str) {
        let _ = self.why.set(why.to_owned());
        self.token.cancel();
    }

    /// Whether it ended.
    pub(super) fn is_lost(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until it ends, and says why.
    pub(super) async fn reason(&self) -> DeliveryError {
        self.token.cancelled().await;
        reason::retry_all(self.why.get().map_or("the connection was lost", String::as_str))
    }
}
