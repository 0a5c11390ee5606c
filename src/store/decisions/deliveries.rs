//! The deliveries that a caller asks for, before they are rows.

use crate::domain::NewDelivery;
use crate::store::StoreError;
use crate::store::ids;

/// The token of a row's first lease.
pub const FIRST_TOKEN: i64 = 1;
/// The reason of a dead letter that an operator's `drop` made.
pub const DROPPED: &str = "dropped by an operator";

/// If two routes lead to one sink, only the first route's delivery is kept.
pub fn each_sink_once(deliveries: &mut Vec<NewDelivery>) {
    let mut at = 0;
    while at < deliveries.len() {
        let is_repeat = deliveries[..at].iter().any(|earlier| earlier.sink == deliveries[at].sink);
        if is_repeat {
            deliveries.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Refuses more deliveries than the rows of an event can be numbered for.
///
/// # Errors
/// There are too many.
pub fn check_number_of(deliveries: &[NewDelivery]) -> Result<(), StoreError> {
    if i64::try_from(deliveries.len()).is_ok_and(|n| n <= ids::MAX_DELIVERIES) {
        return Ok(());
    }
    Err(StoreError::Database(format!(
        "found {} sinks for one event, expected {} at most",
        deliveries.len(),
        ids::MAX_DELIVERIES
    )))
}
