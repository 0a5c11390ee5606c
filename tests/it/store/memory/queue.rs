//! The deliveries: making, leasing, settling and replaying them.

use std::sync::Arc;

use super::rows::{DeliveryRow, instant, micros};
use super::tx::Tx;
use super::{deliveries, exchanges, ids};
use reelhook::domain::{Delivery, DeliveryId, Event, EventId, Held, Lease, NewDelivery, Outcome, Settlement, SinkName};
use reelhook::store::{
    DeadLetters, DeliveryState, DeliveryView, FailedAttempt, Limit, MadeDue, Resent, StoreError, Success,
};

/// A row to insert.
pub struct NewRow {
    /// Its number.
    pub number: i64,
    /// Its event.
    pub event: i64,
    /// The operation that it belongs to.
    pub operation: Option<i64>,
    /// Whether it waits for an earlier delivery.
    pub is_blocked: bool,
    /// Until when it is leased from the beginning, in microseconds of steady time.
    pub leased_until: Option<i64>,
    /// When it was created, in microseconds of the machine's clock.
    pub created_at: i64,
}

/// Inserts a row. If it is due now and not leased, its dispatcher is woken.
pub fn insert(tx: &mut Tx<'_>, new: &NewDelivery, row: &NewRow) {
    let Some(event) = tx.rows.events.get(&row.event).map(|event| event.view.id) else { return };
    let (at, token) = row.leased_until.map_or((tx.steady, 0), |until| (until, 1));
    let view = DeliveryView {
        id: DeliveryId(ids::of_delivery(row.number, tx.steady)),
        event,
        sink: new.sink.clone(),
        route: new.route.clone(),
        state: DeliveryState::Open,
        n_attempts: 0,
        created_at: instant(row.created_at),
        at: instant(at),
        is_leased: false,
        resend_of: None,
        reason: String::new(),
        failures: Vec::new(),
        success: None,
    };
    let (is_leased, operation) = (row.leased_until.is_some(), row.operation);
    let made = DeliveryRow { view, new: new.clone(), operation, is_leased, token, n_attempts: 0, settled_at: None };
    tx.rows.deliveries.insert(row.number, made);
    tx.rows.set_state(row.number, if row.is_blocked { DeliveryState::Blocked } else { DeliveryState::Open });
    if !row.is_blocked && !is_leased {
        tx.wake(&new.sink);
    }
}

/// The lease of a row.
pub fn lease_of(row: &DeliveryRow, event: Arc<Event>, (follows, held): (bool, Held)) -> Lease {
    let delivery = Delivery {
        id: row.view.id,
        sink: row.new.sink.clone(),
        route: row.new.route.clone(),
        captures: row.new.captures.clone(),
        event,
        attempt: row.n_attempts.saturating_add(1),
        resend_of: row.view.resend_of,
    };
    Lease { delivery, expires_at: row.view.at, token: row.token, follows, held }
}

/// Leases the due deliveries that fit, the longest due first, each with those that wait behind it.
pub fn lease(tx: &mut Tx<'_>, sink: &SinkName, limit: Limit, ttl: std::time::Duration) -> Vec<Lease> {
    let numbers = chosen(tx, sink, limit.n);
    let size = |(number, _): &(i64, bool)| {
        tx.rows.events.get(&ids::event_of(*number)).map_or(0, |row| Delivery::n_bytes_with(&row.view.data))
    };
    let n = limit.fit(numbers.iter().map(size));
    let expires_at = instant(tx.steady.saturating_add(micros(ttl)));
    let leased = numbers.into_iter().take(n).filter_map(|(number, follows)| {
        let row = tx.rows.deliveries.get_mut(&number)?;
        (row.is_leased, row.view.at, row.token) = (true, expires_at, row.token + 1);
        let row = row.clone();
        let event = Arc::new(tx.rows.event(tx.rows.events.get(&ids::event_of(number))?));
        Some(lease_of(&row, event, (follows, Held::default())))
    });
    leased.collect()
}

