//! How a sink's last attempts ended, and whether the whole sink should pause.
//!
//! A sink that answers 429 once in a hundred answers works: that one delivery waits, the others go on. Only if most of
//! the last attempts failed would the next one probably fail too.

/// How many of the last attempts count.
const N_RECENT: u32 = 16;

/// The last attempts, the newest in the lowest bit; 1 means that the sink asked for a pause.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    recent: u32,
    n_known: u32,
}

impl Health {
    /// Notes how an attempt ended. Returns whether the sink should pause, because most of the last attempts asked for
    /// that.
    pub fn note(&mut self, asks_for_pause: bool) -> bool {
        self.recent = (self.recent << 1 | u32::from(asks_for_pause)) & ((1 << N_RECENT) - 1);
        self.n_known = (self.n_known + 1).min(N_RECENT);
        asks_for_pause && self.recent.count_ones() * 2 > self.n_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the attempts would pause the sink.
    fn n_pauses(attempts: impl IntoIterator<Item = bool>) -> usize {
        let mut health = Health::default();
        attempts.into_iter().filter(|asks| health.note(*asks)).count()
    }

    #[test]
    fn a_sink_that_fails_from_the_first_attempt_is_left_alone_at_once() {
        assert_eq!(n_pauses([true, true, true]), 3);
    }

    #[test]
    fn one_answer_in_a_hundred_pauses_nothing() {
        assert_eq!(n_pauses((1..=10_000).map(|n| n % 100 == 0)), 0);
        assert_eq!(n_pauses((1..=10_000).map(|n| n % 3 == 0)), 0);
    }

    #[test]
    fn a_sink_that_goes_down_is_left_alone_once_most_attempts_fail() {
        assert_eq!(n_pauses([false; 100].into_iter().chain([true; 20])), 20 - 8);
    }

    #[test]
    fn a_sink_that_is_back_is_not_paused_for_what_failed_before() {
        let mut health = Health::default();
        for _ in 0..100 {
            health.note(true);
        }
        for _ in 0..8 {
            assert!(!health.note(false));
        }
        assert!(!health.note(true));
    }
}
