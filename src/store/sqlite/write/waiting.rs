//! Items that wait for the provider's keys: their quarantine entries, and the validation tokens of their POSTs.
//!
//! **Invariants**
//! 1. The tokens are sealed, and written in the same commit as the entries: an acknowledged item can be verified after
//!    a restart.
//! 2. The tokens are overwritten with the last entry that needs them, and at the latest [`WAITS_AT_MOST`] after they
//!    arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use secrecy::SecretString;

use super::prepare::Entry;
use super::quarantine;
use crate::domain::{Channel, HeldTokens, Reason};
use crate::store::seal::Seal;
use crate::store::sqlite::engine::failure::{Failure, store_error};
use crate::store::sqlite::engine::tx::{Tx, instant, micros};
use crate::store::sqlite::read::rows;
use crate::store::{StoreError, WAITS_AT_MOST, Waiting};

/// The label under which tokens are sealed.
pub const TOKENS_LABEL: &str = "validation tokens";
/// How many POSTs one round ends.
const ROUND: i64 = 100;

/// Stores the tokens of an entry's POST if the entry is the first of that POST.
pub fn keep_tokens(tx: &Tx<'_>, entry: &Entry) -> Result<(), Failure> {
    let Some(waits) = &entry.waits else { return Ok(()) };
    let Some(sealed) = &waits.sealed_tokens else { return Ok(()) };
    let sql = "INSERT INTO waiting_posts (post, arrived_at, sealed) VALUES (?1, ?2, ?3)";
    tx.execute(sql, params![waits.post, waits.arrived_at, sealed]).map(drop)
}

/// Ends the waiting of an entry that was refused, with the reason. An accepted entry is removed like any other.
pub fn end(tx: &Tx<'_>, id: i64, refused: Reason) -> Result<(), Failure> {
    let post = tx.first("SELECT post FROM quarantine WHERE id = ?1", [id], |row| row.get::<_, Option<i64>>(0))?;
    quarantine::refuse(tx, id, refused)?;
    quarantine::wait_no_longer(tx, id)?;
    post.flatten().map_or(Ok(()), |post| forget_if_last(tx, post))
}

/// Wipes the tokens of a POST if none of its entries waits any more.
pub fn forget_if_last(tx: &Tx<'_>, post: i64) -> Result<(), Failure> {
    if tx.first("SELECT 1 FROM quarantine WHERE post = ?1 LIMIT 1", [post], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    tx.securely(|| tx.execute("DELETE FROM waiting_posts WHERE post = ?1", [post]).map(drop))
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
        forget_if_last(tx, *post)?;
        tracing::warn!(
            post,
            "items waited 24 h for the provider's keys: their tokens were wiped, and they stay quarantined"
        );
    }
    Ok(posts.len() as u64)
}

/// The waiting items, oldest first. An item that cannot be opened stays in the quarantine and is logged.
pub fn list(connection: &Connection, seal: &Seal) -> Result<Vec<Waiting>, StoreError> {
    let mut posts = BTreeMap::new();
    let mut waiting = Vec::new();
    for row in entries(connection).map_err(|error| store_error(&error))? {
        let opened = quarantine::open(seal, row.id, &row.sealed).and_then(|raw| {
            let held = match posts.get(&row.post) {
                Some(held) => Arc::clone(held),
                None => Arc::clone(posts.entry(row.post).or_insert(Arc::new(tokens(connection, seal, row.post)?))),
            };
            Ok(Waiting { id: row.id, channel: row.channel, raw, held })
        });
        match opened {
            Ok(item) => waiting.push(item),
            Err(error) => tracing::error!(id = row.id, %error, "an item that waits for keys cannot be opened"),
        }
    }
    Ok(waiting)
}

struct Row {
    id: i64,
    channel: Channel,
    post: i64,
    sealed: Vec<u8>,
}

fn entries(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT id, channel, post, sealed FROM quarantine WHERE post IS NOT NULL ORDER BY id";
    let row = |row: &rusqlite::Row<'_>| {
        let channel = rows::parsed(row, 1, Channel::parse)?;
        Ok(Row { id: row.get(0)?, channel, post: row.get(2)?, sealed: row.get(3)? })
    };
    connection.prepare_cached(sql)?.query_map([], row)?.collect()
}

fn tokens(connection: &Connection, seal: &Seal, post: i64) -> Result<HeldTokens, StoreError> {
    let sql = "SELECT arrived_at, sealed FROM waiting_posts WHERE post = ?1";
    let read = connection.query_row(sql, [post], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let (arrived_at, sealed) = read.map_err(|error| store_error(&error))?;
    let text = String::from_utf8(seal.open(TOKENS_LABEL, &post.to_be_bytes(), &sealed)?)
        .map_err(|_error| StoreError::Database("tokens are not what was sealed".into()))?;
    Ok(HeldTokens { tokens: SecretString::from(text), arrived_at: instant(arrived_at) })
}
