//! Actions on many entries are counted first, and what is done then is what was counted.
//!
//! **Invariants**
//! 1. Nothing is done to an entry that came after the count: that died, arrived or was delivered later.
//! 2. If all entries were counted, nothing is done to more of them than that.
//! 3. A count looks at a limited number of entries, or for a limited time. It says whether that was all.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Bounds, Count, Operator, OperatorError};
use crate::store::Counted;

/// How many rounds a count of unmatched events looks at; a round looks at 500.
const ROUNDS_OF_EVENTS: usize = 20;
/// How long a count looks at deliveries.
const TIME_FOR_DELIVERIES: Duration = Duration::from_millis(500);

impl Operator {
    /// Counts what an action would do something to. Changes nothing.
    ///
    /// # Errors
    /// The config does not have a sink that the action names, or the store could not be read.
    pub async fn count(&self, action: &Action) -> Result<Count, OperatorError> {
        let before = Bounds::until(self.clock.now());
        let counted = match action {
            Action::Replay(which) => self.n_dead_letters(which).await?,
            Action::Verify(which, _) => self.n_quarantined(which).await?,
            Action::Route(which) => {
                let (mut n, mut after) = (0, None);
                for _ in 0..ROUNDS_OF_EVENTS {
                    let round = self.count_some_again(which, after, before).await?;
                    n += round.n_matched as u64;
                    after = round.next;
                    if after.is_none() {
                        break;
                    }
                }
                Counted { n, is_all: after.is_none() }
            }
            Action::Resend(which) => {
                let (began, mut n, mut after) = (Instant::now(), 0, None);
                loop {
                    let round = self.resend_count(which, after, before).await?;
                    n += round.n_found;
                    after = round.next;
                    if after.is_none() || began.elapsed() > TIME_FOR_DELIVERIES {
                        break Counted { n, is_all: after.is_none() };
                    }
                }
            }
        };
        let at = match action {
            Action::Route(_) | Action::Resend(_) => before.until,
            // The store counts what is there now. What came while it counted is counted, or is left out by the number.
            Action::Replay(_) | Action::Verify(..) => self.clock.now(),
        };
        Ok(Count { counted, at })
    }

    /// The bounds of an action for a caller who says how many entries there are: so a filter that matches more than
    /// intended changes nothing. A caller who says no number means all that are there now.
    ///
    /// # Errors
    /// There is another number of them, or the store could not be read.
    pub async fn bounds(&self, action: &Action, expected: Option<u64>) -> Result<Bounds, OperatorError> {
        let Some(found) = expected else { return Ok(Bounds::until(self.clock.now())) };
        let count = self.count(action).await?;
        match count.counted.n {
            n if n == found => Ok(count.bounds()),
            n => Err(OperatorError::CountDiffers { found, n }),
        }
    }
}
