//! The lookups map hashes to rows. New ones go into a small table; later they move into the large table, one range of
//! hashes at a time. So a transaction changes a few full pages of the large table instead of one page for each new
//! hash.
//!
//! Queries use the view `lookups`, which contains both tables.

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;

use super::failure::Failure;
use super::tx::Tx;

/// The number of ranges of hashes. Each transaction moves one range.
const N_RANGES: i64 = 64;
/// This few recent lookups are not moved.
const FEW: i64 = 4096;

/// The state of the moving.
#[derive(Debug)]
pub struct Recent {
    /// About how many recent lookups there are; a rollback makes it slightly wrong.
    n: AtomicI64,
    next_range: AtomicI64,
}

impl Recent {
    /// Counts the lookups.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let n = connection.query_row("SELECT count(*) FROM lookups_recent", [], |row| row.get(0))?;
        Ok(Self { n: AtomicI64::new(n), next_range: AtomicI64::new(0) })
    }
}

/// Adds a lookup.
pub fn add(tx: &Tx<'_>, hash: i64, target: i64) -> Result<(), Failure> {
    tx.has_lookups.set(true);
    tx.shared.recent.n.fetch_add(1, Ordering::Relaxed);
    tx.execute("INSERT INTO lookups_recent VALUES (?1, ?2)", [hash, target]).map(drop)
}

/// Adds a lookup unless it exists.
pub fn add_once(tx: &Tx<'_>, hash: i64, target: i64) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM lookups WHERE hash = ?1 AND target = ?2 LIMIT 1";
    match tx.first(sql, [hash, target], |_| Ok(()))? {
        Some(()) => Ok(()),
        None => add(tx, hash, target),
    }
}

/// Moves a range of the recent lookups, if there are many and this transaction added some. A transaction that only
/// records outcomes must fit on a full disk.
pub fn settle_some(tx: &Tx<'_>) -> Result<(), Failure> {
    let recent = &tx.shared.recent;
    if !tx.has_lookups.get() || recent.n.load(Ordering::Relaxed) < FEW {
        return Ok(());
    }
    let range = recent.next_range.fetch_add(1, Ordering::Relaxed) % N_RANGES;
    let bounds = bounds(range);
    let sql = "INSERT INTO lookups_settled SELECT hash, target FROM lookups_recent WHERE hash BETWEEN ?1 AND ?2";
    tx.execute(sql, bounds)?;
    let n_moved = tx.execute("DELETE FROM lookups_recent WHERE hash BETWEEN ?1 AND ?2", bounds)?;
    recent.n.fetch_sub(i64::try_from(n_moved).unwrap_or_default(), Ordering::Relaxed);
    Ok(())
}

/// The first and the last hash of a range.
fn bounds(range: i64) -> [i64; 2] {
    let width = i64::MAX / N_RANGES * 2 + 2;
    let first = i64::MIN.wrapping_add(range.wrapping_mul(width));
    let last = if range == N_RANGES - 1 { i64::MAX } else { first.wrapping_add(width - 1) };
    [first, last]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_cover_every_hash_once() {
        assert_eq!(bounds(0)[0], i64::MIN);
        assert_eq!(bounds(N_RANGES - 1)[1], i64::MAX);
        for range in 1..N_RANGES {
            assert_eq!(bounds(range)[0], bounds(range - 1)[1] + 1, "{range}");
            assert!(bounds(range)[0] < bounds(range)[1], "{range}");
        }
    }
}
