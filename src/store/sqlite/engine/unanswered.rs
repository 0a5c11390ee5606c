//! The events that Graph will probably repeat: the POST that brought them was not answered 2xx in time, or the process
//! that answered it died.
//!
//! **Invariants**
//! 1. An event counts as unanswered until one repeat of it arrives. That repeat is dropped; equal bytes after it are a
//!    change again. If the repeat is not answered either, the event counts as unanswered once more.
//! 2. After an unclean stop, everything that was accepted in the last [`LAST`] before it counts as unanswered. What came
//!    out of the quarantine was answered long before.

use rusqlite::{Connection, OptionalExtension};

use super::failure::Failure;
use super::tx::Tx;

/// How long before a crash an answer may have failed to arrive, in microseconds: Graph waits for 3 s, and an answer
/// that the kernel has taken needs time on its way.
const LAST: i64 = 10_000_000;

/// Writes the noted events.
///
/// # Errors
/// They stay noted.
pub fn write_down(tx: &Tx<'_>) -> Result<(), Failure> {
    mark(tx, tx.unanswered.take())
}

/// Marks events as unanswered, so that their next repeat is recognised.
pub fn mark(tx: &Tx<'_>, events: impl IntoIterator<Item = i64>) -> Result<(), Failure> {
    for event in events {
        // The event may have been removed meanwhile.
        let sql = "INSERT OR IGNORE INTO unanswered (event) SELECT seq FROM events WHERE seq = ?1";
        tx.execute(sql, [event])?;
    }
    Ok(())
}

/// Removes the mark: the repeat of the event arrived, or the event is being removed.
pub fn clear(tx: &Tx<'_>, event: i64) -> Result<(), Failure> {
    tx.execute("DELETE FROM unanswered WHERE event = ?1", [event]).map(drop)
}

/// How the last run ended.
#[derive(Clone, Copy, Debug)]
pub struct LastRun {
    /// Whether it was a clean stop.
    pub was_clean: bool,
    /// How many events were marked because it was not clean.
    pub n_marked: usize,
}

/// Begins a run of the server. After an unclean stop, marks the events that were accepted last.
///
/// # Errors
/// The database failed.
pub fn begin_run(connection: &mut Connection) -> rusqlite::Result<LastRun> {
    let transaction = connection.transaction()?;
    let was_clean: bool = transaction.query_row("SELECT was_clean FROM last_stop", [], |row| row.get(0))?;
    transaction.execute("UPDATE last_stop SET was_clean = 0", [])?;
    let n_marked = if was_clean { 0 } else { mark_last(&transaction)? };
    transaction.commit()?;
    Ok(LastRun { was_clean, n_marked })
}

/// Notes a clean stop.
pub fn end_run(tx: &Tx<'_>) -> Result<(), Failure> {
    write_down(tx)?;
    tx.execute("UPDATE last_stop SET was_clean = 1", []).map(drop)
}

fn mark_last(connection: &Connection) -> rusqlite::Result<usize> {
    let newest = "SELECT received_at FROM events WHERE accepted_at IS NULL ORDER BY seq DESC LIMIT 1";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0)).optional()?;
    let Some(newest) = newest else { return Ok(0) };
    let mut latest =
        connection.prepare("SELECT seq, received_at FROM events WHERE accepted_at IS NULL ORDER BY seq DESC")?;
    let mut mark = connection.prepare("INSERT OR IGNORE INTO unanswered (event) VALUES (?1)")?;
    let (mut rows, mut n_marked) = (latest.query([])?, 0);
    while let Some(row) = rows.next()? {
        let (event, received_at): (i64, i64) = (row.get(0)?, row.get(1)?);
        // Numbers are given out in about the order of arrival.
        if received_at < newest.saturating_sub(2 * LAST) {
            break;
        }
        if received_at >= newest.saturating_sub(LAST) {
            n_marked += mark.execute([event])?;
        }
    }
    Ok(n_marked)
}
