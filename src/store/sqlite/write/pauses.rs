//! Sinks that an operator paused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::domain::SinkName;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::{Tx, instant};

/// The paused sinks, and since when they are paused.
///
/// # Errors
/// The database could not be read.
pub fn list(connection: &Connection) -> rusqlite::Result<BTreeMap<SinkName, Timestamp>> {
    let read = |row: &Row<'_>| Ok((SinkName::new(&row.get::<_, String>(0)?), instant(row.get(1)?)));
    connection.prepare_cached("SELECT sink, paused_at FROM paused_sinks")?.query_map([], read)?.collect()
}

/// Pauses a sink; returns since when it is paused.
///
/// # Errors
/// Nothing was changed.
pub fn pause(tx: &Tx<'_>, sink: &SinkName) -> Result<Timestamp, Failure> {
    let sql = "INSERT INTO paused_sinks (sink, paused_at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET sink = sink \
               RETURNING paused_at";
    let since = tx.first(sql, params![sink.as_str(), tx.wall], |row| row.get(0))?;
    Ok(instant(since.unwrap_or(tx.wall)))
}

/// Resumes a sink.
///
/// # Errors
/// Nothing was changed.
pub fn resume(tx: &Tx<'_>, sink: &SinkName) -> Result<(), Failure> {
    tx.execute("DELETE FROM paused_sinks WHERE sink = ?1", [sink.as_str()]).map(drop)
}
