//! Announcing an operation: a new expectation is made, or the same one is found, or it is bound to an operation that
//! Graph has notified of already.
//!
//! **Invariants**
//! 1. An operation that is announced twice is one operation.
//! 2. The work is bounded, however many operations share a client context.
//! 3. An operation that ended before the announcement is bound by its id alone: a client context may be used again in
//!    the same call, even before the end of the previous recording arrived.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::operation_row::OperationRow;
use super::{binding, watches};
use crate::domain::{ClientContext, ExpectationState, GraphId, Operation, Status};
use crate::store::StoreError;
use crate::store::decisions::announcing::{self, Candidate, Found, MOST, Terms};
use crate::store::hashes::operation_lookup;
use crate::store::ids;
use crate::store::operations::{Created, NewOperation};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read;

/// The columns of [`Candidate`].
const CANDIDATE: &str = "SELECT o.seq, o.call_id, x.waits_for IS NULL, coalesce(x.state IN ('overdue', 'lost'), 0), \
                         x.announced_at IS NOT NULL";

/// Announces an operation.
pub fn create(tx: &Tx<'_>, new: &NewOperation) -> Result<Created, Failure> {
    Ok(match find(tx, new)? {
        Found::Same(number) => Created::Same(Box::new(join(tx, number, new)?)),
        Found::Taken(number) => Created::Taken(Box::new(operation(tx, number)?)),
        Found::Nothing => Created::New(Box::new(insert(tx, new)?)),
    })
}

/// An existing operation.
pub fn operation(tx: &Tx<'_>, number: i64) -> Result<Operation, Failure> {
    let gone = || StoreError::Database("an operation is gone within a transaction".into());
    Ok(read::operation::one(tx.connection(), &tx.shared.seal, number)?.ok_or_else(gone)?)
}

/// Notes that its client changed an operation.
pub fn touch(tx: &Tx<'_>, number: i64) -> Result<(), Failure> {
    let sql = "UPDATE operations SET version = version + 1, modified_at = ?2 WHERE seq = ?1";
    tx.execute(sql, [number, tx.wall])?;
    tx.changed(number);
    Ok(())
}

fn find(tx: &Tx<'_>, new: &NewOperation) -> Result<Found, Failure> {
    if let Some(id) = &new.id
        && let Some(same) = announcing::named(new, &of_id(tx, id)?)
    {
        return Ok(Found::Same(same));
    }
    let Some(context) = &new.client_context else { return Ok(Found::Nothing) };
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    Ok(announcing::among_open(new, &open(tx, context, call_id)?))
}

fn of_id(tx: &Tx<'_>, id: &GraphId) -> Result<Vec<Candidate>, Failure> {
    let sql = format!(
        "{CANDIDATE} FROM lookups l JOIN operations o ON o.seq = l.target \
         LEFT JOIN expectations x ON x.operation = o.seq WHERE l.hash = ?1 AND (o.id = ?2 OR x.id = ?2)"
    );
    tx.all(&sql, params![operation_lookup(id.as_str()), id.as_str()], candidate)
}

/// Unfinished operations, those of the call first.
fn open(tx: &Tx<'_>, context: &ClientContext, call_id: &str) -> Result<Vec<Candidate>, Failure> {
    let sql = format!(
        "{CANDIDATE} FROM operations o INDEXED BY operations_open_by_call LEFT JOIN expectations x ON x.operation = o.seq \
         WHERE o.call_id = ?2 AND o.call_id <> '' AND o.is_terminal = 0 AND o.client_context = ?1 ORDER BY o.seq LIMIT ?3"
    );
    let mut found = tx.all(&sql, params![context.as_str(), call_id, MOST], candidate)?;
    // The newest operation: the old ones ended long ago.
    let sql = format!(
        "{CANDIDATE} FROM operations o INDEXED BY operations_open_by_context LEFT JOIN expectations x \
         ON x.operation = o.seq WHERE o.client_context = ?1 AND o.is_terminal = 0 ORDER BY o.seq DESC LIMIT ?2"
    );
    found.extend(tx.all(&sql, params![context.as_str(), MOST], candidate)?);
    Ok(found)
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let (number, call_id) = (row.get(0)?, row.get(1)?);
    Ok(Candidate { number, call_id, is_bound: row.get(2)?, is_given_up: row.get(3)?, is_announced: row.get(4)? })
}

