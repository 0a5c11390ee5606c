//! When an operation has to be reported, and how the end of a call changes that.

use std::sync::Arc;

use super::deliveries::checked;
use super::operation::call_of;
use super::reports;
use super::rows::{Counter, EndedRow, OperationRow, Rows, instant};
use super::tx::{Tx, kind};
use reelhook::domain::{EndedCall, Expectation, ExpectationState, NewDelivery, Watch};
use reelhook::store::{Arrival, Due, Raised, Reception, StoreError};

/// The shortest time for which a watch is put off, in microseconds.
const LEAST_PUT_OFF: i64 = 1_000_000;
/// The most bytes of a call's id. An announcement cannot name a longer one.
const MAX_ID_BYTES: usize = 1024;

/// Moves the deadline of an operation, an instant of the machine's clock; `None` removes it.
pub fn set_deadline(tx: &mut Tx<'_>, operation: i64, at: Option<i64>) {
    tx.unwatch(operation, Some(Watch::Overdue));
    if let Some(at) = at {
        tx.watch(tx.in_steady_time(at), operation, Watch::Overdue);
    }
}

/// Stores the end of a call, and watches its operations.
pub fn remember_end(tx: &mut Tx<'_>, ended: &EndedCall, arrival: Arrival) {
    let call_id = ended.call_id.as_str();
    if call_id.len() <= MAX_ID_BYTES {
        match tx.rows.ended_calls.values_mut().find(|row| row.call_id == call_id) {
            Some(known) if known.why.is_unknown() => known.why = ended.why.clone(),
            Some(_known) => {}
            None => {
                let number = tx.number(Counter::EndedCall);
                let (at, learned_at) = (arrival.received_at, arrival.known_at());
                let row = EndedRow { call_id: call_id.to_owned(), at, learned_at, why: ended.why.clone() };
                tx.rows.ended_calls.insert(number, row);
            }
        }
    }
    let at = tx.in_steady_time(arrival.known_at()).saturating_add(tx.around.lost_after());
    let of_call = tx.rows.operations.values().filter(|row| call_of(&row.base) == call_id).map(|row| row.base.number);
    for operation in of_call.collect::<Vec<_>>() {
        watch_lost(tx, operation, at);
    }
}

/// Watches an operation that was just found to belong to an ended call. The notification of its end may be on its way,
/// so the grace begins now.
pub fn became_known(tx: &mut Tx<'_>, operation: i64) {
    let at = tx.steady.saturating_add(tx.around.lost_after());
    let call_id = tx.rows.operations.get(&operation).map(|row| call_of(&row.base)).unwrap_or_default();
    let has_ended = !call_id.is_empty() && tx.rows.ended_calls.values().any(|ended| ended.call_id == call_id);
    if has_ended {
        watch_lost(tx, operation, at);
    }
}

/// Watches an operation until it is lost, unless it ended, is lost already, or is watched.
fn watch_lost(tx: &mut Tx<'_>, operation: i64, at: i64) {
    let may_be_lost = |row: &OperationRow| {
        let state = row.base.expectation.as_ref().map(|it| it.state);
        !row.base.status.is_terminal() && state != Some(ExpectationState::Lost)
    };
    let is_open = tx.rows.operations.get(&operation).is_some_and(may_be_lost);
    if is_open && !tx.is_watched(operation, Some(Watch::Lost)) {
        tx.watch(at, operation, Watch::Lost);
    }
}

/// The due watches, the longest due first.
pub fn due(rows: &Rows, now: i64, limit: usize) -> Vec<Due> {
    let due = rows.watches.iter().take_while(|(at, ..)| *at <= now).take(limit);
    let due = due.filter_map(|(at, operation, of)| {
        let watch = if *of == kind(Watch::Lost) { Watch::Lost } else { Watch::Overdue };
        Some(Due { operation: rows.operation(*operation)?, watch, at: instant(*at) })
    });
    due.collect()
}

/// Until when a watch is put off, in microseconds; `None`: it is not.
fn put_off(tx: &Tx<'_>, (watch, at): (Watch, i64), reception: &Reception) -> Option<i64> {
    if tx.around.is_full() {
        reception.begins_again();
    }
    let (since, grace) = (reception.since(), tx.around.lost_after());
    let is_too_early = match watch {
        Watch::Overdue => at < since,
        Watch::Lost => at < since.saturating_add(grace),
    };
    is_too_early.then(|| since.saturating_add(grace.max(LEAST_PUT_OFF)))
}

/// Reports a due operation.
///
/// # Errors
/// Its event has too many deliveries.
pub fn raise(
    tx: &mut Tx<'_>,
    due: &Due,
    deliveries: Vec<NewDelivery>,
    reception: &Arc<Reception>,
) -> Result<Raised, StoreError> {
    let deliveries = checked(deliveries)?;
    let (operation, watch, at) = (due.operation.number, due.watch, due.at.as_microsecond());
    if !tx.rows.watches.remove(&(at, operation, kind(watch))) {
        return Ok(Raised::Nothing);
    }
    let (state, earlier) = match watch {
        Watch::Overdue => (ExpectationState::Overdue, ExpectationState::Waiting),
        Watch::Lost => (ExpectationState::Lost, ExpectationState::Overdue),
    };
    let may_be_raised = |row: &OperationRow| {
        let known = row.base.expectation.as_ref().map(|it| it.state);
        !row.base.status.is_terminal() && known.is_none_or(|it| it == ExpectationState::Waiting || it == earlier)
    };
    if !tx.rows.operations.get(&operation).is_some_and(may_be_raised) {
        return Ok(Raised::Nothing);
    }
    if let Some(later) = put_off(tx, (watch, at), reception) {
        tx.watch(later, operation, watch);
        return Ok(Raised::PutOff);
    }
    if watch == Watch::Lost {
        tx.unwatch(operation, None);
    }
    give_up(tx, operation, state);
    reports::add(tx, watch.event(), operation, &deliveries);
    Ok(Raised::Said)
}

/// Stores that an operation is overdue or lost. An operation that nobody announced may be lost as well.
fn give_up(tx: &mut Tx<'_>, operation: i64, state: ExpectationState) {
    let now = instant(tx.wall);
    let Some(row) = tx.rows.operations.get_mut(&operation) else { return };
    let base = &mut row.base;
    match &mut base.expectation {
        Some(expectation) => expectation.state = state,
        None => {
            let (id, sinks) = (base.id.clone(), Vec::new());
            let none = Expectation { id, state, announced_at: None, expected_by: None, metadata: None, sinks };
            base.expectation = Some(none);
        }
    }
    base.version += 1;
    base.modified_at = now;
}