/// The deliveries to lease, each with whether it follows the one before it.
fn chosen(tx: &Tx<'_>, sink: &SinkName, most: usize) -> Vec<(i64, bool)> {
    let now = instant(tx.steady);
    let of_sink = |number: &&i64| tx.rows.deliveries.get(number).is_some_and(|row| row.new.sink == *sink);
    let waiting: Vec<(i64, &DeliveryRow)> = tx
        .rows
        .unsettled
        .iter()
        .filter(of_sink)
        .filter_map(|number| Some((*number, tx.rows.deliveries.get(number)?)))
        .collect();
    let is_due = |row: &DeliveryRow| row.view.state == DeliveryState::Open && row.view.at <= now;
    let mut due: Vec<(i64, &DeliveryRow)> = waiting.iter().copied().filter(|(_, row)| is_due(row)).collect();
    due.sort_by_key(|(number, row)| (row.view.at, *number));
    due.truncate(most);
    let (mut room, mut chosen) = (most - due.len(), Vec::with_capacity(due.len()));
    for (number, row) in due {
        chosen.push((number, false));
        if row.operation.is_none() {
            continue;
        }
        let is_behind = |it: &DeliveryRow| it.operation == row.operation && it.view.state == DeliveryState::Blocked;
        let behind = waiting.iter().filter(|(_, it)| is_behind(it)).map(|(number, _)| (*number, true)).take(room);
        let before = chosen.len();
        chosen.extend(behind);
        room -= chosen.len() - before;
    }
    chosen
}

/// Records outcomes. One with an old lease token changes nothing.
pub fn settle(tx: &mut Tx<'_>, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let Outcome { lease, settlement, .. } = outcome;
        if !record(tx, outcome, DeliveryState::Open) {
            // It was attempted behind a delivery that is not settled: an operator replayed an earlier one meanwhile.
            if lease.follows {
                record(tx, outcome, DeliveryState::Blocked);
            }
            continue;
        }
        if !matches!(settlement, Settlement::RetryAt { .. }) {
            unblock_next(tx, ids::delivery_row(lease.delivery.id.0));
        }
    }
}

/// Records an outcome if its delivery is in this state. Returns whether it is.
fn record(tx: &mut Tx<'_>, outcome: &Outcome, state: DeliveryState) -> bool {
    let Outcome { lease, attempt, settlement } = outcome;
    let (wall, steady) = (instant(tx.wall), tx.steady);
    if tx.rows.held(lease, state).is_none() {
        return false;
    }
    let exchange = exchanges::add(tx, outcome);
    let Some(row) = tx.rows.held(lease, state) else { return false };
    row.is_leased = false;
    row.n_attempts += 1;
    let (to, at, reason) = match settlement {
        Settlement::Delivered => (DeliveryState::Delivered, wall, None),
        Settlement::RetryAt { at, reason } => (state, *at, Some(reason)),
        Settlement::Dead { reason } => (DeliveryState::Dead, wall, Some(reason)),
    };
    row.view.at = at;
    row.settled_at = if to == state { None } else { Some(steady) };
    match reason {
        None => {
            row.view.success =
                Some(Success { started_at: attempt.started_at, took: attempt.took, is_after_replay: false, exchange })
        }
        Some(reason) => {
            row.view.reason.clone_from(reason);
            let (number, started_at, took) = (attempt.number, attempt.started_at, attempt.took);
            row.view.failures.push(FailedAttempt {
                number,
                started_at,
                took,
                reason: reason.clone(),
                is_after_replay: false,
                exchange,
            });
            row.view.failures.sort_by_key(|it| (it.started_at, it.number));
        }
    }
    tx.rows.set_state(ids::delivery_row(lease.delivery.id.0), to);
    true
}

/// Unblocks the earliest delivery that waits behind a settled one. If the same holder leased it, it stays leased.
fn unblock_next(tx: &mut Tx<'_>, settled: i64) {
    let now = instant(tx.steady);
    let Some(row) = tx.rows.deliveries.get(&settled) else { return };
    let (sink, operation) = (row.new.sink.clone(), row.operation);
    let Some(next) = operation.and_then(|_| tx.rows.unsettled_of(&sink, operation).next()) else { return };
    let Some(row) = tx.rows.deliveries.get_mut(&next).filter(|row| row.view.state == DeliveryState::Blocked) else {
        return;
    };
    let is_held = row.is_leased && row.view.at > now;
    if !is_held {
        (row.is_leased, row.view.at) = (false, now);
    }
    tx.rows.set_state(next, DeliveryState::Open);
    if !is_held {
        tx.wake(&sink);
    }
}

/// Hands leases back: due again at `due_at`.
pub fn release(tx: &mut Tx<'_>, leases: &[Lease], due_at: jiff::Timestamp) {
    for lease in leases {
        for state in [DeliveryState::Open, DeliveryState::Blocked] {
            let Some(row) = tx.rows.held(lease, state) else { continue };
            (row.is_leased, row.view.at) = (false, due_at);
            tx.wake(&lease.delivery.sink);
        }
    }
}

