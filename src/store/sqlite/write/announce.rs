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
use crate::domain::{ClientContext, ExpectationState, GraphId, Operation, SinkName, Status};
use crate::store::StoreError;
use crate::store::ids;
use crate::store::operations::{Created, NewOperation};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::hashes::operation_lookup;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read;

/// How many operations of one client context are read.
const MOST: i64 = 50;

/// What a client asks for the events of an operation.
pub struct Terms {
    /// The metadata that they carry.
    pub metadata: Option<String>,
    /// The sinks that get them.
    pub sinks: Vec<SinkName>,
    /// When the operation is overdue.
    pub expected_by: Option<Timestamp>,
}

/// An operation that may be the announced one.
struct Candidate {
    number: i64,
    call_id: String,
    /// Whether its id came from Graph.
    is_bound: bool,
    /// Whether a client announced it.
    is_announced: bool,
    /// Whether it is overdue or lost. Such an operation may never end, so it does not block its client context.
    is_given_up: bool,
}

/// The columns of [`Candidate`].
const CANDIDATE: &str = "SELECT o.seq, o.call_id, x.waits_for IS NULL, coalesce(x.state IN ('overdue', 'lost'), 0), \
                         x.announced_at IS NOT NULL";

impl Candidate {
    /// Whether it is certainly another recording of the same call: its id is known, and the announcement names another
    /// id; or the announcement names none and this operation was announced already.
    fn is_another_of_call(&self, new: &NewOperation, call_id: &str) -> bool {
        let is_of_call = self.call_id == call_id && !call_id.is_empty();
        is_of_call && self.is_bound && (self.is_announced || new.id.is_some())
    }
}

/// How an announcement compares with the stored operations.
enum Found {
    Same(i64),
    Taken(i64),
    Nothing,
}

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
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    if let Some(id) = &new.id {
        let mut named = of_id(tx, id)?;
        let at = match &named[..] {
            [only] if only.call_id.is_empty() || call_id.is_empty() => Some(0),
            _ => named.iter().position(|candidate| candidate.call_id == call_id),
        };
        if let Some(at) = at {
            return Ok(Found::Same(named.swap_remove(at).number));
        }
    }
    let Some(context) = &new.client_context else { return Ok(Found::Nothing) };
    let open = open(tx, context, call_id)?;
    let is_same = |candidate: &&Candidate| {
        let one_is_unknown = candidate.call_id.is_empty() || call_id.is_empty();
        let is_of_call = match candidate.is_given_up {
            true => candidate.call_id == call_id && !call_id.is_empty(),
            false => candidate.call_id == call_id || (one_is_unknown && !new.allow_duplicate),
        };
        is_of_call && !candidate.is_another_of_call(new, call_id) && (new.id.is_none() || !candidate.is_bound)
    };
    if let Some(same) = open.iter().find(is_same) {
        return Ok(Found::Same(same.number));
    }
    let keeps_context = |candidate: &&Candidate| !candidate.is_given_up && !candidate.is_another_of_call(new, call_id);
    let other = open.iter().find(keeps_context);
    // An operation that has ended is another recording, unless the announcement names its id.
    Ok(match other.filter(|_| !new.allow_duplicate) {
        Some(other) => Found::Taken(other.number),
        None => Found::Nothing,
    })
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
    set(tx, &operation(tx, number)?, &terms(new))?;
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
    let (known, offered) = (before.expectation.as_ref(), terms(new));
    let terms = Terms {
        metadata: known.and_then(|known| known.metadata.clone()).or(offered.metadata),
        sinks: known.map(|known| known.sinks.clone()).filter(|sinks| !sinks.is_empty()).unwrap_or(offered.sinks),
        expected_by: known.and_then(|known| known.expected_by).or(offered.expected_by),
    };
    let state = set(tx, &before, &terms)?;
    let is_new_deadline = known.and_then(|known| known.expected_by) != terms.expected_by;
    if is_new_deadline && state == ExpectationState::Waiting {
        watches::set_deadline(tx, number, terms.expected_by.map(Timestamp::as_microsecond))?;
    }
    watches::became_known(tx, number)?;
    let after = operation(tx, number)?;
    if is_alike(&before, &after) {
        return Ok(after);
    }
    touch(tx, number)?;
    operation(tx, number)
}

fn is_alike(a: &Operation, b: &Operation) -> bool {
    (&a.id, &a.call_id, &a.tenant_id, &a.client_context, &a.status, &a.expectation)
        == (&b.id, &b.call_id, &b.tenant_id, &b.client_context, &b.status, &b.expectation)
}

fn terms(new: &NewOperation) -> Terms {
    Terms { metadata: new.metadata.clone(), sinks: new.sinks.clone(), expected_by: new.expected_by }
}

/// Writes the terms of an operation's expectation, and makes the expectation if there is none. Returns its state.
pub fn set(tx: &Tx<'_>, operation: &Operation, terms: &Terms) -> Result<ExpectationState, Failure> {
    let state = match &operation.expectation {
        Some(known) => known.state,
        None if operation.status.is_terminal() => ExpectationState::Met,
        None => ExpectationState::Waiting,
    };
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
