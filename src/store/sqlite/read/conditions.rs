//! What the last attempts said about each sink.

use rusqlite::{Connection, Row};

use super::views::all;
use crate::domain::SinkName;
use crate::store::instants::instant;
use crate::store::{Failure, SinkCondition};

/// What is kept, in the order of the sinks' names.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<SinkCondition>> {
    let sql = "SELECT sink, version, failing_since, failed_at, reason FROM sink_conditions ORDER BY sink";
    all(connection, sql, [], |row: &Row<'_>| {
        let failed: (Option<i64>, Option<String>) = (row.get(3)?, row.get(4)?);
        Ok(SinkCondition {
            sink: SinkName::new(&row.get::<_, String>(0)?),
            version: row.get(1)?,
            failing_since: row.get::<_, Option<i64>>(2)?.map(instant),
            last_failure: failed.0.zip(failed.1).map(|(at, reason)| Failure { at: instant(at), reason }),
        })
    })
}