/// Makes every leased delivery due at once, because its holder ended with its process. Their age keeps their order.
pub fn void_leases(tx: &mut Tx<'_>) {
    let (now, lead) = (tx.steady, tx.wall.saturating_sub(tx.steady));
    for row in tx.rows.deliveries.values_mut().filter(|row| row.is_leased) {
        row.is_leased = false;
        if row.view.state == DeliveryState::Open {
            row.view.at = instant(row.view.created_at.as_microsecond().saturating_sub(lead).min(now));
        }
    }
}

/// Makes the deliveries of a sink due that wait for their next attempt. Returns how many.
pub fn make_due(tx: &mut Tx<'_>, sink: &SinkName) -> u64 {
    let now = instant(tx.steady);
    let is_later = |row: &DeliveryRow| row.view.state == DeliveryState::Open && !row.is_leased && row.view.at > now;
    let later = tx.rows.deliveries.values_mut().filter(|row| row.new.sink == *sink && is_later(row));
    let n_due = later.map(|row| row.view.at = now).count();
    if n_due > 0 {
        tx.wake(sink);
    }
    n_due as u64
}

/// Makes one delivery due now, or the one that it waits for.
pub fn make_one_due(tx: &mut Tx<'_>, id: DeliveryId) -> Option<MadeDue> {
    let now = instant(tx.steady);
    let row = tx.rows.deliveries.get(&ids::delivery_row(id.0)).filter(|row| row.view.id == id)?;
    let (sink, operation) = (row.new.sink.clone(), row.operation);
    let first = match row.view.state {
        DeliveryState::Open => ids::delivery_row(id.0),
        DeliveryState::Blocked => {
            let is_open =
                |number: &i64| tx.rows.deliveries.get(number).is_some_and(|row| row.view.state == DeliveryState::Open);
            tx.rows.unsettled_of(&sink, operation).find(is_open)?
        }
        settled => return Some(MadeDue::Settled(settled)),
    };
    let row = tx.rows.deliveries.get_mut(&first)?;
    if row.is_leased && row.view.at > now {
        return Some(MadeDue::UnderWay(row.view.id));
    }
    row.view.at = row.view.at.min(now);
    let due = MadeDue::Due(row.view.id);
    tx.wake(&sink);
    Some(due)
}

/// Makes dead letters due again, the earliest first. Returns how many.
pub fn replay(tx: &mut Tx<'_>, which: &DeadLetters) -> u64 {
    let is_meant = |row: &DeliveryRow| match which {
        DeadLetters::One(id) => row.view.id == *id,
        DeadLetters::Some(ids) => ids.contains(&row.view.id),
    };
    let dead = tx.rows.deliveries.iter().filter(|(_, row)| row.view.state == DeliveryState::Dead && is_meant(row));
    let dead: Vec<i64> = dead.map(|(number, _)| *number).collect();
    for number in &dead {
        wait_again(tx, *number);
    }
    dead.len() as u64
}

/// Opens a dead letter, or makes it wait for the operation's other delivery. Its attempts are counted from 1 again.
fn wait_again(tx: &mut Tx<'_>, number: i64) {
    let now = instant(tx.steady);
    let Some(row) = tx.rows.deliveries.get(&number) else { return };
    let (sink, operation) = (row.new.sink.clone(), row.operation);
    tx.rows.unsettled.remove(&number);
    let is_blocked = tx.rows.is_waited_for(&sink, operation);
    if let Some(row) = tx.rows.deliveries.get_mut(&number) {
        (row.view.at, row.n_attempts) = (now, 0);
    }
    tx.rows.set_state(number, if is_blocked { DeliveryState::Blocked } else { DeliveryState::Open });
    if !is_blocked {
        tx.wake(&sink);
    }
}

/// Makes a new delivery for each of these that was delivered.
pub fn resend(tx: &mut Tx<'_>, deliveries: &[DeliveryId], to: Option<&SinkName>) -> Vec<Resent> {
    let mut resent = Vec::new();
    for id in deliveries {
        let row = tx.rows.deliveries.get(&ids::delivery_row(id.0)).filter(|row| row.view.id == *id);
        let Some(row) = row.filter(|row| row.view.state == DeliveryState::Delivered) else { continue };
        let (operation, first) = (row.operation, row.view.resend_of.unwrap_or(*id));
        let new = NewDelivery { sink: to.unwrap_or(&row.new.sink).clone(), ..row.new.clone() };
        let event = ids::event_of(ids::delivery_row(id.0));
        let kind = tx.rows.events.get(&event).map(|row| row.view.kind.as_str()).unwrap_or_default();
        if !tx.around.takes(&new.sink, kind) {
            continue;
        }
        let range = ids::first_delivery(event)..=ids::last_delivery(event);
        let Some((last, _)) = tx.rows.deliveries.range(range).next_back() else { continue };
        let (number, created_at) = (last + 1, tx.wall);
        let is_blocked = tx.rows.is_waited_for(&new.sink, operation);
        insert(tx, &new, &NewRow { number, event, operation, is_blocked, leased_until: None, created_at });
        if let Some(row) = tx.rows.deliveries.get_mut(&number) {
            row.view.resend_of = Some(first);
            resent.push(Resent { of: *id, id: row.view.id });
        }
    }
    resent
}

