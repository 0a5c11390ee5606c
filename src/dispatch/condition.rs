//! What the last attempts say about a sink: whether it fails, since when, and why. Pure: the times are arguments.
//!
//! A sink fails if its attempts fail one after the other. One failure among successes says nothing about the sink: many
//! destinations answer 429 or 500 once in a hundred requests. A failure counts at once if nothing was delivered shortly
//! before it.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::between;
use crate::sinks::DeliveryError;
use crate::store::FailedAttempt;

/// So many failures in a row count, whatever was delivered before them.
const ENOUGH: u32 = 3;
/// If nothing was delivered for this long, one failure counts.
const QUIET: Duration = Duration::from_secs(3);

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Delivered,
    /// The destination refused this one event for good.
    Refused,
    Failed,
}

impl From<&Result<(), DeliveryError>> for Ending {
    fn from(result: &Result<(), DeliveryError>) -> Self {
        match result {
            Ok(()) => Self::Delivered,
            Err(DeliveryError::Reject { .. }) => Self::Refused,
            Err(DeliveryError::Retry { .. }) => Self::Failed,
        }
    }
}

/// When an attempt was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// When it began, by the machine's clock.
    pub(super) started_at: Timestamp,
    /// When it ended, in steady time.
    pub(super) ended_at: Timestamp,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When the attempt began.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: String,
}

/// What is known of a sink from its attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Since when every attempt has failed; `None`: the sink does not fail.
    pub failing_since: Option<Timestamp>,
    /// The last attempt that failed, or that the destination refused.
    pub last_failure: Option<Failure>,
    /// When the last attempt that delivered began, if this process made one.
    pub last_delivered: Option<Timestamp>,
    /// Until when reelhook makes no attempt, by the machine's clock, because most of the last attempts failed.
    pub paused_until: Option<Timestamp>,
    /// The same attempt's end in steady time.
    delivered_at: Option<Timestamp>,
    /// When the first of the last failures in a row began, and how many they are.
    row: Option<(Timestamp, u32)>,
}

impl Condition {
    /// What the store knows of a sink before the first attempt of this process: a delivery waits because it failed.
    pub(super) fn stored(failure: FailedAttempt) -> Self {
        let FailedAttempt { started_at, reason, .. } = failure;
        let row = Some((started_at, ENOUGH));
        let last_failure = Some(Failure { at: started_at, reason });
        Self { failing_since: Some(started_at), last_failure, row, ..Self::default() }
    }

    /// Notes how an attempt ended; `reason` says why it failed.
    pub(super) fn note(&mut self, ending: Ending, when: When, reason: Option<String>) {
        if ending == Ending::Delivered {
            (self.failing_since, self.row) = (None, None);
            (self.last_delivered, self.delivered_at) = (Some(when.started_at), Some(when.ended_at));
            return;
        }
        let (since, n) = self.row.map_or((when.started_at, 1), |(since, n)| (since, n.saturating_add(1)));
        self.row = Some((since, n));
        self.last_failure = reason.map(|reason| Failure { at: when.started_at, reason });
        let is_quiet = self.delivered_at.is_none_or(|at| between(at, when.ended_at) > QUIET);
        if n >= ENOUGH || (ending == Ending::Failed && is_quiet) {
            self.failing_since = Some(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Ending::{Delivered, Failed, Refused};
    use jiff::SignedDuration;

    /// What is known after attempts that ended so many milliseconds after the first.
    fn after(attempts: &[(Ending, i64)]) -> Condition {
        let mut condition = Condition::default();
        for (ending, millis) in attempts {
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(*millis);
            condition.note(*ending, When { started_at: at, ended_at: at }, Some("503".into()));
        }
        condition
    }

    fn fails(attempts: &[(Ending, i64)]) -> bool {
        after(attempts).failing_since.is_some()
    }

    #[test]
    fn a_sink_that_was_never_reached_fails_at_its_first_attempt() {
        assert!(fails(&[(Failed, 0)]));
        assert!(!fails(&[]));
    }

    #[test]
    fn one_failure_among_deliveries_is_none_of_the_sinks() {
        assert!(!fails(&[(Delivered, 0), (Failed, 10)]));
        assert!(!fails(&[(Delivered, 0), (Failed, 10), (Failed, 20), (Delivered, 30), (Failed, 40)]));
    }

    #[test]
    fn three_failures_in_a_row_or_one_after_a_silence_are() {
        assert!(fails(&[(Delivered, 0), (Failed, 10), (Failed, 20), (Failed, 30)]));
        assert!(fails(&[(Delivered, 0), (Failed, 3_001)]));
    }

    #[test]
    fn it_fails_since_the_first_failure_of_the_row() {
        let condition = after(&[(Delivered, 0), (Failed, 10), (Failed, 20), (Failed, 30)]);
        assert_eq!(condition.failing_since.unwrap().as_millisecond(), 10);
        assert_eq!(condition.last_failure.unwrap().at.as_millisecond(), 30);
    }

    #[test]
    fn an_event_that_was_refused_is_not_the_sinks_fault_and_three_are() {
        assert!(!fails(&[(Refused, 0)]));
        assert!(fails(&[(Refused, 0), (Refused, 10), (Refused, 20)]));
    }

    #[test]
    fn one_delivery_ends_it_and_the_last_failure_stays_known() {
        let condition = after(&[(Failed, 0), (Failed, 10), (Delivered, 20)]);
        assert_eq!(condition.failing_since, None);
        assert_eq!(condition.last_failure.unwrap().reason, "503");
        assert_eq!(condition.last_delivered.unwrap().as_millisecond(), 20);
    }
}
