//! The number of unmatched events. Whatever adds, routes or removes one says so here.

use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// There are so many more unmatched events; fewer, if it is negative.
pub fn unmatched(tx: &Tx<'_>, by: i64) -> Result<(), Failure> {
    tx.execute("UPDATE tallies SET n = n + ?1 WHERE name = 'unmatched'", [by]).map(drop)
}
