//! Removing an event or an operation, by retention or at a client's request.
//!
//! **Invariants**
//! 1. No lookup finds anything that was removed: Graph's next notification of a removed operation makes a new
//!    operation.
//! 2. The number of a removed row is not given again.

use rusqlite::params;

use super::delivery::DEAD;
use super::{exchanges, tallies, watches};
use crate::domain::SinkName;
use crate::store::hashes::operation_lookup;
use crate::store::ids;
use crate::store::operations::Deleted;
use crate::store::sqlite::engine::backlogs::Change;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::unanswered;

/// Removes an event with its deliveries, their attempts and exchanges.
pub fn event(tx: &Tx<'_>, event: i64, lookup: Option<i64>) -> Result<(), Failure> {
    let range = [ids::first_delivery(event), ids::last_delivery(event)];
    exchanges::remove(tx, range)?;
    tx.execute("DELETE FROM attempts WHERE delivery BETWEEN ?1 AND ?2", range)?;
    deliveries(tx, range)?;
    let is_matched = tx.first("DELETE FROM events WHERE seq = ?1 RETURNING is_matched", [event], |row| row.get(0))?;
    if is_matched == Some(false) {
        tallies::unmatched(tx, -1)?;
    }
    unanswered::clear(tx, event)?;
    if let Some(lookup) = lookup {
        tx.execute("DELETE FROM lookups WHERE hash = ?1 AND target = ?2", [lookup, event])?;
    }
    tx.execute("UPDATE removed SET event = ?1 WHERE event < ?1", [event]).map(drop)
}

/// Removes the deliveries between two rows.
fn deliveries(tx: &Tx<'_>, range: [i64; 2]) -> Result<(), Failure> {
    let sql = "SELECT sink, state FROM deliveries WHERE seq BETWEEN ?1 AND ?2 AND state <> 2";
    let counted = tx.all(sql, range, |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    for (sink, state) in counted {
        let by = if state == DEAD { Change { n_open: 0, n_dead: -1 } } else { Change::GONE };
        tx.backlog(&SinkName::new(&sink), by);
    }
    tx.execute("DELETE FROM deliveries WHERE seq BETWEEN ?1 AND ?2", range).map(drop)
}

/// Removes an operation that has no events, with its expectation.
pub fn operation(tx: &Tx<'_>, operation: i64) -> Result<(), Failure> {
    let text = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    watches::clear(tx, operation)?;
    let announced = tx.first("DELETE FROM expectations WHERE operation = ?1 RETURNING id", [operation], text)?;
    let named = tx.first("DELETE FROM operations WHERE seq = ?1 RETURNING id", [operation], text)?;
    for id in announced.into_iter().chain(named) {
        tx.execute("DELETE FROM lookups WHERE hash = ?1 AND target = ?2", [operation_lookup(&id), operation])?;
    }
    tx.execute("UPDATE removed SET operation = ?1 WHERE operation < ?1", [operation])?;
    tx.changed(operation);
    Ok(())
}

/// Removes an operation with its events at a client's request; one with open deliveries only if `force` is set.
pub fn delete(tx: &Tx<'_>, number: i64, version: Option<i64>, force: bool) -> Result<Deleted, Failure> {
    let sql = "SELECT version FROM operations WHERE seq = ?1";
    let Some(current) = tx.first(sql, [number], |row| row.get(0))? else { return Ok(Deleted::Missing) };
    if version.is_some_and(|version| version != current) {
        return Ok(Deleted::Stale(current));
    }
    let sql = "SELECT e.seq, e.lookup, (SELECT count(*) FROM deliveries d \
                                        WHERE d.seq BETWEEN e.seq << 12 AND (e.seq << 12) + ?2 AND d.state < 2) \
               FROM events e WHERE e.op_seq = ?1";
    let events = tx.all(sql, params![number, ids::MAX_DELIVERIES - 1], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, i64>(2)?))
    })?;
    let n_open: i64 = events.iter().map(|(_, _, n_open)| n_open).sum();
    if n_open > 0 && !force {
        return Ok(Deleted::Open(n_open.cast_unsigned()));
    }
    // Its events may hold tokens.
    tx.securely(|| {
        for (seq, lookup, _) in events {
            event(tx, seq, lookup)?;
        }
        operation(tx, number)
    })?;
    Ok(Deleted::Done)
}
