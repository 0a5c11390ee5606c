//! A POST that is durable and not answered yet.

use std::sync::Arc;
use std::time::Duration;

use crate::config::GRAPH_WAITS;
use crate::domain::EventId;
use crate::store::Store;

/// A durable POST that is not answered yet. If it is dropped before the answer was sent, the connection broke: Graph
/// will probably repeat the POST, and the store recognises the repeat.
#[must_use = "a dropped value counts as unanswered"]
pub struct Taken {
    pub(super) events: Vec<EventId>,
    pub(super) store: Arc<dyn Store>,
}

impl Taken {
    /// Notes that the 2xx was sent `after` this time. Beyond Graph's 3 s it was too late.
    pub fn answered(mut self, after: Duration) {
        if after < GRAPH_WAITS {
            self.events.clear();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.store.unanswered(std::mem::take(&mut self.events));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use jiff::Timestamp;

    use crate::clock::Clock;
    use crate::domain::{Proof, Verified};
    use crate::store::sqlite::{SqliteStore, plain_settings};
    use crate::store::testing::notification;
    use crate::store::{Accepted, Batch, Stored};

    #[tokio::test]
    async fn what_is_not_answered_in_time_or_not_at_all_is_repeated_for_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::config::Store { deduplicate: Duration::from_secs(3600), ..plain_settings(folder.path()) };
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&settings, clock).unwrap());
        let accept = async || {
            let accepted = vec![Accepted {
                notification: Verified::declare(notification("{}"), Proof::ClientState),
                deliveries: Vec::new(),
            }];
            let batch = Batch { received_at: Timestamp::UNIX_EPOCH, accepted, quarantined: Vec::new() };
            let receipt = store.accept(batch).await.unwrap();
            let is_repeat = matches!(receipt.stored[0], Stored::Duplicate { .. });
            (is_repeat, Taken { events: vec![receipt.stored[0].event()], store: Arc::clone(&store) })
        };
        let in_time = |taken: Taken| taken.answered(Duration::from_millis(2_999));
        let late = |taken: Taken| taken.answered(GRAPH_WAITS);
        let ends: [fn(Taken); 4] = [in_time, late, drop, in_time];
        for (end, expected) in ends.into_iter().zip([false, false, true, true]) {
            let (is_repeat, taken) = accept().await;
            assert_eq!(is_repeat, expected);
            end(taken);
        }
        assert!(!accept().await.0);
    }
}
