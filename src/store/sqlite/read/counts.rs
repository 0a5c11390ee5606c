//! How many rows an operator means: a count looks at a limited number of them, whatever is stored.

use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

use super::delivery_log::DEAD_MEANT;
use super::quarantine::{MEANT, Values};
use crate::domain::SinkName;
use crate::store::{Counted, DeadFilter, QuarantineFilter};

/// Counts dead letters among the first `most`.
pub fn dead(connection: &Connection, which: &DeadFilter, most: usize) -> rusqlite::Result<Counted> {
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    // Part of the text, so that the index finds those of the sink.
    let of_sink = if which.sink.is_some() { "AND sink = ?1" } else { "" };
    let sql = format!(
        "SELECT coalesce(sum(is_meant), 0), count(*) FROM (SELECT {DEAD_MEANT} AS is_meant \
         FROM deliveries d INDEXED BY deliveries_dead WHERE state = 3 {of_sink} LIMIT ?5)"
    );
    let sink = which.sink.as_ref().map(SinkName::as_str);
    let values = params![sink, which.reason, micros(which.since), micros(which.until), number(most)];
    counted(connection, &sql, values, most)
}

/// Counts quarantine entries among the `most` oldest ones.
pub fn quarantined(connection: &Connection, which: &QuarantineFilter, most: usize) -> rusqlite::Result<Counted> {
    let sql = format!(
        "SELECT coalesce(sum(is_meant), 0), count(*) FROM (SELECT {MEANT} AS is_meant FROM quarantine ORDER BY id LIMIT ?5)"
    );
    let Values { reason, since, unchecked_since, until } = which.into();
    counted(connection, &sql, params![reason, since, unchecked_since, until, number(most)], most)
}

fn counted(connection: &Connection, sql: &str, values: impl Params, most: usize) -> rusqlite::Result<Counted> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (n, n_looked) = connection.prepare_cached(sql)?.query_row(values, read)?;
    Ok(Counted { n: n.cast_unsigned(), is_all: n_looked < number(most) })
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
