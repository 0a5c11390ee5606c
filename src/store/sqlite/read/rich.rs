//! The subscriptions that are known to send encrypted content.

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::sqlite::engine::failure::store_error;

/// All of them, the longest known first.
pub fn list(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut select = connection.prepare_cached("SELECT id FROM rich_subscriptions ORDER BY seq")?;
        select.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| store_error(&error))
}
