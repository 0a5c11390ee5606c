//! Steady time across restarts. The store's timers count by it, whatever happens to the machine's clock.
//!
//! The store writes the offset between its steady time and the machine's clock. The next start goes on from there. The
//! time for which it was stopped is taken from the machine's clock, and is at least zero.
//!
//! **Invariants**
//! 1. Steady time never runs back, not even across restarts. Nothing falls due later than its delay says, except for
//!    the time since the offset was last written (after each step of the clock that is noticed, each minute, and at a
//!    stop).

use jiff::SignedDuration;
use rusqlite::{Connection, OptionalExtension};

use super::failure::Failure;
use super::tx::Tx;
use crate::clock::Clock;
use crate::store::instants::instant;

/// Makes the clock go on from where the store's timers stood.
///
/// # Errors
/// The database could not be read.
pub fn anchor(connection: &Connection, clock: &Clock) -> rusqlite::Result<()> {
    let sql = "SELECT at, lead FROM steady";
    let known: Option<(i64, i64)> = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let now = clock.now().as_microsecond();
    // A store without an offset used the machine's clock until now.
    let (at, lead) = known.unwrap_or((i64::MIN, 0));
    clock.anchor(instant(now.saturating_sub(lead).max(at)), SignedDuration::from_micros(lead));
    Ok(())
}

/// Writes the offset between the two times.
pub fn note(tx: &Tx<'_>) -> Result<(), Failure> {
    let lead = tx.wall.saturating_sub(tx.steady);
    if tx.execute("UPDATE steady SET at = max(at, ?1), lead = ?2", [tx.steady, lead])? == 0 {
        tx.execute("INSERT INTO steady (at, lead) VALUES (?1, ?2)", [tx.steady, lead])?;
    }
    Ok(())
}
