//! The quarantine: unverified items. An operator can look at one, have it verified again, or accept it without its
//! token.

use super::{Bounds, MOST_COUNTED, Operator, OperatorError};
use crate::store::{Counted, Newest, Page, QuarantineFilter, QuarantineView, StoreError};
use futures_util::{StreamExt, TryStreamExt, stream};

/// How many entries a round asks for. A round is one request, so it must be short.
const ROUND: usize = 500;
/// How many of them the store handles at the same time.
const AT_A_TIME: usize = 64;

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyRound {
    /// How many entries are verified again.
    pub n_asked: u64,
    /// The next round begins behind this entry; `None`: it was the last round.
    pub next: Option<i64>,
}

/// Which entries a round verifies, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    /// Whether they are accepted without their tokens.
    pub vouch: bool,
    /// Those behind this one.
    pub after: Option<i64>,
    /// The job that wants to know how they are judged.
    pub job: Option<u64>,
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

    /// Asks the server to verify all entries again that are meant, in rounds. Returns how many.
    ///
    /// # Errors
    /// The store failed: some may be verified again.
    pub async fn verify_all_again(
        &self,
        which: &QuarantineFilter,
        vouch: bool,
        bounds: Bounds,
        who: &str,
    ) -> Result<u64, OperatorError> {
        let (mut n, mut round) = (0, Entries { vouch, after: None, job: None });
        loop {
            let done = self.verify_round_again(which, round, bounds.less(n), who).await?;
            n += done.n_asked;
            round.after = done.next;
            if round.after.is_none() {
                return Ok(n);
            }
        }
    }

    /// Asks the server to verify a round of entries again that are meant, the oldest first. Entries that somebody wants
    /// verified already, or that were verified again since the end of the bounds, are left out.
    ///
    /// # Errors
    /// The store failed: some may be verified again. The caller may ask for the same round again.
    pub async fn verify_round_again(
        &self,
        which: &QuarantineFilter,
        Entries { vouch, after, job }: Entries,
        bounds: Bounds,
        who: &str,
    ) -> Result<VerifyRound, OperatorError> {
        let until = Some(bounds.until);
        let which = QuarantineFilter { until, unchecked_since: until, ..which.clone() };
        let limit = bounds.round(ROUND);
        let ids = self.store.quarantine_ids(&which, after, limit).await?;
        if let Some(job) = job {
            self.verdicts.ask(job, &ids);
        }
        let n_asked = if ids.is_empty() { 0 } else { self.verify_these_again(&ids, vouch, who).await? };
        let is_over = ids.len() < limit || bounds.left <= n_asked;
        Ok(VerifyRound { n_asked, next: ids.last().copied().filter(|_last| !is_over) })
    }
}
