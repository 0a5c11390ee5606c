//! Binding expectations to notifications.
//!
//! **Invariants**
//! 1. The first notification of an operation is bound to the oldest expectation that waits for its client context, and
//!    for its call if both name one. An expectation that is overdue or lost is bound only if there is no other. From
//!    then on the operation has Graph's id, and the expectation's id finds it as well.
//! 2. The end of an operation without a client context is bound to the one open announcement of its call; if there are
//!    several, to none.
//! 3. An expectation is met, or recovered, in the commit that ends its operation. Its watches are removed in the same
//!    commit.
//! 4. An expectation is bound only by what arrives after it: an operation that ended before is another recording.

use rusqlite::{Row, params};

use super::watches;
use crate::domain::{ExpectationState, GraphId};
use crate::store::decisions::announced::{self, Announced};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::lookups;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::operation::sinks_of;
use crate::store::sqlite::read::rows::{maybe_parsed, parsed};

/// How many expectations of one client context are read, not counting those of the same call.
const MOST: i64 = 200;

/// Reads state, metadata and sinks, which are neighbouring columns from `column` on.
pub fn announced(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Announced>> {
    let Some(state) = maybe_parsed(row, column, ExpectationState::parse)? else { return Ok(None) };
    Ok(Some(Announced { state, metadata: row.get(column + 1)?, sinks: parsed(row, column + 2, sinks_of)? }))
}

/// The operation whose expectation waits for a client context, if there is one, and whether another unfinished
/// operation has the same client context. One query for both, because every new operation pays for it.
pub fn look(tx: &Tx<'_>, client_context: Option<&str>, call_id: &str) -> Result<(Option<i64>, bool), Failure> {
    let Some(context) = client_context.filter(|context| !context.is_empty()) else { return Ok((None, false)) };
    let sql = "SELECT bound, EXISTS (SELECT 1 FROM operations INDEXED BY operations_open_by_context \
                                     WHERE client_context = ?1 AND is_terminal = 0 AND seq IS NOT bound) \
               FROM (SELECT (SELECT x.operation FROM (SELECT operation, state FROM expectations WHERE waits_for = ?1 \
                                                      ORDER BY state DESC, operation LIMIT ?3) x \
                             JOIN operations o ON o.seq = x.operation WHERE ?2 = '' OR o.call_id IN ('', ?2) \
                             ORDER BY x.state DESC, x.operation LIMIT 1) AS bound)";
    let found = tx.first(sql, params![context, call_id, MOST], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match found.unwrap_or_default() {
        // Another operation has the client context, so this call's expectation may be behind many of other calls.
        (None, true) if !call_id.is_empty() => Ok((of_call(tx, context, call_id)?, true)),
        found => Ok(found),
    }
}

/// The operation of a call whose expectation waits for a client context, however many of other calls wait for the same
/// one.
fn of_call(tx: &Tx<'_>, context: &str, call_id: &str) -> Result<Option<i64>, Failure> {
    let sql = "SELECT x.operation FROM operations o INDEXED BY operations_open_by_call \
               CROSS JOIN expectations x ON x.operation = o.seq \
               WHERE o.call_id = ?2 AND o.call_id <> '' AND o.is_terminal = 0 AND x.waits_for = ?1 \
               ORDER BY x.state DESC, x.operation LIMIT 1";
    tx.first(sql, params![context, call_id], |row| row.get(0))
}

/// The operation whose expectation is the only open one of a call; if there are several, the only one that still waits.
pub fn only_of_call(tx: &Tx<'_>, call_id: &str) -> Result<Option<i64>, Failure> {
    let sql = "SELECT x.operation, x.state = ?2 FROM operations o INDEXED BY operations_open_by_call \
               JOIN expectations x ON x.operation = o.seq \
               WHERE o.call_id = ?1 AND o.call_id <> '' AND o.is_terminal = 0 AND x.waits_for IS NOT NULL \
               ORDER BY x.state DESC LIMIT 2";
    let waiting = ExpectationState::Waiting.as_str();
    let open = tx.all(sql, params![call_id, waiting], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))?;
    Ok(match open[..] {
        [(only, _)] | [(only, true), (_, false)] => Some(only),
        _ => None,
    })
}

/// Gives the operation of an expectation Graph's id.
pub fn bind(tx: &Tx<'_>, operation: i64, id: &GraphId, lookup: i64) -> Result<(), Failure> {
    tx.execute("UPDATE expectations SET waits_for = NULL WHERE operation = ?1", [operation])?;
    tx.execute("UPDATE operations SET id = ?2 WHERE seq = ?1", params![operation, id.as_str()])?;
    lookups::add_once(tx, lookup, operation)
}

/// The facts of an operation's end that matter to its expectation.
pub struct End {
    /// Whether it was watched.
    pub is_watched: bool,
    /// Whether its end makes an overdue or lost operation `recovered`.
    pub recovers: bool,
}

/// Ends the expectation of an operation that has ended. Returns whether the operation was overdue or lost before and is
/// now recovered.
pub fn end(tx: &Tx<'_>, operation: i64, announced: Option<&Announced>, how: End) -> Result<bool, Failure> {
    if how.is_watched {
        watches::clear(tx, operation)?;
    }
    let ended = announced.and_then(|announced| announced::ended(announced.state, how.recovers));
    let Some(end) = ended else { return Ok(false) };
    tx.execute("UPDATE expectations SET state = ?2 WHERE operation = ?1", params![operation, end.as_str()])?;
    Ok(end == ExpectationState::Recovered)
}
