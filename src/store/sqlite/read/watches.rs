//! The watches that are due.

use rusqlite::{Connection, OptionalExtension};

use super::operation;
use crate::domain::Watch;
use crate::store::Due;
use crate::store::instants::instant;
use crate::store::seal::Seal;

/// The number of a kind in the store.
pub fn number(watch: Watch) -> i64 {
    match watch {
        Watch::Overdue => 0,
        Watch::Lost => 1,
    }
}

/// When the next watch is due, in microseconds of steady time.
pub fn next(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT at FROM watches ORDER BY at LIMIT 1";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()
}

/// The due watches, the longest due first.
pub fn due(connection: &Connection, seal: &Seal, now: i64, limit: usize) -> rusqlite::Result<Vec<Due>> {
    let sql = "SELECT at, operation, kind FROM watches WHERE at <= ?1 ORDER BY at LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([now, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut due = Vec::new();
    for row in rows {
        let (at, operation, kind): (i64, i64, i64) = row?;
        let watch = if kind == number(Watch::Lost) { Watch::Lost } else { Watch::Overdue };
        match operation::one(connection, seal, operation) {
            Ok(Some(operation)) => due.push(Due { operation, watch, at: instant(at) }),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, operation_row = operation, "an operation that is due cannot be read"),
        }
    }
    Ok(due)
}