/// Adds deliveries to an event that matched no route. Returns how many.
///
/// # Errors
/// There are too many.
pub fn route_again(tx: &mut Tx<'_>, id: EventId, deliveries: Vec<NewDelivery>) -> Result<Option<usize>, StoreError> {
    let mut deliveries = deliveries::checked(deliveries)?;
    let event = ids::event_row(id.0);
    let Some(row) = tx.rows.event_row(id).filter(|row| !row.is_matched && !deliveries.is_empty()) else {
        return Ok(None);
    };
    let (operation, kind) = (row.operation, row.view.kind.clone());
    deliveries.retain(|new| tx.around.takes(&new.sink, &kind));
    let created_at = tx.wall;
    for (new, number) in deliveries.iter().zip(ids::first_delivery(event)..) {
        let is_blocked = tx.rows.is_waited_for(&new.sink, operation);
        insert(tx, new, &NewRow { number, event, operation, is_blocked, leased_until: None, created_at });
    }
    if let Some(row) = tx.rows.events.get_mut(&event) {
        row.is_matched = true;
        row.view.is_matched = true;
    }
    Ok(Some(deliveries.len()))
}

/// The deliveries that wait for a sink and are not being attempted; an operation's oldest first.
fn waiting(tx: &Tx<'_>, sink: &SinkName) -> Vec<i64> {
    let is_free = |row: &DeliveryRow| row.new.sink == *sink && !is_under_way(tx, row);
    let rows = tx.rows.unsettled.iter().filter_map(|number| Some((number, tx.rows.deliveries.get(number)?)));
    rows.filter(|(_, row)| is_free(row)).map(|(number, _)| *number).collect()
}

fn is_under_way(tx: &Tx<'_>, row: &DeliveryRow) -> bool {
    row.is_leased && row.view.at > instant(tx.steady)
}

/// Whether a delivery of the same operation to the same sink is being attempted.
fn is_behind_one_under_way(tx: &Tx<'_>, number: i64) -> bool {
    let Some(row) = tx.rows.deliveries.get(&number).filter(|row| row.operation.is_some()) else { return false };
    let mut others = tx.rows.unsettled_of(&row.new.sink, row.operation);
    others.any(|other| tx.rows.deliveries.get(&other).is_some_and(|other| is_under_way(tx, other)))
}

/// Moves the deliveries that wait for `from` to `to`, with the same ids and in the same order. Returns how many.
pub fn move_waiting(tx: &mut Tx<'_>, from: &SinkName, to: &SinkName) -> u64 {
    if from == to {
        return 0;
    }
    let (mut waiting, now) = (waiting(tx, from), instant(tx.steady));
    waiting.retain(|number| !is_behind_one_under_way(tx, *number));
    for number in &waiting {
        let operation = tx.rows.deliveries.get(number).and_then(|row| row.operation);
        let is_blocked = tx.rows.is_waited_for(to, operation);
        if let Some(row) = tx.rows.deliveries.get_mut(number) {
            (row.new.sink, row.view.sink) = (to.clone(), to.clone());
            (row.view.at, row.n_attempts, row.is_leased) = (now, 0, false);
        }
        tx.rows.set_state(*number, if is_blocked { DeliveryState::Blocked } else { DeliveryState::Open });
    }
    if !waiting.is_empty() {
        tx.wake(to);
    }
    waiting.len() as u64
}

/// Makes dead letters of the deliveries that wait for a sink. Returns how many.
pub fn drop_waiting(tx: &mut Tx<'_>, sink: &SinkName) -> u64 {
    let (waiting, wall, steady) = (waiting(tx, sink), instant(tx.wall), tx.steady);
    for number in &waiting {
        if let Some(row) = tx.rows.deliveries.get_mut(number) {
            (row.view.at, row.settled_at, row.is_leased) = (wall, Some(steady), false);
            row.view.reason = "dropped by an operator".into();
        }
        tx.rows.set_state(*number, DeliveryState::Dead);
    }
    waiting.len() as u64
}
