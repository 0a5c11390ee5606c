//! Sinks that an operator paused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::domain::SinkName;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::{Tx, instant};

/// Those that are paused, and since when.
///
/// # Errors
/// The database could not be read.
pub fn list(connection: &Connection) -> rusqlite::Result<BTreeMap<SinkName, Timestamp>> {
    let read = |row: &Row<'_>| Ok((SinkName::new(&row.get::<_, String>(0)?), instant(row.get(1)?)));
    connection.prepare_cached("SELECT sink, paused_at FROM paused_sinks")?.query_map([], read)?.collect()
}

/// Pauses one; tells since when it is.
///
/// # Errors
/// Nothing was changed.
pub fn pause(tx: &Tx<'_>, sink: &SinkName) -> Result<Timestamp, Failure> {
    let sql = "INSERT INTO paused_sinks (sink, paused_at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET sink = sink \
               RETURNING paused_at";
    let since = tx.first(sql, params![sink.as_str(), tx.wall], |row| row.get(0))?;
    Ok(instant(since.unwrap_or(tx.wall)))
}

/// Lets one go on.
///
/// # Errors
/// Nothing was changed.
pub fn resume(tx: &Tx<'_>, sink: &SinkName) -> Result<(), Failure> {
    tx.execute("DELETE FROM paused_sinks WHERE sink = ?1", [sink.as_str()]).map(drop)
}
