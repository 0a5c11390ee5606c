//! Steady time over restarts: what a timer of the store counts by, whatever is done to the machine's clock.
//!
//! The store writes down how its steady time and the machine's clock stood to each other. The next start goes on from
//! there: the time that it was stopped is taken from the machine's clock, and is never less than nothing.
//!
//! **Invariants**
//! 1. Steady time never runs back, over restarts neither: nothing falls due later than its delay says, but for the time
//!    since this was last written down (at each step of the clock that is noticed, each minute, and at a stop).

use jiff::SignedDuration;
use rusqlite::{Connection, OptionalExtension};

use super::failure::Failure;
use super::tx::{Tx, instant};
use crate::clock::Clock;

/// Has the clock go on from where the store's timers stood.
///
/// # Errors
/// The database could not be read.
pub fn anchor(connection: &Connection, clock: &Clock) -> rusqlite::Result<()> {
    let sql = "SELECT at, lead FROM steady";
    let known: Option<(i64, i64)> = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let now = clock.now().as_microsecond();
    // A store that has none yet went by the machine's clock.
    let (at, lead) = known.unwrap_or((i64::MIN, 0));
    clock.anchor(instant(now.saturating_sub(lead).max(at)), SignedDuration::from_micros(lead));
    Ok(())
}

/// Writes down how the times stand to each other.
pub fn note(tx: &Tx<'_>) -> Result<(), Failure> {
    let lead = tx.wall.saturating_sub(tx.steady);
    if tx.execute("UPDATE steady SET at = max(at, ?1), lead = ?2", [tx.steady, lead])? == 0 {
        tx.execute("INSERT INTO steady (at, lead) VALUES (?1, ?2)", [tx.steady, lead])?;
    }
    Ok(())
}
