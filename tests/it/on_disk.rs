//! What a store holds on its disk, read beside the running server: by SQLite's and AES-GCM's own rules, not by reelhook's code.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OpenFlags};

/// SQLite's log: its header, and the header of each frame (<https://sqlite.org/fileformat2.html#walformat>).
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Every event's raw item, oldest first.
pub fn raw_items(folder: &Path) -> Vec<Vec<u8>> {
    let key = std::fs::read_to_string(folder.join("reelhook.db.key")).unwrap();
    let key = RandomizedNonceKey::new(&AES_256_GCM, &STANDARD.decode(key.trim()).unwrap()).unwrap();
    let database = Connection::open_with_flags(folder.join("reelhook.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut events = database.prepare("SELECT id, sealed FROM events ORDER BY seq").unwrap();
    let events = events.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    events.map(|event| raw_of(&key, &event.unwrap())).collect()
}

/// The raw item in an event's sealed contents: it comes after token, data and what is carried along, whose lengths come
/// first, after a mark.
fn raw_of(key: &RandomizedNonceKey, (id, sealed): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    let (nonce, body) = sealed.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let mut body = body.to_vec();
    let label = [b"event\0", id.as_slice()].concat();
    let plain = key.open_in_place(nonce, Aad::from(label), &mut body).unwrap();
    let length = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().unwrap());
    assert_eq!(length(0), u32::MAX - 1, "the mark");
    let token_bytes = if length(4) == u32::MAX { 0 } else { length(4) };
    plain[16 + (token_bytes + length(8) + length(12)) as usize..].to_vec()
}

/// How many transactions were written and synced since the log began: each ends with a frame that says how many pages the
/// database has then.
pub fn n_commits(folder: &Path) -> usize {
    let log = std::fs::read(folder.join("reelhook.db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let (page_bytes, salts) = (number(8) as usize, &log[16..24]);
    let frames = (LOG_HEADER..log.len()).step_by(FRAME_HEADER + page_bytes);
    let ours = frames.take_while(|at| log.get(at + 8..at + 16) == Some(salts));
    ours.filter(|at| number(at + 4) != 0).count()
}
