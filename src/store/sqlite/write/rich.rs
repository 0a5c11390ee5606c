//! The subscriptions that are known to send encrypted content.

use rusqlite::Connection;

use crate::domain::MAX_RICH_SUBSCRIPTIONS;
use crate::store::StoreError;
use crate::store::sqlite::engine::failure::{Failure, store_error};
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

/// All of them, the longest known first.
pub fn list(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut select = connection.prepare_cached("SELECT id FROM rich_subscriptions ORDER BY seq")?;
        select.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| store_error(&error))
}
