//! Which events Graph has reason to repeat: the POST that brought them was not answered 2xx in time, or the process that
//! answered it died.
//!
//! **Invariants**
//! 1. An event is told so until one repeat of it came: that one is dropped, and what comes in the same bytes after it is
//!    a change again. Where the repeat is not answered either, the event is told so once more.
//! 2. After a stop that was not clean, whatever was accepted in the last [`LAST`] before it counts as unanswered.

use std::cell::RefCell;

use rusqlite::{Connection, OptionalExtension};

use super::failure::Failure;
use super::tx::{Shared, Tx};

/// How long before a crash an answer may not have arrived, in microseconds: Graph waits for 3 s, and an answer that the
/// system has taken needs time on its way.
const LAST: i64 = 10_000_000;

/// What a transaction writes down. Dropped before the commit, it is noted again.
pub struct Written<'a> {
    events: RefCell<Vec<i64>>,
    shared: &'a Shared,
}

impl<'a> Written<'a> {
    /// Nothing yet.
    pub fn none(shared: &'a Shared) -> Self {
        Self { events: RefCell::default(), shared }
    }

    /// The transaction was committed.
    pub fn committed(self) {
        self.events.borrow_mut().clear();
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        let events = std::mem::take(self.events.get_mut());
        if !events.is_empty() {
            self.shared.unanswered.note(events);
        }
    }
}

/// Writes down what was noted.
///
/// # Errors
/// It stays noted.
pub fn write_down(tx: &Tx<'_>) -> Result<(), Failure> {
    let events = tx.shared.unanswered.take();
    if events.is_empty() {
        return Ok(());
    }
    tx.unanswered.events.borrow_mut().extend(&events);
    mark(tx, events)
}

/// Has the next repeat of events recognised.
pub fn mark(tx: &Tx<'_>, events: impl IntoIterator<Item = i64>) -> Result<(), Failure> {
    for event in events {
        // It may have been removed meanwhile.
        let sql = "INSERT OR IGNORE INTO unanswered (event) SELECT seq FROM events WHERE seq = ?1";
        tx.execute(sql, [event])?;
    }
    Ok(())
}

/// The repeat of an event came, or the event goes.
pub fn clear(tx: &Tx<'_>, event: i64) -> Result<(), Failure> {
    tx.execute("DELETE FROM unanswered WHERE event = ?1", [event]).map(drop)
}

/// How the last run ended.
#[derive(Clone, Copy, Debug)]
pub struct LastRun {
    /// Whether it stopped in order.
    pub was_clean: bool,
    /// How many events were marked, since it did not.
    pub n_marked: usize,
}

/// Begins a run of the server: after a stop that was not clean, marks what was accepted last.
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

/// Notes that the run ended in order.
pub fn end_run(tx: &Tx<'_>) -> Result<(), Failure> {
    write_down(tx)?;
    tx.execute("UPDATE last_stop SET was_clean = 1", []).map(drop)
}

fn mark_last(connection: &Connection) -> rusqlite::Result<usize> {
    let newest = "SELECT received_at FROM events ORDER BY seq DESC LIMIT 1";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0)).optional()?;
    let Some(newest) = newest else { return Ok(0) };
    let mut latest = connection.prepare("SELECT seq, received_at FROM events ORDER BY seq DESC")?;
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
