//! Announcing an operation, and changing it, at its client's request.
//!
//! **Invariants**
//! 1. An operation that is announced twice is one operation.

use async_trait::async_trait;
use jiff::Timestamp;

use super::ended_calls::Ended;
use super::operations::{Keys, Operations, call_of, candidate};
use super::{taking, watches};
use crate::domain::{ClientContext, Expectation, ExpectationState, GraphId, Operation, Status};
use crate::store::StoreError;
use crate::store::decisions::announcing::{self, Candidate, Found, MOST, Terms};
use crate::store::ids;
use crate::store::instants::instant;
use crate::store::operations::{Change, Created, NewOperation, Updated};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::postgres::read::operation::{self, Stored};

/// Announces an operation.
pub struct Announce {
    /// What is announced.
    pub new: NewOperation,
}

#[async_trait]
impl Work for Announce {
    type Done = Created;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Created, Failure> {
        let new = &self.new;
        let text = |id: &Option<GraphId>| id.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
        let contexts = new.client_context.iter().map(|it| it.as_str().to_owned()).collect();
        let keys = Keys { ids: text(&new.id), contexts, calls: text(&new.call_id), numbers: Vec::new() };
        let mut operations = Operations::load(tx, &keys, true).await?;
        let mut calls = text(&new.call_id);
        calls.extend(operations.all().filter_map(|it| it.operation.call_id.clone()));
        let ended = Ended::load(tx, &calls).await?;
        let (number, created): (i64, fn(Box<Operation>) -> Created) = match find(&operations, new) {
            Found::Same(number) => {
                join(tx, Known { operations: &mut operations, ended: &ended }, (number, new))?;
                (number, Created::Same)
            }
            Found::Taken(number) => (number, Created::Taken),
            Found::Nothing => {
                let number = tx.numbers("operation_numbers", 1).await?;
                insert(tx, Known { operations: &mut operations, ended: &ended }, (number, new));
                (number, Created::New)
            }
        };
        operations.flush(tx).await?;
        now(tx, number).await.map(|operation| created(Box::new(operation)))
    }
}

/// What an announcement is judged by.
struct Known<'a> {
    operations: &'a mut Operations,
    ended: &'a Ended,
}

/// An existing operation, as it was written.
async fn now(tx: &Tx<'_>, number: i64) -> Result<Operation, Failure> {
    let gone = || StoreError::Database("an operation is gone within a transaction".into());
    Ok(operation::one(tx.client, &tx.shared.seal, number).await?.ok_or_else(gone)?)
}

fn find(operations: &Operations, new: &NewOperation) -> Found {
    if let Some(id) = &new.id {
        let has_id = |it: &&Stored| {
            let expectation = it.operation.expectation.as_ref();
            it.operation.id == id.as_str() || expectation.is_some_and(|it| it.id == id.as_str())
        };
        let named: Vec<Candidate> = operations.all().filter(has_id).map(candidate).collect();
        if let Some(same) = announcing::named(new, &named) {
            return Found::Same(same);
        }
    }
    let Some(context) = &new.client_context else { return Found::Nothing };
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    // First the operations of the call, oldest first; then all, newest first.
    let open = || operations.open(context.as_str());
    let of_call = open().filter(|it| !call_id.is_empty() && call_of(&it.operation) == call_id).take(most);
    let open: Vec<Candidate> = of_call.chain(open().rev().take(most)).map(candidate).collect();
    announcing::among_open(new, &open)
}

fn insert(tx: &mut Tx<'_>, Known { operations, ended }: Known<'_>, (number, new): (i64, &NewOperation)) {
    let id = match &new.id {
        Some(id) => id.as_str().to_owned(),
        None => ids::of_event(number, tx.steady).to_string(),
    };
    let at = instant(tx.wall);
    let mut operation = Operation {
        number,
        version: 1,
        id,
        call_id: new.call_id.as_ref().map(|it| it.as_str().to_owned()),
        tenant_id: new.tenant_id.clone(),
        client_context: new.client_context.clone(),
        status: new.status.clone(),
        completion_reason: None,
        result_info: None,
        recording_location: None,
        recording_access_token: None,
        created_at: at,
        modified_at: at,
        expectation: None,
        proof: None,
        call_end: None,
    };
    set(&mut operation, Terms::of(new), at);
    let context = new.client_context.as_ref().map(ClientContext::as_str);
    let waits_for = new.id.is_none().then(|| context.unwrap_or_default().to_owned());
    operations.add(Stored { operation, waits_for, state_event: None, overdue_at: None, lost_at: None });
    watches::set_deadline(tx, operations, number, new.expected_by.map(Timestamp::as_microsecond));
    watches::became_known(tx, (operations, ended), number);
    tx.effects.changed(number);
}

