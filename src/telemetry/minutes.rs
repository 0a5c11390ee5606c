//! The last quarter of an hour, minute by minute: what a person looks at, where a counter only grows.
//!
//! **Invariants**
//! 1. It holds [`N_MINUTES`] minutes and no more, whatever the clock does.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

/// How many minutes are kept, the current one among them.
pub const N_MINUTES: usize = 15;
/// The upper bounds of the answers' times, in seconds; what took longer than the last one is counted behind it.
pub const ANSWER_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
/// One more than there are bounds.
pub const N_BUCKETS: usize = ANSWER_BOUNDS.len() + 1;

/// What happened in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Minutes since 1970.
    pub minute: i64,
    /// Notifications made durable.
    pub n_accepted: u64,
    /// Answers to Graph by how long they took, see [`ANSWER_BOUNDS`].
    pub answers: [u64; N_BUCKETS],
}

/// The minutes that are kept.
#[derive(Debug, Default)]
pub struct Minutes(Mutex<VecDeque<Minute>>);

impl Minutes {
    /// A notification was made durable.
    pub fn accepted(&self, now: Timestamp) {
        self.change(now, |minute| minute.n_accepted += 1);
    }

    /// An answer left.
    pub fn answered(&self, took: Duration, now: Timestamp) {
        let bucket = ANSWER_BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(N_BUCKETS - 1);
        self.change(now, |minute| minute.answers[bucket] += 1);
    }

    /// The last minutes, oldest first; the last one is not over.
    pub fn last(&self, now: Timestamp) -> [Minute; N_MINUTES] {
        let newest = minute_of(now);
        let kept = self.0.lock();
        std::array::from_fn(|at| {
            let minute = newest - i64::try_from(N_MINUTES - 1 - at).unwrap_or_default();
            let known = kept.iter().find(|it| it.minute == minute).copied();
            known.unwrap_or(Minute { minute, ..Minute::default() })
        })
    }

    fn change(&self, now: Timestamp, change: impl FnOnce(&mut Minute)) {
        let minute = minute_of(now);
        let mut kept = self.0.lock();
        // A clock that was set back counts into the last minute that it had reached.
        if kept.back().is_none_or(|last| last.minute < minute) {
            kept.push_back(Minute { minute, ..Minute::default() });
            if kept.len() > N_MINUTES {
                kept.pop_front();
            }
        }
        if let Some(last) = kept.back_mut() {
            change(last);
        }
    }
}

fn minute_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn what_is_older_than_the_last_minutes_is_forgotten() {
        let minutes = Minutes::default();
        let start = Timestamp::UNIX_EPOCH;
        minutes.accepted(start);
        minutes.answered(Duration::from_secs(4), start + SignedDuration::from_secs(60));
        let last = minutes.last(start + SignedDuration::from_secs(60));
        assert_eq!((last[N_MINUTES - 2].n_accepted, last[N_MINUTES - 1].answers[N_BUCKETS - 2]), (1, 1));
        let later = minutes.last(start + SignedDuration::from_secs(60 * 15));
        assert_eq!(later.iter().map(|it| it.n_accepted).sum::<u64>(), 0);
        assert_eq!(later[0].answers[N_BUCKETS - 2], 1);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_and_grows_nothing() {
        let minutes = Minutes::default();
        let late = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(6000);
        for seconds in [6000, 0, 5000, 6000] {
            minutes.accepted(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds));
        }
        assert_eq!(minutes.last(late)[N_MINUTES - 1].n_accepted, 4);
    }
}
