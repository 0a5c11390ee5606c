//! Durations in logarithmic buckets: 64 to each doubling, so that a quantile is at most 1.6 % too high.

use std::time::Duration;

/// Buckets of one doubling.
const FINE: u64 = 64;
/// The bits of [`FINE`].
const FINE_BITS: u32 = 6;

/// Counts durations, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    n: u64,
    max: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let index = index(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        if index >= self.buckets.len() {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] += 1;
        self.n += 1;
        self.max = self.max.max(duration);
    }

    /// Takes in what another counted.
    pub fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.n += other.n;
        self.max = self.max.max(other.max);
    }

    /// The duration that this share of all did not exceed; zero where nothing was counted.
    pub fn quantile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "counts"
        )]
        let rank = ((self.n as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(highest(index)).min(self.max);
            }
        }
        self.max
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// How many were counted.
    pub fn n(&self) -> u64 {
        self.n
    }
}

fn index(micros: u64) -> usize {
    let doublings = (u64::BITS - micros.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let index = u64::from(doublings) * FINE + (micros >> doublings);
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn highest(index: usize) -> u64 {
    let index = index as u64;
    let doublings = (index / FINE).saturating_sub(1);
    let lowest = u128::from(index - doublings * FINE);
    u64::try_from(((lowest + 1) << doublings) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_are_narrow() {
        for micros in (0..5_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, u64::MAX]) {
            let index = index(micros);
            let (high, below) = (highest(index), index.checked_sub(1).map(highest));
            assert!(micros <= high && below.is_none_or(|below| below < micros), "{micros}: {below:?}..{high}");
            assert!(high - micros <= micros / 64, "{micros} is told as {high}");
        }
    }

    #[test]
    fn quantiles_of_a_known_row_are_right() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 999.0)] {
            let told = histogram.quantile(share).as_secs_f64() * 1000.0;
            assert!((millis..=millis * 1.016).contains(&told), "{share}: {told}");
        }
        assert_eq!(histogram.quantile(1.0), Duration::from_secs(1));
        assert_eq!((histogram.max(), histogram.n()), (Duration::from_secs(1), 1000));
    }

    #[test]
    fn what_is_merged_counts_as_if_recorded_together() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_millis(1));
        other.record(Duration::from_millis(100));
        one.merge(&other);
        assert_eq!((one.n(), one.max()), (2, Duration::from_millis(100)));
        assert!(one.quantile(0.5) < Duration::from_millis(2));
    }
}
