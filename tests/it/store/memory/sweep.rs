//! Housekeeping: wipes tokens, then removes events, each when its time has come.

use super::rows::{EventRow, micros};
use super::tx::Tx;
use super::{exchanges, quarantine};
use reelhook::config;
use reelhook::domain::ExpectationState;
use reelhook::store::DeliveryState;

/// How many events one round looks at.
const ROUND: usize = 200;
/// How soon an event that is not settled is checked again, in microseconds: soon enough for its token's retention.
const LOOK_AGAIN: std::ops::RangeInclusive<i64> = 60_000_000..=3_600_000_000;

/// When an event that arrived at an instant of steady time is checked first.
pub fn first_look(settings: &config::Store, arrived_at: i64, has_token: bool) -> i64 {
    arrived_at.saturating_add(if has_token { micros(settings.token_retention) } else { retention(settings) })
}

fn retention(settings: &config::Store) -> i64 {
    micros(settings.retention.max(settings.deduplicate))
}

/// One round; returns how many rows it touched.
pub fn sweep(tx: &mut Tx<'_>) -> u64 {
    let mut n_touched = quarantine::let_go(tx) + quarantine::trim(tx) + forget_calls(tx) + exchanges::trim(tx);
    let due = tx.rows.upkeep.iter().take_while(|(at, _)| *at <= tx.steady).take(ROUND).copied().collect::<Vec<_>>();
    for (at, event) in due {
        tx.rows.upkeep.remove(&(at, event));
        if let Some(next) = tend(tx, event, at) {
            tx.rows.upkeep.insert((next, event));
        }
        n_touched += 1;
    }
    n_touched
}

/// Removes ended calls that are too old or too many; returns how many.
fn forget_calls(tx: &mut Tx<'_>) -> u64 {
    let (remembered, most) = {
        let settings = tx.around.expectations.lock();
        (micros(settings.remember_calls), i64::from(settings.max_remembered_calls))
    };
    let (before, newest) = (tx.wall.saturating_sub(remembered), tx.rows.last[2]);
    let n = tx.rows.ended_calls.len();
    tx.rows.ended_calls.retain(|number, ended| ended.learned_at > before && *number > newest - most);
    (n - tx.rows.ended_calls.len()) as u64
}

/// Does what is due for an event; returns when to check it again, `None` if it was removed.
fn tend(tx: &mut Tx<'_>, event: i64, looked_at: i64) -> Option<i64> {
    let settings = &tx.around.settings;
    let row = tx.rows.events.get(&event)?;
    let deliveries = || tx.rows.deliveries_of(event);
    if deliveries().any(|it| matches!(it.view.state, DeliveryState::Open | DeliveryState::Blocked)) {
        let wait = micros(settings.token_retention / 24).clamp(*LOOK_AGAIN.start(), *LOOK_AGAIN.end());
        return Some(tx.steady.saturating_add(wait));
    }
    let settled_at = deliveries().filter_map(|it| it.settled_at).max();
    let settled_at = settled_at.unwrap_or_else(|| arrived_at(tx, row, looked_at));
    if row.token.is_some() {
        let due = settled_at.saturating_add(micros(settings.token_retention));
        if tx.steady < due {
            return Some(due);
        }
    }
    let due = settled_at.saturating_add(retention(settings));
    let operation = row.operation;
    let row = tx.rows.events.get_mut(&event)?;
    if row.token.take().is_some() {
        row.raw.clear();
    }
    if tx.steady < due {
        return Some(due);
    }
    remove_event(tx, event);
    if let Some(operation) = operation.filter(|operation| !is_needed(tx, *operation)) {
        remove_operation(tx, operation);
    }
    None
}

/// When an event arrived, in steady time. Its first check was scheduled that long after its arrival. The machine's
/// clock gives the same result unless it was set since.
fn arrived_at(tx: &Tx<'_>, row: &EventRow, looked_at: i64) -> i64 {
    let span = first_look(&tx.around.settings, 0, row.token.is_some());
    let (by_plan, by_clock) =
        (looked_at.saturating_sub(span), tx.in_steady_time(row.view.received_at.as_microsecond()));
    if by_clock > tx.steady { by_plan } else { by_plan.max(by_clock) }
}

/// Whether an operation has events, a client that waits for it, or a deadline.
fn is_needed(tx: &Tx<'_>, operation: i64) -> bool {
    let has_events = tx.rows.events_of.get(&operation).is_some_and(|events| !events.is_empty());
    let expectation = tx.rows.operations.get(&operation).and_then(|row| row.base.expectation.as_ref());
    let is_waited_for = expectation.is_some_and(|it| it.state == ExpectationState::Waiting);
    has_events || is_waited_for || tx.is_watched(operation, None)
}

/// Removes an event with its deliveries.
pub fn remove_event(tx: &mut Tx<'_>, event: i64) {
    let deliveries: Vec<i64> = tx
        .rows
        .deliveries
        .range(super::ids::first_delivery(event)..=super::ids::last_delivery(event))
        .map(|(number, _)| *number)
        .collect();
    for number in deliveries {
        tx.rows.unsettled.remove(&number);
        tx.rows.deliveries.remove(&number);
        tx.rows.exchanges.retain(|_, row| row.delivery != number);
    }
    tx.rows.unanswered.remove(&event);
    let Some(row) = tx.rows.events.remove(&event) else { return };
    if let Some(events) = row.operation.and_then(|operation| tx.rows.events_of.get_mut(&operation)) {
        events.remove(&event);
    }
}

/// Removes an operation that has no events, with its expectation.
pub fn remove_operation(tx: &mut Tx<'_>, operation: i64) {
    tx.unwatch(operation, None);
    tx.rows.events_of.remove(&operation);
    let Some(row) = tx.rows.operations.remove(&operation) else { return };
    for id in [Some(row.base.id), row.base.expectation.map(|it| it.id)].into_iter().flatten() {
        if let Some(numbers) = tx.rows.operations_by_id.get_mut(&id) {
            numbers.remove(&operation);
        }
    }
    tx.changed(operation);
}
