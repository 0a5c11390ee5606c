//! What happened in each minute.

use rusqlite::params;

use crate::domain::{KEPT_MINUTES, Minute};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// The microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// Adds numbers to those that are stored, and removes the minutes that are too old.
///
/// # Errors
/// Nothing was changed.
pub fn add(tx: &Tx<'_>, minutes: &[Minute]) -> Result<(), Failure> {
    let sql = "INSERT INTO history (minute, counter, n) VALUES (?1, ?2, ?3) \
               ON CONFLICT (minute, counter) DO UPDATE SET n = n + excluded.n";
    for Minute { minute, counts } in minutes {
        for (counter, n) in counts.each().filter(|(_, n)| *n > 0) {
            tx.execute(sql, params![minute, counter, i64::try_from(n).unwrap_or(i64::MAX)])?;
        }
    }
    let oldest = tx.steady.div_euclid(MINUTE) - KEPT_MINUTES + 1;
    tx.execute("DELETE FROM history WHERE minute < ?1", [oldest]).map(drop)
}
