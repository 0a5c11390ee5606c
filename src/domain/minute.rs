//! What happened in one minute: the numbers of the console's plots.
//!
//! **Invariants**
//! 1. A number is stored under its name ([`Counts::each`]), so that another version may have more or fewer of them.
//! 2. The last two of [`ANSWER_BOUNDS`] are Graph's: over 3 s is slow, over 10 s is dropped.

use std::ops::AddAssign;

/// The upper bounds of the answers' times, in seconds; what took longer than the last one is counted behind it.
pub const ANSWER_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
/// One more than there are bounds.
pub const N_BUCKETS: usize = ANSWER_BOUNDS.len() + 1;
/// For how many minutes they are kept: a day, and an hour for the steps of a plot.
pub const KEPT_MINUTES: i64 = 25 * 60;

/// The names of the numbers, in the order of [`Counts::cells`].
const NAMES: [&str; 4 + N_BUCKETS] = [
    "accepted",
    "refused",
    "delivered",
    "failed",
    "answered_1ms",
    "answered_2.5ms",
    "answered_5ms",
    "answered_10ms",
    "answered_25ms",
    "answered_50ms",
    "answered_100ms",
    "answered_250ms",
    "answered_500ms",
    "answered_1s",
    "answered_3s",
    "answered_10s",
    "answered_later",
];

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Notifications made durable.
    pub n_accepted: u64,
    /// Requests and notifications of Graph's paths that were refused or quarantined.
    pub n_refused: u64,
    /// Attempts that delivered.
    pub n_delivered: u64,
    /// Attempts that failed.
    pub n_failed: u64,
    /// Answers to Graph by how long they took, see [`ANSWER_BOUNDS`].
    pub answers: [u64; N_BUCKETS],
}

/// One minute and what happened in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Minutes of steady time since 1970.
    pub minute: i64,
    /// What happened.
    pub counts: Counts,
}

impl Counts {
    /// Each number with its name.
    pub fn each(mut self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cells().map(|(name, n)| (name, *n)).collect::<Vec<_>>().into_iter()
    }

    /// Adds to the number of this name. A name that this version does not know is left out.
    pub fn add(&mut self, name: &str, n: u64) {
        if let Some((_, cell)) = self.cells().find(|(known, _)| *known == name) {
            *cell = cell.saturating_add(n);
        }
    }

    /// An answer that took so long.
    pub fn answered(&mut self, seconds: f64) {
        let bucket = ANSWER_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(N_BUCKETS - 1);
        self.answers[bucket] += 1;
    }

    fn cells(&mut self) -> impl Iterator<Item = (&'static str, &mut u64)> {
        let Self { n_accepted, n_refused, n_delivered, n_failed, answers } = self;
        NAMES.into_iter().zip([n_accepted, n_refused, n_delivered, n_failed].into_iter().chain(answers))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, mut other: Self) {
        self.cells().zip(other.cells()).for_each(|((_, sum), (_, n))| *sum = sum.saturating_add(*n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_a_name_and_is_found_by_it() {
        let mut counts = Counts { n_accepted: 1, n_refused: 2, n_delivered: 3, n_failed: 4, ..Counts::default() };
        counts.answered(0.004);
        counts.answered(3.1);
        counts.answered(60.0);
        let mut read = Counts::default();
        counts.each().for_each(|(name, n)| read.add(name, n));
        read.add("of another version", 9);
        assert_eq!(read, counts);
        assert_eq!((read.answers[2], read.answers[N_BUCKETS - 2], read.answers[N_BUCKETS - 1]), (1, 1, 1));
        read += counts;
        assert_eq!((read.n_failed, read.answers[2]), (8, 2));
    }
}
