//! What the last attempts say about a sink: whether it fails, since when, and why. Pure: the times are arguments.
//!
//! A sink fails if its last three attempts failed, whether by a refusal of their events or otherwise; or if one failed
//! otherwise, and none had succeeded in the 3 s before its end: that holds for the first attempt too. It fails until an
//! attempt succeeds. One failure among successes says nothing about the sink: many destinations answer 429 or 500 once in a
//! hundred requests.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::between;
use crate::domain::SinkName;
use crate::sinks::DeliveryError;
use crate::store::{FailedAttempt, Failure, SinkCondition};

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
    /// How often what is kept over a restart has changed; and up to which change the store has it.
    version: i64,
    kept: i64,
}

impl Condition {
    /// What the store kept of a sink. It fails on until an attempt succeeds.
    pub(super) fn stored(kept: SinkCondition) -> Self {
        let SinkCondition { version, failing_since, last_failure, .. } = kept;
        let row = failing_since.map(|since| (since, ENOUGH));
        Self { failing_since, last_failure, row, version, kept: version, ..Self::default() }
    }

    /// What can be known of a sink of which the store kept nothing, because an older version wrote it: a delivery waits
    /// because it failed.
    pub(super) fn of_failed(attempt: FailedAttempt) -> Self {
        let FailedAttempt { started_at, reason, .. } = attempt;
        let row = Some((started_at, ENOUGH));
        let last_failure = Some(Failure { at: started_at, reason });
        Self { failing_since: Some(started_at), last_failure, row, ..Self::default() }
    }

    /// What the store has to keep, if it does not know it yet.
    pub(super) fn unkept(&self, sink: &SinkName) -> Option<SinkCondition> {
        let Self { version, failing_since, ref last_failure, .. } = *self;
        let kept = || SinkCondition { sink: sink.clone(), version, failing_since, last_failure: last_failure.clone() };
        (version > self.kept).then(kept)
    }

    /// The store has it, as of this version.
    pub(super) fn is_kept(&mut self, version: i64) {
        self.kept = self.kept.max(version);
    }

    /// Notes how an attempt ended; `reason` says why it failed.
    pub(super) fn note(&mut self, ending: Ending, when: When, reason: Option<String>) {
        if ending == Ending::Delivered {
            self.version += i64::from(self.failing_since.is_some());
            (self.failing_since, self.row) = (None, None);
            (self.last_delivered, self.delivered_at) = (Some(when.started_at), Some(when.ended_at));
            return;
        }
        let (since, n) = self.row.map_or((when.started_at, 1), |(since, n)| (since, n.saturating_add(1)));
        self.row = Some((since, n));
        self.version += 1;
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
    fn the_store_is_told_of_failures_and_of_their_end_and_of_nothing_else() {
        let sink = SinkName::new("crm");
        let at = |millis| When {
            started_at: Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis),
            ended_at: Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis),
        };
        let mut condition = after(&[(Delivered, 0), (Delivered, 10)]);
        assert_eq!(condition.unkept(&sink), None);
        condition.note(Failed, at(20), Some("503".into()));
        let told = condition.unkept(&sink).unwrap();
        assert_eq!((told.failing_since, told.last_failure.clone().unwrap().reason), (None, "503".to_owned()));
        condition.is_kept(told.version);
        assert_eq!(condition.unkept(&sink), None);
        condition.note(Failed, at(4_000), Some("timeout".into()));
        let told = condition.unkept(&sink).unwrap();
        let mut again = Condition::stored(told.clone());
        assert_eq!(again.failing_since, condition.failing_since);
        assert_eq!((again.last_failure.clone(), again.unkept(&sink)), (condition.last_failure.clone(), None));
        again.note(Delivered, at(5_000), None);
        let ended = again.unkept(&sink).unwrap();
        assert!(ended.version > told.version, "a settlement that comes late changes nothing");
        assert_eq!((ended.failing_since, ended.last_failure), (None, told.last_failure));
    }

    #[test]
    fn one_delivery_ends_it_and_the_last_failure_stays_known() {
        let condition = after(&[(Failed, 0), (Failed, 10), (Delivered, 20)]);
        assert_eq!(condition.failing_since, None);
        assert_eq!(condition.last_failure.unwrap().reason, "503");
        assert_eq!(condition.last_delivered.unwrap().as_millisecond(), 20);
    }
}
