//! When an operation is reported, and when the report is put off.

use crate::domain::{ExpectationState, Watch};
use crate::store::Reception;

/// The shortest time for which a watch is put off, in microseconds.
const LEAST_PUT_OFF: i64 = 1_000_000;
/// The most bytes of the id of a call that is remembered. An announcement cannot name a longer one.
pub const MAX_CALL_ID_BYTES: usize = 1024;

/// The state that a report gives an expectation, and the state besides `waiting` that it may have before.
pub fn states(watch: Watch) -> (ExpectationState, ExpectationState) {
    match watch {
        Watch::Overdue => (ExpectationState::Overdue, ExpectationState::Waiting),
        Watch::Lost => (ExpectationState::Lost, ExpectationState::Overdue),
    }
}

/// Until when a watch is put off, in microseconds; `None`: it is not. Lost is what did not come although it could for the
/// whole `grace`. A deadline is its client's own: it is put off only where it passed while nothing could arrive, by the
/// grace, so that what Graph repeats meanwhile counts.
pub fn put_off((watch, at): (Watch, i64), reception: &Reception, grace: i64) -> Option<i64> {
    let since = reception.since();
    let is_too_early = match watch {
        Watch::Overdue => at < since,
        Watch::Lost => at < since.saturating_add(grace),
    };
    is_too_early.then(|| since.saturating_add(grace.max(LEAST_PUT_OFF)))
}
