//! The sinks that an operator paused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::domain::SinkName;
use crate::store::instants::instant;

/// The paused sinks, and since when they are paused.
///
/// # Errors
/// The database could not be read.
pub fn list(connection: &Connection) -> rusqlite::Result<BTreeMap<SinkName, Timestamp>> {
    let read = |row: &Row<'_>| Ok((SinkName::new(&row.get::<_, String>(0)?), instant(row.get(1)?)));
    connection.prepare_cached("SELECT sink, paused_at FROM paused_sinks")?.query_map([], read)?.collect()
}
