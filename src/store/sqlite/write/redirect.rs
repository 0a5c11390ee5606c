//! Redirecting deliveries: those that wait for one sink go to another sink, or become dead letters. In rounds, the
//! oldest first.
//!
//! **Invariants**
//! 1. A delivery that is being attempted is left alone. One whose lease has ended is not attempted any more.
//! 2. A delivery does not overtake an earlier one of its operation that is being attempted: it is moved after that one.

use rusqlite::params;

use super::delivery;
use crate::domain::SinkName;
use crate::store::decisions::deliveries::DROPPED;
use crate::store::sqlite::engine::backlogs::Change;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// How many deliveries one transaction changes.
const ROUND: i64 = 500;

/// No delivery of the same operation to the same sink is being attempted.
const BEHIND_NONE: &str = "AND NOT EXISTS (SELECT 1 FROM deliveries f INDEXED BY deliveries_unsettled \
                           WHERE f.sink = ?1 AND f.op_seq = d.op_seq AND f.state < 2 AND f.is_leased = 1 AND f.at > ?3)";

/// Moves a round of the deliveries that wait for `from` to `to`, with the same ids and in the same order. Returns how
/// many.
pub fn move_some(tx: &Tx<'_>, from: &SinkName, to: &SinkName) -> Result<usize, Failure> {
    if from == to {
        return Ok(0);
    }
    let waiting = waiting(tx, from, BEHIND_NONE)?;
    let sql = "UPDATE deliveries SET sink = ?2, state = ?3, at = ?4, n_attempts = 0, is_leased = 0 WHERE seq = ?1";
    for (row, op_seq) in &waiting {
        let is_blocked = delivery::is_waited_for(tx, to, *op_seq)?;
        tx.execute(sql, params![row, to.as_str(), is_blocked, tx.steady])?;
        if is_blocked {
            tx.blocked();
        }
    }
    if !waiting.is_empty() {
        tx.backlog(from, Change::GONE.times(waiting.len()));
        tx.backlog(to, Change::ADDED.times(waiting.len()));
        tx.wake(to);
    }
    Ok(waiting.len())
}

/// Makes dead letters of a round of the deliveries that wait for a sink. Returns how many.
pub fn drop_some(tx: &Tx<'_>, sink: &SinkName) -> Result<usize, Failure> {
    let waiting = waiting(tx, sink, "")?;
    let sql = "UPDATE deliveries SET state = 3, is_leased = 0, at = ?2, settled_at = ?3, reason = ?4 WHERE seq = ?1";
    for (row, _) in &waiting {
        tx.execute(sql, params![row, tx.wall, tx.steady, DROPPED])?;
    }
    tx.backlog(sink, Change::DIED.times(waiting.len()));
    Ok(waiting.len())
}

/// The deliveries that wait for a sink and are not being attempted, with their operations; an operation's oldest first.
fn waiting(tx: &Tx<'_>, sink: &SinkName, condition: &str) -> Result<Vec<(i64, Option<i64>)>, Failure> {
    let sql = format!(
        "SELECT d.seq, d.op_seq FROM deliveries d INDEXED BY deliveries_unsettled \
         WHERE d.sink = ?1 AND d.state < 2 AND NOT (d.is_leased = 1 AND d.at > ?3) {condition} \
         ORDER BY d.op_seq, d.seq LIMIT ?2"
    );
    tx.all(&sql, params![sink.as_str(), ROUND, tx.steady], |row| Ok((row.get(0)?, row.get(1)?)))
}
