//! The delivery's row: making and settling it. Leasing is in `lease`.
//!
//! **Invariants**
//! 1. Of one operation's deliveries to one sink at most one is open: the others are blocked, delivered or dead.
//! 2. An outcome changes the row only with the token of the row's lease.

use rusqlite::params;

use super::exchanges;
use crate::domain::{DeliveryId, NewDelivery, Outcome, Settlement, SinkName};
use crate::store::decisions::deliveries::FIRST_TOKEN;
use crate::store::ids;
use crate::store::instants::micros;
use crate::store::sqlite::engine::backlogs::Change;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// States of a row, as the statements use them.
pub const OPEN: i64 = 0;
pub const BLOCKED: i64 = 1;
pub const DEAD: i64 = 3;

/// A row to insert.
pub struct NewRow {
    /// Its number.
    pub seq: i64,
    /// The operation that it belongs to.
    pub op_seq: Option<i64>,
    /// Whether it waits for an earlier delivery.
    pub is_blocked: bool,
    /// Until when it is leased from the beginning, in microseconds of steady time.
    pub leased_until: Option<i64>,
    /// When it was created, in microseconds of the machine's clock.
    pub created_at: i64,
    /// The delivery that it is a resend of.
    pub resend_of: Option<DeliveryId>,
}

/// Inserts a row. If it is due now and not leased, its dispatcher is woken.
pub fn insert(tx: &Tx<'_>, new: &NewDelivery, row: &NewRow) -> Result<DeliveryId, Failure> {
    let id = ids::of_delivery(row.seq, tx.steady);
    let captures = match new.captures.is_empty() {
        true => None,
        // A map of texts always serialises.
        false => serde_json::to_string(&new.captures).ok(),
    };
    let (at, token) = row.leased_until.map_or((tx.steady, 0), |until| (until, FIRST_TOKEN));
    let sql = "INSERT INTO deliveries (seq, id, op_seq, state, at, is_leased, lease_token, n_attempts, created_at, sink, route, captures, resend_of) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12)";
    tx.execute(
        sql,
        params![
            row.seq,
            id.as_bytes(),
            row.op_seq,
            row.is_blocked,
            at,
            row.leased_until.is_some(),
            token,
            row.created_at,
            new.sink.as_str(),
            new.route.as_str(),
            captures,
            row.resend_of.as_ref().map(|id| id.0.as_bytes()),
        ],
    )?;
    tx.backlog(&new.sink, Change::ADDED);
    match (row.is_blocked, row.leased_until) {
        (true, _) => tx.blocked(),
        (false, None) => tx.wake(&new.sink),
        (false, Some(_)) => {}
    }
    Ok(DeliveryId(id))
}

/// Whether a further delivery to a sink must wait: its operation, if it has one, has another that is neither delivered nor
/// dead.
pub fn is_waited_for(tx: &Tx<'_>, sink: &SinkName, op_seq: Option<i64>) -> Result<bool, Failure> {
    let Some(op_seq) = op_seq else { return Ok(false) };
    let sql = "SELECT 1 FROM deliveries INDEXED BY deliveries_unsettled \
               WHERE sink = ?1 AND op_seq = ?2 AND state < 2 LIMIT 1";
    Ok(tx.first(sql, params![sink.as_str(), op_seq], |_| Ok(()))?.is_some())
}

/// Records outcomes, with the sealed exchanges that are kept of them. One with an old lease token changes nothing.
pub fn settle(tx: &Tx<'_>, outcomes: &[Outcome], sealed: &[Option<Vec<u8>>]) -> Result<(), Failure> {
    let mut sizes = Vec::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        if !settle_one(tx, outcome)? {
            continue;
        }
        if let Some(Some(sealed)) = sealed.get(at) {
            sizes.push(exchanges::add(tx, outcome, sealed)?);
        }
    }
    exchanges::added(tx, &sizes)
}

/// Returns whether the outcome was recorded.
fn settle_one(tx: &Tx<'_>, outcome: &Outcome) -> Result<bool, Failure> {
    let Outcome { lease, settlement, .. } = outcome;
    let row = ids::delivery_row(lease.delivery.id.0);
    if record(tx, outcome, OPEN)? == 0 {
        // It was attempted behind a delivery that is not settled: an operator replayed an earlier one meanwhile.
        return Ok(lease.follows && record(tx, outcome, BLOCKED)? > 0);
    }
    let is_over = !matches!(settlement, Settlement::RetryAt { .. });
    if is_over && lease.delivery.event.is_of_operation() && tx.any_blocked()? {
        unblock_next(tx, row, &lease.delivery.sink)?;
    }
    Ok(true)
}

