//! Ended calls. They are stored for as long as one of their operations may still become known: Graph promises no order,
//! and a bot may announce a recording just after the caller hung up.
//!
//! **Invariants**
//! 1. A call is stored with the first notification of its end; a later notification adds what is new.
//! 2. They are bounded in time and in number; the oldest are removed.

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::params;

use crate::config;
use crate::domain::{CallEnd, EndedCall, WhyEnded};
use crate::store::StoreError;
use crate::store::seal::Seal;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::{Tx, instant, micros};

/// The label under which the end of a call is sealed.
const LABEL: &str = "ended call";
/// How many are removed in one round.
const ROUND: i64 = 500;
/// The most bytes of an id. An announcement cannot name a longer one.
const MAX_ID_BYTES: usize = 1024;

/// The settings of `[expectations]` about calls.
#[derive(Debug)]
pub struct Bounds {
    /// How long after the end of its call an operation is lost, in microseconds.
    lost_after: AtomicI64,
    /// How long an ended call is stored, in microseconds.
    remembered: AtomicI64,
    /// The most ended calls that are stored.
    most: AtomicI64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lost_after: AtomicI64::new(30_000_000),
            remembered: AtomicI64::new(24 * 3_600_000_000),
            most: AtomicI64::new(100_000),
        }
    }
}

impl Bounds {
    /// Uses these settings from now on.
    pub fn set(&self, settings: &config::Expectations) {
        self.lost_after.store(micros(settings.lost_after), Ordering::Relaxed);
        self.remembered.store(micros(settings.remember_calls), Ordering::Relaxed);
        self.most.store(i64::from(settings.max_remembered_calls), Ordering::Relaxed);
    }

    /// How long after the end of its call an operation is lost, in microseconds.
    pub fn lost_after(&self) -> i64 {
        self.lost_after.load(Ordering::Relaxed)
    }
}

/// Stores the end of a call.
pub fn remember(tx: &Tx<'_>, ended: &EndedCall, ended_at: i64) -> Result<(), Failure> {
    let id = ended.call_id.as_str();
    if id.len() > MAX_ID_BYTES {
        return Ok(());
    }
    let sealed = match ended.why.is_unknown() {
        true => None,
        false => Some(seal(&tx.shared.seal, id, &ended.why)?),
    };
    let sql = "INSERT INTO ended_calls (call_id, ended_at, sealed) VALUES (?1, ?2, ?3) \
               ON CONFLICT (call_id) DO UPDATE SET sealed = coalesce(sealed, excluded.sealed)";
    tx.execute(sql, params![id, ended_at, sealed]).map(drop)
}

/// Removes ended calls that are too old or too many; returns how many.
pub fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let bounds = &tx.shared.bounds;
    let before = tx.wall.saturating_sub(bounds.remembered.load(Ordering::Relaxed));
    // The oldest rows are neighbours, so a round reads no more rows than it removes.
    let sql = "DELETE FROM ended_calls WHERE seq IN (\
                   SELECT seq FROM (SELECT seq, ended_at FROM ended_calls ORDER BY seq LIMIT ?3) \
                   WHERE ended_at <= ?1 OR seq <= (SELECT max(seq) FROM ended_calls) - ?2)";
    let n = tx.execute(sql, [before, bounds.most.load(Ordering::Relaxed), ROUND])?;
    Ok(n as u64)
}

/// The end of a call from its row: its time and its sealed facts.
pub fn opened(seal: &Seal, call_id: &str, (ended_at, sealed): (i64, Option<Vec<u8>>)) -> CallEnd {
    let why = sealed.map(|sealed| seal.open(LABEL, call_id.as_bytes(), &sealed)).transpose();
    let why = why.unwrap_or_else(|error| {
        tracing::warn!(%error, "an operation is shown without the end of its call");
        None
    });
    let why: Option<WhyEnded> = why.and_then(|json| serde_json::from_slice(&json).ok());
    CallEnd { at: instant(ended_at), why: why.unwrap_or_default() }
}

fn seal(seal: &Seal, call_id: &str, why: &WhyEnded) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(why).map_err(|error| StoreError::Database(error.to_string()))?;
    seal.seal(LABEL, call_id.as_bytes(), &[&json])
}
