//! What happened in each minute of the last day, for the console's plots: a counter of the metrics only grows.
//!
//! The process counts in memory, and adds what it counted to the store from time to time, so that a restart keeps it.
//!
//! **Invariants**
//! 1. It holds [`KEPT_MINUTES`] minutes and no more, whatever the clock does.
//! 2. What was taken to be stored, and could not be, is put back: each number is added to the store once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::domain::{Counts, KEPT_MINUTES, Minute};

/// The last minutes.
#[derive(Debug, Default)]
pub struct Minutes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    all: BTreeMap<i64, Counts>,
    /// The part of it that the store does not have yet.
    unsaved: BTreeMap<i64, Counts>,
}

impl Minutes {
    /// Counts something. `now` is steady time.
    pub fn count(&self, now: Timestamp, change: impl Fn(&mut Counts)) {
        let kept = &mut *self.0.lock();
        // If the clock was set back, the last minute that it had reached counts.
        let newest = kept.all.last_key_value().map_or(i64::MIN, |(last, _)| *last);
        let minute = minute_of(now).max(newest);
        for minutes in [&mut kept.all, &mut kept.unsaved] {
            change(minutes.entry(minute).or_default());
            trim(minutes, minute);
        }
    }

    /// The last `n` minutes, oldest first, those without anything among them; the last one is not over.
    pub fn last(&self, n: i64, now: Timestamp) -> Vec<Minute> {
        let newest = minute_of(now);
        let kept = self.0.lock();
        let counts = |minute| kept.all.get(&minute).copied().unwrap_or_default();
        (newest - n + 1..=newest).map(|minute| Minute { minute, counts: counts(minute) }).collect()
    }

    /// Takes over what the store has, before anything is counted.
    pub fn restore(&self, minutes: Vec<Minute>) {
        let mut kept = self.0.lock();
        minutes.into_iter().for_each(|it| *kept.all.entry(it.minute).or_default() += it.counts);
    }

    /// Takes at most `n` of the minutes that the store does not have yet, the oldest first.
    pub fn take_unsaved(&self, n: usize) -> Vec<Minute> {
        let mut kept = self.0.lock();
        let taken = std::iter::from_fn(|| kept.unsaved.pop_first());
        taken.take(n).map(|(minute, counts)| Minute { minute, counts }).collect()
    }

    /// Takes back what could not be stored.
    pub fn put_back(&self, minutes: Vec<Minute>) {
        let mut kept = self.0.lock();
        minutes.into_iter().for_each(|it| *kept.unsaved.entry(it.minute).or_default() += it.counts);
    }
}

/// The minute of an instant.
fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

fn trim(minutes: &mut BTreeMap<i64, Counts>, newest: i64) {
    while minutes.first_key_value().is_some_and(|(first, _)| *first <= newest - KEPT_MINUTES) {
        minutes.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::N_BUCKETS;
    use jiff::SignedDuration;

    const QUARTER: usize = 15;

    fn accept(minutes: &Minutes, at: Timestamp) {
        minutes.count(at, |counts| counts.n_accepted += 1);
    }

    fn last(minutes: &Minutes, now: Timestamp) -> Vec<Counts> {
        minutes.last(15, now).into_iter().map(|it| it.counts).collect()
    }

    #[test]
    fn what_is_older_than_the_last_minutes_is_not_shown() {
        let minutes = Minutes::default();
        let start = Timestamp::UNIX_EPOCH;
        accept(&minutes, start);
        minutes.count(start + SignedDuration::from_secs(60), |counts| counts.answered(4.0));
        let now = last(&minutes, start + SignedDuration::from_secs(60));
        assert_eq!((now[QUARTER - 2].n_accepted, now[QUARTER - 1].answers[N_BUCKETS - 2]), (1, 1));
        let later = last(&minutes, start + SignedDuration::from_secs(60 * 15));
        assert_eq!(later.iter().map(|it| it.n_accepted).sum::<u64>(), 0);
        assert_eq!(later[0].answers[N_BUCKETS - 2], 1);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_and_grows_nothing() {
        let minutes = Minutes::default();
        let late = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(6000);
        for seconds in [6000, 0, 5000, 6000] {
            accept(&minutes, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds));
        }
        assert_eq!(last(&minutes, late)[QUARTER - 1].n_accepted, 4);
        for minute in 0..KEPT_MINUTES + 100 {
            accept(&minutes, late + SignedDuration::from_mins(minute));
        }
        let kept = minutes.0.lock();
        assert_eq!((kept.all.len() as i64, kept.unsaved.len() as i64), (KEPT_MINUTES, KEPT_MINUTES));
    }

    #[test]
    fn what_was_counted_is_stored_once_even_if_the_store_failed_before() {
        let (minutes, now) = (Minutes::default(), Timestamp::UNIX_EPOCH);
        minutes.restore(vec![Minute { minute: 0, counts: Counts { n_accepted: 10, ..Counts::default() } }]);
        assert_eq!(minutes.take_unsaved(9), [], "the store has it");
        accept(&minutes, now);
        let taken = minutes.take_unsaved(9);
        assert_eq!(taken.iter().map(|it| it.counts.n_accepted).collect::<Vec<_>>(), [1]);
        accept(&minutes, now);
        minutes.put_back(taken);
        assert_eq!(minutes.take_unsaved(9)[0].counts.n_accepted, 2);
        assert_eq!(minutes.take_unsaved(9), []);
        assert_eq!(last(&minutes, now)[QUARTER - 1].n_accepted, 12);
    }
}