/// Adds to an operation what the announcement says and was not known.
fn join(
    tx: &mut Tx<'_>,
    Known { operations, ended }: Known<'_>,
    (number, new): (i64, &NewOperation),
) -> Result<(), Failure> {
    let Some(stored) = operations.get(number) else { return Ok(()) };
    let before = stored.operation.clone();
    if let Some(id) = new.id.as_ref().filter(|id| stored.waits_for.is_some() && id.as_str() != before.id) {
        // Until now its id was the expectation's; from now on it is Graph's.
        taking::bind(operations, number, id);
    }
    let at = instant(tx.wall);
    let Some(stored) = operations.change(number) else { return Ok(()) };
    let operation = &mut stored.operation;
    let call_id = new.call_id.as_ref().map(|it| it.as_str().to_owned());
    operation.call_id = operation.call_id.take().or(call_id);
    operation.tenant_id = operation.tenant_id.take().or_else(|| new.tenant_id.clone());
    operation.client_context = operation.client_context.take().or_else(|| new.client_context.clone());
    if before.status == Status::NotStarted && new.status == Status::Running {
        operation.status = Status::Running;
    }
    if stored.waits_for.as_deref() == Some("") {
        let context = new.client_context.as_ref().map(ClientContext::as_str);
        stored.waits_for = Some(context.unwrap_or_default().to_owned());
    }
    let terms = Terms::joined(&before, new);
    let expected_by = terms.expected_by;
    let state = set(&mut stored.operation, terms, at);
    let is_new_deadline = before.expectation.as_ref().and_then(|it| it.expected_by) != expected_by;
    if is_new_deadline && state == ExpectationState::Waiting {
        watches::set_deadline(tx, operations, number, expected_by.map(Timestamp::as_microsecond));
    }
    watches::became_known(tx, (operations, ended), number);
    let is_alike = operations.get(number).is_some_and(|stored| announcing::is_alike(&before, &stored.operation));
    if !is_alike {
        touch(tx, operations, number);
    }
    Ok(())
}

/// Notes that its client changed an operation.
fn touch(tx: &mut Tx<'_>, operations: &mut Operations, number: i64) {
    if let Some(stored) = operations.change(number) {
        stored.operation.version += 1;
        stored.operation.modified_at = instant(tx.wall);
    }
    tx.effects.changed(number);
}

/// Writes the terms of an operation's expectation, and makes the expectation if there is none. Returns its state.
fn set(operation: &mut Operation, terms: Terms, at: Timestamp) -> ExpectationState {
    let state = announcing::state_of(operation);
    let id = operation.id.clone();
    let Terms { metadata, sinks, expected_by } = terms;
    let new = || Expectation { id, state, announced_at: None, expected_by: None, metadata: None, sinks: Vec::new() };
    let expectation = operation.expectation.get_or_insert_with(new);
    expectation.announced_at.get_or_insert(at);
    (expectation.metadata, expectation.sinks, expectation.expected_by) = (metadata, sinks, expected_by);
    state
}

/// Changes an operation if it still has `version`.
pub struct Update {
    /// The operation.
    pub number: i64,
    /// The version that it must have.
    pub version: Option<i64>,
    /// What changes.
    pub change: Change,
}

#[async_trait]
impl Work for Update {
    type Done = Updated;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Updated, Failure> {
        let (number, change) = (self.number, &self.change);
        let contexts = change.client_context.iter().map(|it| it.as_str().to_owned()).collect();
        let keys = Keys { contexts, numbers: vec![number], ..Keys::default() };
        let mut operations = Operations::load(tx, &keys, true).await?;
        let Some(before) = operations.get(number).map(|stored| stored.operation.clone()) else {
            return Ok(Updated::Missing);
        };
        if self.version.is_some_and(|version| version != before.version) {
            return Ok(Updated::Stale(before.version));
        }
        let renamed = change.client_context.as_ref().filter(|new| Some(*new) != before.client_context.as_ref());
        if let Some(context) = renamed {
            if before.status != Status::NotStarted {
                return Ok(Updated::Started);
            }
            if is_taken(&operations, (number, context)) {
                return Ok(Updated::Taken);
            }
            if let Some(stored) = operations.change(number) {
                stored.operation.client_context = Some(context.clone());
                stored.waits_for = stored.waits_for.take().map(|_| context.as_str().to_owned());
            }
        }
        if change.metadata.is_some() || change.expected_by.is_some() || change.sinks.is_some() {
            change_terms(tx, &mut operations, (&before, change));
        }
        touch(tx, &mut operations, number);
        operations.flush(tx).await?;
        now(tx, number).await.map(|operation| Updated::Done(Box::new(operation)))
    }
}

/// Whether another operation keeps a client context. One that is overdue or lost may never end, so it does not.
fn is_taken(operations: &Operations, (number, context): (i64, &ClientContext)) -> bool {
    let keeps = |stored: &Stored| {
        let state = stored.operation.expectation.as_ref().map(|it| it.state);
        stored.operation.number != number && state.is_none_or(|state| state == ExpectationState::Waiting)
    };
    operations.open(context.as_str()).any(keeps)
}

/// Changes the terms of the announcement. If the operation was not announced, this announces it.
fn change_terms(tx: &mut Tx<'_>, operations: &mut Operations, (before, change): (&Operation, &Change)) {
    let terms = Terms::changed(before, change);
    let (expected_by, at) = (terms.expected_by, instant(tx.wall));
    let Some(stored) = operations.change(before.number) else { return };
    let state = set(&mut stored.operation, terms, at);
    if change.expected_by.is_some() && state == ExpectationState::Waiting {
        watches::set_deadline(tx, operations, before.number, expected_by.map(Timestamp::as_microsecond));
    }
}
