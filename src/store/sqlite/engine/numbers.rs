//! Numbers for rows. They are given out before the commit.
//!
//! **Invariant**: events' numbers are given out before the commit, so a smaller one may become durable later than a larger
//! one. At and below the *horizon* none will: a [`Given`] holds each number that is not committed yet, however its job ends,
//! and the horizon lies below it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

/// Numbers for rows. Some are given outside the writer, and none is given twice.
#[derive(Debug)]
pub struct Numbers {
    events: Arc<Mutex<Events>>,
    operations: AtomicI64,
    quarantine: AtomicI64,
}

#[derive(Debug)]
struct Events {
    last: i64,
    /// The first number of each [`Given`] that is still held.
    under_way: BTreeSet<i64>,
    told: i64,
}

/// Consecutive numbers for events that are not committed yet. Drop it after their commit returned or failed.
#[derive(Debug)]
pub struct Given {
    first: i64,
    n: i64,
    events: Arc<Mutex<Events>>,
}

impl Numbers {
    /// Numbers after the last ones given.
    pub fn after(event: i64, operation: i64, quarantine: i64) -> Self {
        let events = Events { last: event, under_way: BTreeSet::new(), told: event };
        Self {
            events: Arc::new(Mutex::new(events)),
            operations: AtomicI64::new(operation),
            quarantine: AtomicI64::new(quarantine),
        }
    }

    /// Numbers for `n` events.
    pub fn events(&self, n: usize) -> Given {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        let mut events = self.events.lock();
        let first = events.last + 1;
        events.last += n;
        if n > 0 {
            events.under_way.insert(first);
        }
        Given { first, n, events: Arc::clone(&self.events) }
    }

    /// No event at or below this number will become durable any more. It only grows.
    pub fn horizon(&self) -> i64 {
        self.events.lock().horizon()
    }

    /// The last number that was given out.
    pub fn last_event(&self) -> i64 {
        self.events.lock().last
    }

    /// Whether the horizon moved since the last call.
    pub fn has_moved(&self) -> bool {
        let mut events = self.events.lock();
        let horizon = events.horizon();
        std::mem::replace(&mut events.told, horizon) < horizon
    }

    /// A number for an operation.
    pub fn operation(&self) -> i64 {
        self.operations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number for a quarantine entry.
    pub fn quarantine(&self) -> i64 {
        self.quarantine.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Events {
    fn horizon(&self) -> i64 {
        self.under_way.first().map_or(self.last, |first| first - 1)
    }
}

impl Given {
    /// The first of the numbers.
    pub fn first(&self) -> i64 {
        self.first
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if self.n > 0 {
            self.events.lock().under_way.remove(&self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_horizon_lies_below_what_is_under_way_and_jumps_when_it_ends() {
        let numbers = Numbers::after(7, 0, 0);
        assert_eq!((numbers.horizon(), numbers.has_moved()), (7, false), "at the start nothing is under way");
        let (first, none, second, third) = (numbers.events(2), numbers.events(0), numbers.events(1), numbers.events(3));
        assert_eq!((first.first(), second.first(), third.first(), numbers.last_event()), (8, 10, 11, 13));
        drop((none, second));
        assert_eq!((numbers.horizon(), numbers.has_moved()), (7, false));
        drop(first);
        assert_eq!((numbers.horizon(), numbers.has_moved(), numbers.has_moved()), (10, true, false));
        drop(third);
        assert_eq!(numbers.horizon(), 13);
    }

    proptest! {
        #[test]
        fn the_horizon_grows_and_covers_all_that_ended(steps in prop::collection::vec((any::<bool>(), 0usize..4), 0..60)) {
            let numbers = Numbers::after(0, 0, 0);
            let mut under_way: Vec<Given> = Vec::new();
            let mut known = 0;
            for (gives, n) in steps {
                if gives {
                    under_way.push(numbers.events(n));
                } else if !under_way.is_empty() {
                    under_way.swap_remove(n % under_way.len());
                }
                let horizon = numbers.horizon();
                let least = under_way.iter().filter(|given| given.n > 0).map(Given::first).min();
                prop_assert_eq!(horizon, least.map_or(numbers.last_event(), |first| first - 1));
                prop_assert!(horizon >= known);
                known = horizon;
            }
        }
    }
}
