//! Expectations and the notifications that meet them.
//!
//! **Invariants**
//! 1. The first notification of an operation is bound to the oldest expectation that waits for its client context, of its
//!    call where both name one; to one that was given up only where no other is. From then on the operation has Graph's id, and the expectation's goes on finding it.
//! 2. An expectation is met, or recovered, in the commit that ends its operation; its watches go with it.

use rusqlite::{Row, params};

use super::failure::Failure;
use super::kept::sinks_of;
use super::rows::{maybe_parsed, parsed};
use super::tx::Tx;
use super::{lookups, watches};
use crate::domain::{ExpectationState, GraphId, NewDelivery, SinkName};

/// What a client announced, as far as a notification's way goes by it.
#[derive(Clone)]
pub struct Announced {
    /// Where the expectation stands.
    pub state: ExpectationState,
    /// What the events carry.
    pub metadata: Option<String>,
    sinks: Vec<SinkName>,
}

impl Announced {
    /// Reads state, metadata and sinks, which stand together from `column` on.
    pub fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Self>> {
        let Some(state) = maybe_parsed(row, column, ExpectationState::parse)? else { return Ok(None) };
        Ok(Some(Self { state, metadata: row.get(column + 1)?, sinks: parsed(row, column + 2, sinks_of)? }))
    }

    /// The same without its sinks.
    pub fn without_sinks(mut self) -> Self {
        self.sinks.clear();
        self
    }

    /// What goes to the sinks that it names; `None` where it leaves that to the routes.
    pub fn deliveries(&self) -> Option<Vec<NewDelivery>> {
        (!self.sinks.is_empty()).then(|| NewDelivery::by_expectation(&self.sinks))
    }
}

/// The operation whose expectation waits for a client context, if there is one, and whether yet another operation that
/// has not ended has it: one look for both, since every new operation pays for it.
pub fn look(tx: &Tx<'_>, client_context: Option<&str>, call_id: &str) -> Result<(Option<i64>, bool), Failure> {
    let Some(context) = client_context.filter(|context| !context.is_empty()) else { return Ok((None, false)) };
    let sql = "SELECT bound, EXISTS (SELECT 1 FROM operations INDEXED BY operations_open_by_context \
                                     WHERE client_context = ?1 AND is_terminal = 0 AND seq IS NOT bound) \
               FROM (SELECT (SELECT x.operation FROM expectations x JOIN operations o ON o.seq = x.operation \
                             WHERE x.waits_for = ?1 AND (?2 = '' OR o.call_id IN ('', ?2)) \
                             ORDER BY x.state DESC, x.operation LIMIT 1) AS bound)";
    let found = tx.first(sql, params![context, call_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.unwrap_or_default())
}

/// Gives the operation of an expectation its id of Graph's.
pub fn bind(tx: &Tx<'_>, operation: i64, id: &GraphId, lookup: i64) -> Result<(), Failure> {
    tx.execute("UPDATE expectations SET waits_for = NULL WHERE operation = ?1", [operation])?;
    tx.execute("UPDATE operations SET id = ?2 WHERE seq = ?1", params![operation, id.as_str()])?;
    lookups::add_once(tx, lookup, operation)
}

/// Ends the expectation of an operation that has ended. Returns whether it had been given up before.
pub fn end(tx: &Tx<'_>, operation: i64, announced: Option<&Announced>, is_watched: bool) -> Result<bool, Failure> {
    if is_watched {
        watches::clear(tx, operation)?;
    }
    let end = match announced.map(|announced| announced.state) {
        Some(ExpectationState::Waiting) => ExpectationState::Met,
        Some(ExpectationState::Overdue | ExpectationState::Lost) => ExpectationState::Recovered,
        Some(ExpectationState::Met | ExpectationState::Recovered) | None => return Ok(false),
    };
    tx.execute("UPDATE expectations SET state = ?2 WHERE operation = ?1", params![operation, end.as_str()])?;
    Ok(end == ExpectationState::Recovered)
}
