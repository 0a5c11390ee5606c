//! Items that wait for the provider's keys. They are verified once the keys are there, even after a restart.

use jiff::Timestamp;

use super::{Entry, Intake, Undecided};
use crate::domain::Reason;
use crate::store::{StoreError, WAITS_AT_MOST};

impl Intake {
    /// Restores the items that waited for keys when the last process ended. Call it once, before anything is received.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn wait_on(&self) -> Result<usize, StoreError> {
        let channels = self.channels.load_full();
        let Some(subscriptions) = &channels.subscriptions else { return Ok(0) };
        let waiting = self.store.waiting().await?;
        let mut undecided = self.undecided.lock();
        for item in waiting {
            // There is a place for each, because they had one before.
            let (id, request) = (item.id, item.request);
            if let Some(item) = subscriptions.wait_on(item.channel, &item.raw, item.held) {
                undecided.push_back(Undecided { id, item, request });
            }
        }
        Ok(undecided.len())
    }

    /// Removes items that have waited too long; the store has wiped their tokens by then.
    fn let_go(&self) {
        let since = self.clock.now().saturating_sub(WAITS_AT_MOST).unwrap_or(Timestamp::MIN);
        self.undecided.lock().retain(|waiting| waiting.item.arrived_at() > since);
    }

    /// Verifies the items that waited for keys, the oldest first, once there are keys. Returns how many were decided.
    ///
    /// # Errors
    /// The store failed; the remaining items go on waiting.
    pub async fn decide(&self) -> Result<usize, StoreError> {
        self.let_go();
        let channels = self.channels.load_full();
        let Some(subscriptions) = channels.subscriptions.as_ref().filter(|it| it.can_decide()) else { return Ok(0) };
        let mut n = 0;
        loop {
            let first = self.undecided.lock().front().cloned();
            let Some(Undecided { id, item, request }) = first else { return Ok(n) };
            match subscriptions.decide(&item).await {
                // Under load, or since the provider failed again: the item goes on waiting.
                Err(Reason::Shed | Reason::KeysUnavailable) => return Ok(n),
                Err(reason) => {
                    self.store.end_waiting(id, reason).await?;
                    tracing::info!(
                        entry = id,
                        reason = reason.as_str(),
                        "an item that waited for keys was verified or refused"
                    );
                }
                judged => self.end(Entry { id, received_at: item.arrived_at(), request }, judged).await?,
            }
            self.undecided.lock().pop_front();
            n += 1;
        }
    }
}
