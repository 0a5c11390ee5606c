//! Since when reelhook can receive everything that Graph sends. A notification is reported as missing only if it could
//! have arrived for long enough.
//!
//! **Invariants**
//! 1. The time starts with the process, and starts again with each refusal, each stop and each check that finds the
//!    disk too full.
//! 2. It is measured in steady time, as the watches are: setting the machine's clock does not restart it.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Clock;

/// Since when notifications can be received.
#[derive(Debug)]
pub struct Reception {
    clock: Clock,
    /// In microseconds.
    since: AtomicI64,
}

impl Reception {
    /// Starts now.
    pub fn new(clock: Clock) -> Self {
        let since = AtomicI64::new(clock.steady().as_microsecond());
        Self { clock, since }
    }

    /// Notes that notifications could not be received until now.
    pub fn begins_again(&self) {
        self.since.store(self.clock.steady().as_microsecond(), Ordering::SeqCst);
    }

    /// Since when, in microseconds.
    pub fn since(&self) -> i64 {
        let now = self.clock.steady().as_microsecond();
        self.since.fetch_min(now, Ordering::SeqCst).min(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn it_begins_with_each_refusal_and_never_in_the_future() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let reception = Reception::new(clock.clone());
        clock.advance(SignedDuration::from_secs(7));
        assert_eq!(reception.since(), 0);
        reception.begins_again();
        assert_eq!(reception.since(), 7_000_000);
        clock.advance(SignedDuration::from_secs(-5));
        assert_eq!(reception.since(), 2_000_000);
        clock.advance(SignedDuration::from_secs(9));
        assert_eq!(reception.since(), 2_000_000, "once");
    }
}
