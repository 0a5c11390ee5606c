//! Ended calls. They are stored for as long as one of their operations may still become known: Graph promises no order,
//! and a bot may announce a recording just after the caller hung up.
//!
//! **Invariants**
//! 1. A call is stored with the first notification of its end; a later notification adds what is new.
//! 2. They are bounded in time, from when they became known, and in number; the oldest are removed.

use rusqlite::params;

use crate::domain::EndedCall;
use crate::store::Arrival;
use crate::store::decisions::watching::MAX_CALL_ID_BYTES;
use crate::store::sealed;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// How many are removed in one round.
const ROUND: i64 = 500;

/// Stores the end of a call.
pub fn remember(tx: &Tx<'_>, ended: &EndedCall, arrival: Arrival) -> Result<(), Failure> {
    let id = ended.call_id.as_str();
    if id.len() > MAX_CALL_ID_BYTES {
        return Ok(());
    }
    let sealed = match ended.why.is_unknown() {
        true => None,
        false => Some(sealed::seal_call_end(&tx.shared.seal, id, &ended.why)?),
    };
    let sql = "INSERT INTO ended_calls (call_id, ended_at, sealed, learned_at) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (call_id) DO UPDATE SET sealed = coalesce(sealed, excluded.sealed)";
    tx.execute(sql, params![id, arrival.received_at, sealed, arrival.accepted_at]).map(drop)
}

/// Removes ended calls that are too old or too many; returns how many.
pub fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let bounds = &tx.shared.bounds;
    let before = tx.wall.saturating_sub(bounds.remembered());
    // The oldest rows are neighbours, so a round reads no more rows than it removes.
    let sql = "DELETE FROM ended_calls WHERE seq IN (\
                   SELECT seq FROM (SELECT seq, coalesce(learned_at, ended_at) AS at FROM ended_calls ORDER BY seq LIMIT ?3) \
                   WHERE at <= ?1 OR seq <= (SELECT max(seq) FROM ended_calls) - ?2)";
    let n = tx.execute(sql, [before, bounds.most(), ROUND])?;
    Ok(n as u64)
}
