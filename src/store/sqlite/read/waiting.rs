//! The items that wait for the provider's keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::rows;
use crate::domain::{Channel, HeldTokens};
use crate::store::instants::instant;
use crate::store::seal::Seal;
use crate::store::sealed::{open_quarantined, open_request, open_tokens};
use crate::store::sqlite::engine::failure::store_error;
use crate::store::{StoreError, Waiting};

/// The waiting items, oldest first. An item that cannot be opened stays in the quarantine and is logged.
pub fn list(connection: &Connection, seal: &Seal) -> Result<Vec<Waiting>, StoreError> {
    let mut posts = BTreeMap::new();
    let mut waiting = Vec::new();
    for row in entries(connection).map_err(|error| store_error(&error))? {
        let opened = open_quarantined(seal, row.id, &row.sealed).and_then(|raw| {
            let held = match posts.get(&row.post) {
                Some(held) => Arc::clone(held),
                None => Arc::clone(posts.entry(row.post).or_insert(Arc::new(tokens(connection, seal, row.post)?))),
            };
            let request = open_request(seal, row.id, row.sealed_request.as_deref());
            Ok(Waiting { id: row.id, channel: row.channel, raw, request, held })
        });
        match opened {
            Ok(item) => waiting.push(item),
            Err(error) => tracing::error!(entry = row.id, %error, "an item that waits for keys cannot be opened"),
        }
    }
    Ok(waiting)
}

struct Row {
    id: i64,
    channel: Channel,
    post: i64,
    sealed: Vec<u8>,
    sealed_request: Option<Vec<u8>>,
}

fn entries(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT id, channel, post, sealed, sealed_request FROM quarantine WHERE post IS NOT NULL ORDER BY id";
    let row = |row: &rusqlite::Row<'_>| {
        let channel = rows::parsed(row, 1, Channel::parse)?;
        Ok(Row { id: row.get(0)?, channel, post: row.get(2)?, sealed: row.get(3)?, sealed_request: row.get(4)? })
    };
    connection.prepare_cached(sql)?.query_map([], row)?.collect()
}

fn tokens(connection: &Connection, seal: &Seal, post: i64) -> Result<HeldTokens, StoreError> {
    let sql = "SELECT arrived_at, sealed FROM waiting_posts WHERE post = ?1";
    let read = connection.query_row(sql, [post], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let (arrived_at, sealed) = read.map_err(|error| store_error(&error))?;
    Ok(HeldTokens { tokens: open_tokens(seal, post, &sealed)?, arrived_at: instant(arrived_at) })
}
