//! Redirecting deliveries: those that wait for one sink go to another sink, or become dead letters. In rounds, the
//! oldest first. A delivery that is being attempted is left alone.

use rusqlite::params;

use super::delivery;
use crate::domain::SinkName;
use crate::store::sqlite::engine::backlogs::Change;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// How many deliveries one transaction changes.
const ROUND: i64 = 500;
/// The reason of a dead letter that an operator's `drop` made.
const DROPPED: &str = "dropped by an operator";

/// Moves a round of the deliveries that wait for `from` to `to`, with the same ids and in the same order. Returns how
/// many.
pub fn move_some(tx: &Tx<'_>, from: &SinkName, to: &SinkName) -> Result<usize, Failure> {
    if from == to {
        return Ok(0);
    }
    let waiting = waiting(tx, from)?;
    let sql = "UPDATE deliveries SET sink = ?2, state = ?3, at = ?4, n_attempts = 0 WHERE seq = ?1";
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
    let waiting = waiting(tx, sink)?;
    let sql = "UPDATE deliveries SET state = 3, at = ?2, settled_at = ?3, reason = ?4 WHERE seq = ?1";
    for (row, _) in &waiting {
        tx.execute(sql, params![row, tx.wall, tx.steady, DROPPED])?;
    }
    tx.backlog(sink, Change::DIED.times(waiting.len()));
    Ok(waiting.len())
}

/// The deliveries that wait for a sink and are not being attempted, with their operations; an operation's oldest first.
fn waiting(tx: &Tx<'_>, sink: &SinkName) -> Result<Vec<(i64, Option<i64>)>, Failure> {
    let sql = "SELECT seq, op_seq FROM deliveries INDEXED BY deliveries_unsettled \
               WHERE sink = ?1 AND state < 2 AND is_leased = 0 ORDER BY op_seq, seq LIMIT ?2";
    tx.all(sql, params![sink.as_str(), ROUND], |row| Ok((row.get(0)?, row.get(1)?)))
}
