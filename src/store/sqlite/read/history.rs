//! What happened in each minute.

use rusqlite::Connection;

use crate::domain::Minute;

/// The minutes since this one in which something happened, oldest first.
///
/// # Errors
/// The database could not be read.
pub fn since(connection: &Connection, since: i64) -> rusqlite::Result<Vec<Minute>> {
    let sql = "SELECT minute, counter, n FROM history WHERE minute >= ?1 ORDER BY minute";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([since])?;
    let mut minutes: Vec<Minute> = Vec::new();
    while let Some(row) = rows.next()? {
        let (minute, counter, n): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if minutes.last().is_none_or(|last| last.minute != minute) {
            minutes.push(Minute { minute, ..Minute::default() });
        }
        if let Some(last) = minutes.last_mut() {
            last.counts.add(&counter, n.max(0).cast_unsigned());
        }
    }
    Ok(minutes)
}
