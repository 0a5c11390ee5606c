//! Whether a connection is of no more use, and why: shared by what watches it and those who wait for its confirmations.

#![cfg_attr(not(feature = "all-sinks"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{DeliveryError, reason};

/// The end of a connection.
#[derive(Clone, Default)]
pub struct Lost {
    token: CancellationToken,
    why: Arc<OnceLock<String>>,
    /// What went wrong last, which may be the cause of what comes.
    noted: Arc<Mutex<Option<String>>>,
}

impl Lost {
    /// Notes what went wrong without ending it.
    pub fn note(&self, what: &str) {
        *self.noted.lock() = Some(what.to_owned());
    }

    /// What was noted last.
    pub fn noted(&self) -> Option<String> {
        self.noted.lock().clone()
    }

    /// Ends it. Only the first reason counts.
    pub fn lose(&self, why: impl Display) {
        let _ = self.why.set(why.to_string());
        self.token.cancel();
    }

    /// Whether it ended.
    pub fn is_lost(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until it ends, and says why.
    pub async fn reason(&self) -> DeliveryError {
        self.token.cancelled().await;
        reason::retry_all(self.why.get().map_or("the connection was lost", String::as_str))
    }
}
