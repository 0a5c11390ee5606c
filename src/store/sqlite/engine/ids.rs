//! Ids that contain the number of the row they name: a UUIDv7 whose last bits are the row's number and a few random
//! bits. A row is found by its id without an index, so a settlement costs one descent of one tree.
//!
//! **Invariants**
//! 1. Ids are ordered by arrival: their time is steady time, which never runs back when the machine's clock is set.
//!    They differ between stores: the time, the row and 20 random bits would have to agree.
//! 2. The row that an id leads to may hold another id. Every lookup compares.
//! 3. Events' numbers are given out before the commit, so a smaller one may become durable later than a larger one. At
//!    and below the *horizon* none will: a [`Given`] holds each number that is not committed yet, however its job ends,
//!    and the horizon lies below it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use uuid::{Builder, Uuid};

/// The most deliveries of one event.
pub const MAX_DELIVERIES: i64 = 1 << DELIVERY_BITS;

const DELIVERY_BITS: u32 = 12;
/// Random bits behind the row's number; 12 more stand before it.
const CHANCE_BITS: u32 = 8;
/// The bits of a row's number: 62 are free, see RFC 9562 section 5.7.
const ROW_BITS: u32 = 62 - CHANCE_BITS;

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

/// The first delivery row of an event.
pub fn first_delivery(event: i64) -> i64 {
    event << DELIVERY_BITS
}

/// The last delivery row that an event may have.
pub fn last_delivery(event: i64) -> i64 {
    first_delivery(event) + MAX_DELIVERIES - 1
}

/// The event of a delivery row.
pub fn event_of(delivery: i64) -> i64 {
    delivery >> DELIVERY_BITS
}

/// A new id for an event row, made at an instant of steady time, in microseconds.
pub fn of_event(event: i64, at: i64) -> Uuid {
    of_delivery(first_delivery(event), at)
}

/// A new id for a delivery row, made at an instant of steady time, in microseconds.
pub fn of_delivery(delivery: i64, at: i64) -> Uuid {
    let row = delivery.cast_unsigned() & ((1 << ROW_BITS) - 1);
    let chance = fastrand::u32(..).to_be_bytes();
    let tail = (row << CHANCE_BITS | u64::from(chance[0])).to_be_bytes();
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&chance[1..3]);
    bytes[2..].copy_from_slice(&tail);
    let millis = u64::try_from(at / 1000).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// When an id was made, in microseconds of steady time, to a millisecond.
pub fn made_at(id: Uuid) -> i64 {
    let (head, _) = id.as_u64_pair();
    i64::try_from(head >> 16).unwrap_or_default().saturating_mul(1000)
}

/// The event row that an event's id names.
pub fn event_row(id: Uuid) -> i64 {
    event_of(delivery_row(id))
}

/// The delivery row that a delivery's id names.
pub fn delivery_row(id: Uuid) -> i64 {
    let (_, tail) = id.as_u64_pair();
    ((tail >> CHANCE_BITS) & ((1 << ROW_BITS) - 1)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_names_its_row(event in 0i64..1 << 42, number in 0..MAX_DELIVERIES, at in 0i64..1 << 52) {
            let row = first_delivery(event) + number;
            let id = of_delivery(row, at);
            prop_assert_eq!(id.get_version_num(), 7);
            prop_assert_eq!(delivery_row(id), row);
            prop_assert_eq!(event_of(row), event);
            prop_assert_eq!(event_row(of_event(event, at)), event);
        }

        #[test]
        fn the_row_of_any_id_is_a_number_that_sqlite_takes(bytes in any::<[u8; 16]>()) {
            prop_assert!((0..1 << ROW_BITS).contains(&delivery_row(Uuid::from_bytes(bytes))));
        }
    }

    #[test]
    fn ids_made_later_sort_later() {
        let ids: Vec<Uuid> = (1..100).map(|event| of_event(event, 1_700_000_000_000_000 + event * 1000)).collect();
        assert!(ids.is_sorted());
    }

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
