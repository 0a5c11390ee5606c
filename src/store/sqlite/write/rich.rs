//! The subscriptions that are known to send encrypted content.

use crate::domain::MAX_RICH_SUBSCRIPTIONS;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// Stores some; beyond the bound the longest known are removed.
pub fn remember(tx: &Tx<'_>, ids: &[String]) -> Result<(), Failure> {
    for id in ids {
        tx.execute("INSERT OR IGNORE INTO rich_subscriptions (id) VALUES (?1)", [id])?;
    }
    let sql = "DELETE FROM rich_subscriptions WHERE seq <= (SELECT max(seq) FROM rich_subscriptions) - ?1";
    let bound = i64::try_from(MAX_RICH_SUBSCRIPTIONS).unwrap_or(i64::MAX);
    tx.execute(sql, [bound]).map(drop)
}
