//! Ids that contain the number of the row they name: a UUIDv7 whose last bits are the row's number and a few random
//! bits. A row is found by its id without an index, so a settlement costs one descent of one tree.
//!
//! **Invariants**
//! 1. Ids are ordered by arrival: their time is steady time, which never runs back when the machine's clock is set.
//!    They differ between stores: the time, the row and 20 random bits would have to agree.
//! 2. The row that an id leads to may hold another id. Every lookup compares.

use uuid::{Builder, Uuid};

/// The most deliveries of one event.
pub const MAX_DELIVERIES: i64 = 1 << DELIVERY_BITS;

const DELIVERY_BITS: u32 = 12;
/// Random bits behind the row's number; 12 more stand before it.
const CHANCE_BITS: u32 = 8;
/// The bits of a row's number: 62 are free, see RFC 9562 section 5.7.
const ROW_BITS: u32 = 62 - CHANCE_BITS;

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
}
