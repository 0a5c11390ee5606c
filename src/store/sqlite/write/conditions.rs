//! What the last attempts said about each sink.

use jiff::Timestamp;
use rusqlite::params;

use crate::domain::SinkName;
use crate::store::SinkCondition;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// Stores what is known of a sink, unless something newer is stored.
///
/// # Errors
/// Nothing was changed.
pub fn keep(tx: &Tx<'_>, condition: &SinkCondition) -> Result<(), Failure> {
    let sql = "INSERT INTO sink_conditions (sink, version, failing_since, failed_at, reason) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (sink) DO UPDATE SET version = excluded.version, failing_since = excluded.failing_since, \
               failed_at = excluded.failed_at, reason = excluded.reason WHERE excluded.version > version";
    let SinkCondition { sink, version, failing_since, last_failure } = condition;
    let failing_since = failing_since.map(Timestamp::as_microsecond);
    let failed_at = last_failure.as_ref().map(|failure| failure.at.as_microsecond());
    let reason = last_failure.as_ref().map(|failure| &failure.reason);
    tx.execute(sql, params![sink.as_str(), version, failing_since, failed_at, reason]).map(drop)
}

/// Forgets sinks.
///
/// # Errors
/// Nothing was changed.
pub fn forget(tx: &Tx<'_>, sinks: &[SinkName]) -> Result<(), Failure> {
    for sink in sinks {
        tx.execute("DELETE FROM sink_conditions WHERE sink = ?1", [sink.as_str()])?;
    }
    Ok(())
}
