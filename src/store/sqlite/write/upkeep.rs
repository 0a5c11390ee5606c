//! When housekeeping looks at an event: each has one entry.

use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// Schedules the check of an event, at an instant of steady time.
pub fn look_at(tx: &Tx<'_>, event: i64, at: i64) -> Result<(), Failure> {
    tx.execute("INSERT INTO upkeep (look_at, event) VALUES (?1, ?2)", [at, event]).map(drop)
}
