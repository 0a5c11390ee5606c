//! The last quarter of an hour, minute by minute, for the console, where a counter only grows.
//!
//! **Invariants**
//! 1. It holds [`N_MINUTES`] minutes and no more, whatever the clock does.
//! 2. The last two of [`ANSWER_BOUNDS`] are Graph's: over 3 s is slow, over 10 s is dropped.

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

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    second: i64,
    n_accepted: u64,
    answers: [u64; N_BUCKETS],
}

/// The last minutes, second by second.
#[derive(Debug, Default)]
pub struct Minutes(Mutex<VecDeque<Second>>);

impl Minutes {
    /// A notification was made durable.
    pub fn accepted(&self, now: Timestamp) {
        self.change(now, |second| second.n_accepted += 1);
    }

    /// An answer left.
    pub fn answered(&self, took: Duration, now: Timestamp) {
        let bucket = ANSWER_BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(N_BUCKETS - 1);
        self.change(now, |second| second.answers[bucket] += 1);
    }

    /// The last minutes, oldest first; the last one is not over.
    pub fn last(&self, now: Timestamp) -> [Minute; N_MINUTES] {
        let newest = now.as_second().div_euclid(60);
        let oldest = newest - (N_MINUTES as i64 - 1);
        let mut minutes = std::array::from_fn(|at| Minute { minute: oldest + at as i64, ..Minute::default() });
        for second in self.0.lock().iter() {
            let at = usize::try_from(second.second.div_euclid(60) - oldest).ok();
            let Some(minute) = at.and_then(|at| minutes.get_mut(at)) else { continue };
            minute.n_accepted += second.n_accepted;
            for (sum, n) in minute.answers.iter_mut().zip(second.answers) {
                *sum += n;
            }
        }
        minutes
    }

    fn change(&self, now: Timestamp, change: impl FnOnce(&mut Second)) {
        let second = now.as_second();
        let mut kept = self.0.lock();
        // If the clock was set back, the last second that it had reached counts.
        if kept.back().is_none_or(|last| last.second < second) {
            kept.push_back(Second { second, ..Second::default() });
            let oldest = second - N_MINUTES as i64 * 60;
            while kept.front().is_some_and(|first| first.second <= oldest) {
                kept.pop_front();
            }
        }
        if let Some(last) = kept.back_mut() {
            change(last);
        }
    }
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
