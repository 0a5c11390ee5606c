//! The end of the waiting of items that wait for the provider's keys.
//!
//! **Invariants**
//! 1. An item waits for [`WAITS_AT_MOST`] at most. It stays in the quarantine after that.

use super::{quarantine, tokens};
use crate::domain::Reason;
use crate::store::WAITS_AT_MOST;
use crate::store::instants::micros;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// How many POSTs one round ends.
const ROUND: i64 = 100;

/// Ends the waiting of an entry that was refused, with the reason. An accepted entry is removed like any other.
pub fn end(tx: &Tx<'_>, id: i64, refused: Reason) -> Result<(), Failure> {
    let post = tx.first("SELECT post FROM quarantine WHERE id = ?1", [id], |row| row.get::<_, Option<i64>>(0))?;
    quarantine::refuse(tx, id, refused)?;
    quarantine::wait_no_longer(tx, id)?;
    post.flatten().map_or(Ok(()), |post| tokens::forget_if_last(tx, post))
}

/// Ends the waiting of entries that have waited too long; the entries stay. Returns how many POSTs those were.
pub fn let_go(tx: &Tx<'_>) -> Result<u64, Failure> {
    let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let since = tx.wall.saturating_sub(micros(WAITS_AT_MOST));
    let posts = tx.all("SELECT post FROM waiting_posts WHERE arrived_at <= ?1 LIMIT ?2", [since, ROUND], number)?;
    for post in &posts {
        for id in tx.all("SELECT id FROM quarantine WHERE post = ?1", [post], number)? {
            quarantine::wait_no_longer(tx, id)?;
        }
        tokens::forget_if_last(tx, *post)?;
        tracing::warn!(
            entry = post,
            "items waited 24 h for the provider's keys: their tokens were wiped, and they stay quarantined"
        );
    }
    Ok(posts.len() as u64)
}
