//! The quarantine: unverified items. An operator can look at one, have it verified again, or accept it without its
//! token.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{MOST_COUNTED, Operator, OperatorError};
use crate::store::{Counted, Newest, Page, QuarantineFilter, QuarantineView, StoreError};

/// How many entries a round asks for. A round is one request, so it must be short.
const ROUND: usize = 500;
/// How many of them the store handles at the same time.
const AT_A_TIME: usize = 64;

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyRound {
    /// How many entries are verified again.
    pub n_asked: u64,
    /// The `since` of the next round; `None`: it was the last.
    pub next: Option<Timestamp>,
}

impl Operator {
    /// A page of the entries that are meant, newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn quarantine(
        &self,
        which: &QuarantineFilter,
        page: Newest<i64>,
    ) -> Result<Page<QuarantineView, i64>, StoreError> {
        let one_more = Newest { limit: page.limit + 1, ..page };
        let found = self.store.quarantined(which, one_more).await?;
        Ok(Page::of(found, page, |entry: &QuarantineView| entry.id, |id| id))
    }

    /// The number of entries that are meant. It looks at [`MOST_COUNTED`] at most.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn n_quarantined(&self, which: &QuarantineFilter) -> Result<Counted, StoreError> {
        self.store.count_quarantined(which, MOST_COUNTED).await
    }

    /// One entry with its bytes. [`super::Body::of`] says what may be shown of them.
    ///
    /// # Errors
    /// There is no such entry, or the store could not be read.
    pub async fn quarantine_entry(&self, id: i64) -> Result<QuarantineView, OperatorError> {
        self.store.quarantine_entry(id).await?.ok_or(OperatorError::Missing)
    }

    /// Asks the server to verify an entry again; it does so within seconds. With `vouch` the entry is accepted without
    /// its token, because the operator knows that it comes from Graph. If it is accepted, the entry is removed;
    /// otherwise it stays, with the new reason.
    ///
    /// # Errors
    /// There is no such entry, or the store failed: nothing was changed.
    pub async fn verify_again(&self, id: i64, vouch: bool, who: &str) -> Result<(), OperatorError> {
        if !self.store.wish_replay(id, vouch).await? {
            return Err(OperatorError::Missing);
        }
        tracing::info!(caller = who, entry = id, vouch, "a quarantine entry will be verified again");
        Ok(())
    }

    /// Asks the server to verify these entries again; those that are gone are passed over. Returns how many.
    ///
    /// # Errors
    /// The store failed: some may be verified again.
    pub async fn verify_these_again(&self, ids: &[i64], vouch: bool, who: &str) -> Result<u64, OperatorError> {
        let wishes: Vec<_> = ids.iter().map(|id| self.store.wish_replay(*id, vouch)).collect();
        // They are sent in their order, and the store writes many of them in one commit.
        let mut outcomes = stream::iter(wishes).buffered(AT_A_TIME);
        let mut n = 0;
        while let Some(exists) = outcomes.try_next().await? {
            n += u64::from(exists);
        }
        tracing::info!(caller = who, n_entries = n, vouch, "quarantine entries will be verified again");
        Ok(n)
    }

    /// Asks the server to verify a round of entries again that are meant, the oldest first. An entry that was verified again
    /// after `since` is left out, so that one that is refused again is asked for once.
    ///
    /// # Errors
    /// The store failed: some may be verified again. The caller may ask for the same round again.
    pub async fn verify_round_again(
        &self,
        which: &QuarantineFilter,
        vouch: bool,
        since: Option<Timestamp>,
        who: &str,
    ) -> Result<VerifyRound, OperatorError> {
        let since = since.unwrap_or_else(|| self.clock.now());
        let which = QuarantineFilter { unchecked_since: Some(since), ..which.clone() };
        let ids = self.store.quarantine_ids(&which, ROUND).await?;
        let n_asked = self.verify_these_again(&ids, vouch, who).await?;
        Ok(VerifyRound { n_asked, next: (ids.len() == ROUND).then_some(since) })
    }
}