/// Records an outcome if its delivery is in this state. Returns how many deliveries changed.
fn record(tx: &Tx<'_>, outcome: &Outcome, state: i64) -> Result<usize, Failure> {
    let Outcome { lease, attempt, settlement } = outcome;
    let (row, token) = (ids::delivery_row(lease.delivery.id.0), lease.token);
    let (change, n_changed) = match settlement {
        Settlement::Delivered => {
            let sql = "UPDATE deliveries SET state = 2, is_leased = 0, at = ?4, n_attempts = n_attempts + 1, \
                       started_at = ?5, took = ?6, settled_at = ?7, exchange = ?8 \
                       WHERE seq = ?1 AND lease_token = ?2 AND is_leased = 1 AND state = ?3";
            let (started_at, took) = (attempt.started_at.as_microsecond(), micros(attempt.took));
            let exchange = exchanges::keeping(tx, outcome);
            let values = params![row, token, state, tx.wall, started_at, took, tx.steady, exchange];
            (Change::GONE, tx.execute(sql, values)?)
        }
        Settlement::RetryAt { at, reason } => {
            let failed = Failed { from: state, to: state, at: at.as_microsecond(), reason };
            (Change::default(), fail(tx, outcome, &failed)?)
        }
        Settlement::Dead { reason } => {
            (Change::DIED, fail(tx, outcome, &Failed { from: state, to: DEAD, at: tx.wall, reason })?)
        }
    };
    tx.backlog(&lease.delivery.sink, change.times(n_changed));
    Ok(n_changed)
}

/// The change that a failed attempt makes.
struct Failed<'a> {
    /// The state before it.
    from: i64,
    /// The state after it.
    to: i64,
    /// When it is due again, or when it became a dead letter.
    at: i64,
    reason: &'a str,
}

fn fail(tx: &Tx<'_>, outcome: &Outcome, failed: &Failed<'_>) -> Result<usize, Failure> {
    let Failed { from, to, at, reason } = *failed;
    let Outcome { lease, attempt, .. } = outcome;
    let row = ids::delivery_row(lease.delivery.id.0);
    let sql = "UPDATE deliveries SET state = ?4, is_leased = 0, at = ?5, n_attempts = n_attempts + 1, reason = ?6, \
               settled_at = ?7 WHERE seq = ?1 AND lease_token = ?2 AND is_leased = 1 AND state = ?3";
    let settled_at = (to == DEAD).then_some(tx.steady);
    let n_changed = tx.execute(sql, params![row, lease.token, from, to, at, reason, settled_at])?;
    if n_changed > 0 {
        // The same attempt can be written twice only if the clock stands still.
        let sql = "INSERT OR REPLACE INTO attempts (delivery, started_at, number, took, reason, exchange) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (started_at, took) = (attempt.started_at.as_microsecond(), micros(attempt.took));
        let exchange = exchanges::keeping(tx, outcome);
        tx.execute(sql, params![row, started_at, attempt.number, took, reason, exchange])?;
    }
    Ok(n_changed)
}

/// Unblocks the earliest delivery to a sink that waits behind the settled one in `row`. If the same holder leased it,
/// it stays leased.
pub fn unblock_next(tx: &Tx<'_>, row: i64, sink: &SinkName) -> Result<(), Failure> {
    let sql = "SELECT seq, state, is_leased AND at > ?3 FROM deliveries INDEXED BY deliveries_unsettled \
               WHERE sink = ?1 AND state < 2 AND op_seq = (SELECT op_seq FROM deliveries WHERE seq = ?2) \
               ORDER BY seq LIMIT 1";
    let next: Option<(i64, i64, bool)> =
        tx.first(sql, params![sink.as_str(), row, tx.steady], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match next {
        Some((next, 1, true)) => {
            tx.execute("UPDATE deliveries SET state = 0 WHERE seq = ?1", [next])?;
        }
        Some((next, 1, false)) => {
            tx.execute("UPDATE deliveries SET state = 0, is_leased = 0, at = ?2 WHERE seq = ?1", [next, tx.steady])?;
            tx.wake(sink);
        }
        _ => {}
    }
    Ok(())
}
