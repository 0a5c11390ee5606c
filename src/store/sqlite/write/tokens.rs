//! The validation tokens of the POSTs whose items wait for the provider's keys.
//!
//! **Invariants**
//! 1. The tokens are sealed, and written in the same commit as the entries: an acknowledged item can be verified after
//!    a restart.
//! 2. The tokens are overwritten with the last entry that needs them, and at the latest
//!    [`crate::store::WAITS_AT_MOST`] after they arrived.

use rusqlite::params;

use crate::store::decisions::entry::Entry;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// Stores the tokens of an entry's POST if the entry is the first of that POST.
pub fn keep(tx: &Tx<'_>, entry: &Entry) -> Result<(), Failure> {
    let Some(waits) = &entry.waits else { return Ok(()) };
    let Some(sealed) = &waits.sealed_tokens else { return Ok(()) };
    let sql = "INSERT INTO waiting_posts (post, arrived_at, sealed) VALUES (?1, ?2, ?3)";
    tx.execute(sql, params![waits.post, waits.arrived_at, sealed]).map(drop)
}

/// Wipes the tokens of a POST if none of its entries waits any more.
pub fn forget_if_last(tx: &Tx<'_>, post: i64) -> Result<(), Failure> {
    if tx.first("SELECT 1 FROM quarantine WHERE post = ?1 LIMIT 1", [post], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    tx.securely(|| tx.execute("DELETE FROM waiting_posts WHERE post = ?1", [post]).map(drop))
}
