//! The exchanges of attempts: bounded in entries and bytes, the oldest make room.
//!
//! **Invariants**
//! 1. An exchange is written in the transaction that records its attempt, and goes with its delivery.
//! 2. A write removes a bounded number of exchanges. What is beyond the bounds then goes with the next ones, or with
//!    housekeeping.
//! 3. If the config keeps none, none is written, and those that are there go.

use rusqlite::params;

use crate::domain::{Exchanged, Outcome};
use crate::store::sealed;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::{Keeping, ids};

/// How many exchanges one round of trimming removes at most.
const TRIM_ROUND: u64 = 200;

/// The exchanges to keep of some outcomes, sealed, each at the place of its outcome. Done before the transaction.
pub fn sealed(shared: &Shared, outcomes: &[Outcome]) -> Vec<Option<Vec<u8>>> {
    let is_told = |outcome: &Outcome| matches!(outcome.attempt.exchange, Exchanged::Told(_));
    if shared.settings.exchanges_max_entries == 0 || !outcomes.iter().any(is_told) {
        return Vec::new();
    }
    let sealed = outcomes.iter().map(|outcome| {
        let Exchanged::Told(exchange) = &outcome.attempt.exchange else { return None };
        let sealed = sealed::seal_exchange(&shared.seal, sealed::AttemptKey::of(outcome), exchange);
        sealed.inspect_err(|error| tracing::warn!(%error, "an exchange could not be kept")).ok()
    });
    sealed.collect()
}

/// What becomes of the exchange of an outcome.
pub fn keeping(tx: &Tx<'_>, outcome: &Outcome) -> Option<i64> {
    Keeping::of(&outcome.attempt.exchange, &tx.shared.settings).number()
}

/// Writes the exchange of a recorded outcome. Returns its size.
pub fn add(tx: &Tx<'_>, outcome: &Outcome, sealed: &[u8]) -> Result<i64, Failure> {
    let sql = "INSERT INTO exchanges (delivery, started_at, number, sealed) VALUES (?1, ?2, ?3, ?4)";
    let row = ids::delivery_row(outcome.lease.delivery.id.0);
    tx.execute(sql, params![row, outcome.attempt.started_at.as_microsecond(), outcome.attempt.number, sealed])?;
    Ok(i64::try_from(sealed.len()).unwrap_or(i64::MAX))
}

/// Removes the exchanges of an event's deliveries, whose rows are in this range.
pub fn remove(tx: &Tx<'_>, range: [i64; 2]) -> Result<(), Failure> {
    let sql = "DELETE FROM exchanges WHERE delivery BETWEEN ?1 AND ?2 RETURNING length(sealed)";
    let sizes: Vec<i64> = tx.all(sql, range, |row| row.get(0))?;
    if sizes.is_empty() {
        return Ok(());
    }
    resize(tx, -number(sizes.len() as u64), -sizes.iter().sum::<i64>()).map(drop)
}

/// Counts what was added, and makes room for it.
pub fn added(tx: &Tx<'_>, sizes: &[i64]) -> Result<(), Failure> {
    if sizes.is_empty() {
        return Ok(());
    }
    let size = resize(tx, number(sizes.len() as u64), sizes.iter().sum())?;
    shrink(tx, size).map(drop)
}

/// Removes one round of the oldest exchanges beyond the bounds. Returns how many.
pub fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let size = tx.first("SELECT n_entries, n_bytes FROM exchanges_size", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    shrink(tx, size.unwrap_or_default())
}

fn shrink(tx: &Tx<'_>, (mut n_entries, mut n_bytes): (i64, i64)) -> Result<u64, Failure> {
    let settings = &tx.shared.settings;
    let (most, most_bytes) = (number(settings.exchanges_max_entries as u64), number(settings.exchanges_max_bytes));
    let before = (n_entries, n_bytes);
    let sql = "DELETE FROM exchanges WHERE id = (SELECT min(id) FROM exchanges) RETURNING length(sealed)";
    let mut n_removed = 0;
    while (n_entries > most || n_bytes > most_bytes) && n_removed < TRIM_ROUND {
        let Some(size) = tx.first(sql, [], |row| row.get::<_, i64>(0))? else { break };
        (n_entries, n_bytes, n_removed) = (n_entries - 1, n_bytes - size, n_removed + 1);
    }
    if n_removed > 0 {
        resize(tx, n_entries - before.0, n_bytes - before.1)?;
    }
    Ok(n_removed)
}

/// Returns the size after it.
fn resize(tx: &Tx<'_>, n_entries: i64, n_bytes: i64) -> Result<(i64, i64), Failure> {
    let sql =
        "UPDATE exchanges_size SET n_entries = n_entries + ?1, n_bytes = n_bytes + ?2 RETURNING n_entries, n_bytes";
    let size = tx.first(sql, [n_entries, n_bytes], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(size.unwrap_or_default())
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
