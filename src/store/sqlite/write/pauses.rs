//! Sinks that an operator paused.

use jiff::Timestamp;
use rusqlite::params;

use crate::domain::SinkName;
use crate::store::instants::instant;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

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
