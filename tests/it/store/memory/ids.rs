//! Ids that contain the number of the row they name, so that an id that is gone still has a place in the order.

use uuid::{Builder, Uuid};

/// The most deliveries of one event.
pub const MAX_DELIVERIES: i64 = 1 << DELIVERY_BITS;

const DELIVERY_BITS: u32 = 12;
/// The bits behind the row's number.
const CHANCE_BITS: u32 = 8;
const ROW_BITS: u32 = 54;

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
    let chance = Uuid::new_v4().into_bytes();
    let tail = (delivery.cast_unsigned() << CHANCE_BITS | u64::from(chance[0])).to_be_bytes();
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&chance[1..3]);
    bytes[2..].copy_from_slice(&tail);
    Builder::from_unix_timestamp_millis(u64::try_from(at / 1000).unwrap_or_default(), &bytes).into_uuid()
}

/// When an id was made, in microseconds of steady time, to a millisecond.
pub fn made_at(id: Uuid) -> i64 {
    i64::try_from(id.as_u64_pair().0 >> 16).unwrap_or_default().saturating_mul(1000)
}

/// The event row that an event's id names.
pub fn event_row(id: Uuid) -> i64 {
    event_of(delivery_row(id))
}

/// The delivery row that a delivery's id names.
pub fn delivery_row(id: Uuid) -> i64 {
    ((id.as_u64_pair().1 >> CHANCE_BITS) & ((1 << ROW_BITS) - 1)).cast_signed()
}
