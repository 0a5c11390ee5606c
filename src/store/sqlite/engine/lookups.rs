//! The lookups map hashes to rows. New ones go into a small table; later they move into the large table, one range of
//! hashes at a time. So a transaction changes a few full pages of the large table instead of one page for each new
//! hash.
//!
//! Queries use the view `lookups`, which contains both tables.

use super::failure::Failure;
use super::tx::Tx;

/// The number of ranges of hashes. Each transaction moves one range.
const N_RANGES: i64 = 64;

/// Adds a lookup.
pub fn add(tx: &Tx<'_>, hash: i64, target: i64) -> Result<(), Failure> {
    tx.has_lookups.set(true);
    tx.shared.recent.added();
    tx.execute("INSERT INTO lookups_recent (hash, target) VALUES (?1, ?2)", [hash, target]).map(drop)
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
    if !tx.has_lookups.get() || recent.are_few() {
        return Ok(());
    }
    let bounds = bounds(recent.next_turn() % N_RANGES);
    let sql = "INSERT INTO lookups_settled (hash, target) \
               SELECT hash, target FROM lookups_recent WHERE hash BETWEEN ?1 AND ?2";
    tx.execute(sql, bounds)?;
    let n_moved = tx.execute("DELETE FROM lookups_recent WHERE hash BETWEEN ?1 AND ?2", bounds)?;
    recent.moved(n_moved);
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
