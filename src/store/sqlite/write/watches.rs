//! The watches: when an operation has to be reported, and what the report changes.
//!
//! **Invariants**
//! 1. A watch exists exactly as long as it may still be raised. It is removed when it is raised, when it is moved, and
//!    when its operation ends or is removed. So raising removes it first, and raises nothing if there was none.
//! 2. After `lost` an operation cannot become overdue any more.
//! 3. An operation of an ended call is watched from the moment at which both are known, in either order.
//! 4. Nothing is raised while notifications cannot arrive, nor before they could arrive for the whole grace. Until then
//!    the watch is put off, in the transaction that would have raised it.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::params;

use super::reports;
use crate::domain::{ExpectationState, GraphId, NewDelivery, Watch};
use crate::store::decisions::watching;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::watches::number;
use crate::store::{Raised, Reception};

/// What is to be said of a due operation.
pub struct Raise {
    /// The operation.
    pub operation: i64,
    /// What of it.
    pub watch: Watch,
    /// Since when it is due.
    pub at: Timestamp,
    /// Where its event goes, each sink once.
    pub deliveries: Vec<NewDelivery>,
    /// Since when notifications can be taken in.
    pub reception: Arc<Reception>,
}

/// Moves the deadline of an operation, an instant of the machine's clock; `None` removes it.
pub fn set_deadline(tx: &Tx<'_>, operation: i64, at: Option<i64>) -> Result<(), Failure> {
    let kind = number(Watch::Overdue);
    tx.execute("DELETE FROM watches WHERE operation = ?1 AND kind = ?2", [operation, kind])?;
    if let Some(at) = at {
        add(tx, tx.in_steady_time(at), (operation, kind))?;
    }
    Ok(())
}

fn add(tx: &Tx<'_>, at: i64, (operation, kind): (i64, i64)) -> Result<(), Failure> {
    tx.execute("INSERT INTO watches (at, operation, kind) VALUES (?1, ?2, ?3)", [at, operation, kind])?;
    tx.watch_moved();
    Ok(())
}

/// Removes every watch of an operation.
pub fn clear(tx: &Tx<'_>, operation: i64) -> Result<(), Failure> {
    tx.execute("DELETE FROM watches WHERE operation = ?1", [operation]).map(drop)
}

/// Watches the operations of a call that has ended: an operation that does not end within the grace is lost.
pub fn call_ended(tx: &Tx<'_>, call_id: &GraphId, ended_at: i64) -> Result<(), Failure> {
    let at = tx.in_steady_time(ended_at).saturating_add(tx.shared.bounds.lost_after());
    let sql = "INSERT INTO watches (at, operation, kind) SELECT ?2, o.seq, ?3 FROM operations o INDEXED BY operations_open_by_call \
               LEFT JOIN expectations x ON x.operation = o.seq \
               WHERE o.call_id = ?1 AND o.call_id <> '' AND o.is_terminal = 0 AND x.state IS NOT ?4 \
               AND NOT EXISTS (SELECT 1 FROM watches w WHERE w.operation = o.seq AND w.kind = ?3)";
    let lost = ExpectationState::Lost.as_str();
    if tx.execute(sql, params![call_id.as_str(), at, number(Watch::Lost), lost])? > 0 {
        tx.watch_moved();
    }
    Ok(())
}

/// Watches an operation that was just found to belong to an ended call. The notification of its end may be on its way,
/// so the grace begins now.
pub fn became_known(tx: &Tx<'_>, operation: i64) -> Result<(), Failure> {
    let at = tx.steady.saturating_add(tx.shared.bounds.lost_after());
    let sql = "INSERT INTO watches (at, operation, kind) SELECT ?2, o.seq, ?3 FROM operations o \
               JOIN ended_calls c ON c.call_id = o.call_id LEFT JOIN expectations x ON x.operation = o.seq \
               WHERE o.seq = ?1 AND o.is_terminal = 0 AND x.state IS NOT ?4 \
               AND NOT EXISTS (SELECT 1 FROM watches w WHERE w.operation = o.seq AND w.kind = ?3)";
    let lost = ExpectationState::Lost.as_str();
    if tx.execute(sql, params![operation, at, number(Watch::Lost), lost])? > 0 {
        tx.watch_moved();
    }
    Ok(())
}

/// Says of an operation what a watch is for.
pub fn raise(tx: &Tx<'_>, due: &Raise) -> Result<Raised, Failure> {
    let Raise { operation, watch, at, deliveries, reception } = due;
    let (operation, watch) = (*operation, *watch);
    let sql = "DELETE FROM watches WHERE at = ?1 AND operation = ?2 AND kind = ?3";
    if tx.execute(sql, [at.as_microsecond(), operation, number(watch)])? == 0 {
        return Ok(Raised::Nothing);
    }
    let sql = "SELECT 1 FROM operations o LEFT JOIN expectations x ON x.operation = o.seq \
               WHERE o.seq = ?1 AND o.is_terminal = 0 AND (x.state IS NULL OR x.state = ?2 OR x.state = ?3)";
    let (state, earlier) = watching::states(watch);
    let waiting = ExpectationState::Waiting.as_str();
    if tx.first(sql, params![operation, waiting, earlier.as_str()], |_| Ok(()))?.is_none() {
        return Ok(Raised::Nothing);
    }
    if tx.shared.disk.is_low() {
        reception.begins_again();
    }
    if let Some(later) = watching::put_off((watch, at.as_microsecond()), reception, tx.shared.bounds.lost_after()) {
        add(tx, later, (operation, number(watch)))?;
        return Ok(Raised::PutOff);
    }
    if watch == Watch::Lost {
        clear(tx, operation)?;
    }
    // An operation that nobody announced may be lost as well: that state is stored where an expectation's state is.
    let sql = "INSERT INTO expectations (operation, id, state, sinks) \
               SELECT seq, id, ?2, '[]' FROM operations WHERE seq = ?1 \
               ON CONFLICT (operation) DO UPDATE SET state = excluded.state";
    tx.execute(sql, params![operation, state.as_str()])?;
    let sql = "UPDATE operations SET version = version + 1, modified_at = ?2 WHERE seq = ?1";
    tx.execute(sql, [operation, tx.wall])?;
    let report = reports::OfOperation { event: watch.event(), number: operation, caused_by: None };
    reports::add(tx, report, deliveries)?;
    Ok(Raised::Said)
}
