//! Operators' requests to verify quarantined items again.

use std::sync::Arc;

use super::{Entry, Intake};
use crate::domain::{Channel, Reason, Verified};
use crate::store::{ReplayWish, StoreError};

/// How many replay requests are handled in one round.
const WISHES_PER_ROUND: usize = 100;
impl Intake {
    /// Handles operators' requests to verify entries again. Returns the number of requests that were read.
    ///
    /// # Errors
    /// The store failed; the requests stay.
    pub async fn replay(&self) -> Result<usize, StoreError> {
        let wishes = self.store.replay_wishes(WISHES_PER_ROUND).await?;
        let n = wishes.len();
        for wish in wishes {
            let entry = Entry { id: wish.id, received_at: wish.received_at, request: Arc::clone(&wish.request) };
            match self.judge_again(wish).await {
                // Keys are missing now; the request stays.
                Err(Reason::Shed) => {}
                judged => self.end(entry, judged).await?,
            }
        }
        Ok(n)
    }

    /// Accepts a quarantined item that was verified again, or keeps it with its new reason.
    pub(super) async fn end(&self, entry: Entry, judged: Result<Vec<Verified>, Reason>) -> Result<(), StoreError> {
        let refused = judged.as_ref().err().copied();
        // Told before the request ends: whoever sees that no request waits any more also sees each verdict.
        self.verdicts.tell(entry.id, refused.is_none());
        match judged {
            Ok(verified) => self.accept_late(&entry, verified).await?,
            Err(reason) => self.store.end_wish(entry.id, Some(reason)).await?,
        }
        tracing::info!(entry = entry.id, reason = refused.map(Reason::as_str), "a quarantined item was verified again");
        Ok(())
    }

    async fn judge_again(&self, wish: ReplayWish) -> Result<Vec<Verified>, Reason> {
        let channels = self.channels.load_full();
        match wish.channel {
            Channel::Calls => {
                let calls = channels.calls.as_ref().ok_or(Reason::Shape)?;
                calls.judge_again(wish.raw, wish.tenant_id, wish.vouched)
            }
            Channel::Subscriptions | Channel::Lifecycle => {
                let subscriptions = channels.subscriptions.as_ref().ok_or(Reason::Shape)?;
                subscriptions.judge_again(wish.raw, wish.channel, wish.vouched).await
            }
        }
    }
}
