//! Whether the server is ready: a commit succeeds, and the server is not stopping.
//!
//! **Invariants**
//! 1. At most one commit a second is made for all requests together, because anybody may ask without a token.

use std::time::Duration;

use actix_web::HttpResponse;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::TEXT;
use crate::store::{Store, StoreError};

/// How long a commit may take before the server calls itself not ready.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The answer has no details, because anybody may ask. The log and the console have them.
const DAMAGED: &str = "the store is damaged, and the log has what was found: stop the server, keep a copy of its folder, and \
                       restore a backup";
/// For how long a result is used again.
const HOLDS: Duration = Duration::from_secs(1);

/// The last result, and when it was found. A request that finds it locked waits for the result of the one that holds
/// the lock.
#[derive(Debug)]
pub struct Readiness {
    last: Mutex<Option<(Instant, Found)>>,
    holds: Duration,
}

/// `Err` says why the store accepts no commit.
type Found = Result<(), &'static str>;

impl Default for Readiness {
    fn default() -> Self {
        Self { last: Mutex::default(), holds: HOLDS }
    }
}

impl Readiness {
    /// The result of the last second, or else a new one from `look`.
    pub async fn of(&self, look: impl Future<Output = Found>) -> Found {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = *last
            && at.elapsed() < self.holds
        {
            return found;
        }
        let found = look.await;
        *last = Some((Instant::now(), found));
        found
    }
}

/// Whether the store accepts a commit now.
pub async fn look(store: &dyn Store) -> Found {
    match tokio::time::timeout(TIMEOUT, store.ready()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(StoreError::Full)) => Err("the store's disk is below its reserve"),
        // It was logged when it was found.
        Ok(Err(StoreError::Damaged(_))) => Err(DAMAGED),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the server is not ready: the store did not accept a commit");
            Err("the store cannot commit")
        }
        Err(_elapsed) => Err("the store did not commit in time"),
    }
}

/// The answer to `/readyz`.
pub fn told(ready: Found) -> HttpResponse {
    match ready {
        Ok(()) => HttpResponse::Ok().content_type(TEXT).body("ready\n"),
        Err(reason) => HttpResponse::ServiceUnavailable().content_type(TEXT).body(format!("not ready: {reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn n_looks(readiness: Readiness) -> u32 {
        let n_looks = AtomicU32::new(0);
        let ask = || {
            readiness.of(async {
                n_looks.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err("not now")
            })
        };
        let found = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert!(found.iter().all(|found| *found == Err("not now")));
        n_looks.into_inner()
    }

    #[tokio::test]
    async fn however_many_ask_within_a_second_the_store_is_asked_once() {
        assert_eq!(n_looks(Readiness { holds: Duration::from_secs(60), ..Readiness::default() }).await, 1);
        assert_eq!(n_looks(Readiness { holds: Duration::ZERO, ..Readiness::default() }).await, 100);
    }
}