fn insert(tx: &Tx<'_>, new: &NewOperation) -> Result<Operation, Failure> {
    let number = tx.shared.numbers.operation();
    let id = match &new.id {
        Some(id) => id.as_str().to_owned(),
        None => ids::of_event(number, tx.steady).to_string(),
    };
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    let context = new.client_context.as_ref().map(ClientContext::as_str);
    let row = OperationRow {
        number,
        id: &id,
        lookup: operation_lookup(&id),
        call_id,
        client_context: context,
        status: &new.status,
        created_at: tx.wall,
        tenant_id: new.tenant_id.as_deref(),
        notified: None,
    };
    row.insert(tx)?;
    set(tx, &operation(tx, number)?, &Terms::of(new))?;
    if new.id.is_none() {
        let sql = "UPDATE expectations SET waits_for = ?2 WHERE operation = ?1";
        tx.execute(sql, params![number, context.unwrap_or_default()])?;
    }
    watches::set_deadline(tx, number, new.expected_by.map(Timestamp::as_microsecond))?;
    watches::became_known(tx, number)?;
    tx.changed(number);
    operation(tx, number)
}

/// Adds to an operation what the announcement says and was not known.
fn join(tx: &Tx<'_>, number: i64, new: &NewOperation) -> Result<Operation, Failure> {
    let before = operation(tx, number)?;
    if let Some(id) = new.id.as_ref().filter(|id| id.as_str() != before.id) {
        // Until now its id was the expectation's; from now on it is Graph's.
        let sql = "SELECT 1 FROM expectations WHERE operation = ?1 AND waits_for IS NOT NULL";
        if tx.first(sql, [number], |_| Ok(()))?.is_some() {
            binding::bind(tx, number, id, operation_lookup(id.as_str()))?;
        }
    }
    let starts = before.status == Status::NotStarted && new.status == Status::Running;
    let sql = "UPDATE operations SET call_id = CASE call_id WHEN '' THEN ?2 ELSE call_id END, \
               tenant_id = coalesce(tenant_id, ?3), client_context = coalesce(client_context, ?4), \
               status = CASE WHEN ?5 THEN ?6 ELSE status END WHERE seq = ?1";
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    let context = new.client_context.as_ref().map(ClientContext::as_str);
    tx.execute(sql, params![number, call_id, new.tenant_id, context, starts, Status::Running.as_str()])?;
    let sql = "UPDATE expectations SET waits_for = ?2 WHERE operation = ?1 AND waits_for = ''";
    tx.execute(sql, params![number, context.unwrap_or_default()])?;
    let known = before.expectation.as_ref();
    let terms = Terms::joined(&before, new);
    let state = set(tx, &before, &terms)?;
    let is_new_deadline = known.and_then(|known| known.expected_by) != terms.expected_by;
    if is_new_deadline && state == ExpectationState::Waiting {
        watches::set_deadline(tx, number, terms.expected_by.map(Timestamp::as_microsecond))?;
    }
    watches::became_known(tx, number)?;
    let after = operation(tx, number)?;
    if announcing::is_alike(&before, &after) {
        return Ok(after);
    }
    touch(tx, number)?;
    operation(tx, number)
}

/// Writes the terms of an operation's expectation, and makes the expectation if there is none. Returns its state.
pub fn set(tx: &Tx<'_>, operation: &Operation, terms: &Terms) -> Result<ExpectationState, Failure> {
    let state = announcing::state_of(operation);
    let sql = "INSERT INTO expectations (operation, id, state, expected_by, metadata, sinks, announced_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (operation) DO UPDATE SET \
               announced_at = coalesce(announced_at, excluded.announced_at), \
               expected_by = excluded.expected_by, metadata = excluded.metadata, sinks = excluded.sinks";
    let expected_by = terms.expected_by.map(Timestamp::as_microsecond);
    // A list of texts always serialises.
    let sinks = serde_json::to_string(&terms.sinks).unwrap_or_default();
    let id = &operation.id;
    tx.execute(sql, params![operation.number, id, state.as_str(), expected_by, terms.metadata, sinks, tx.wall])?;
    Ok(state)
}
