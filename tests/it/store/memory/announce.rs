//! Announcing operations, changing and removing them, as their clients ask.

use super::ids;
use super::operation::{self, call_of};
use super::rows::{Counter, OperationRow, instant};
use super::tx::Tx;
use super::{sweep, watches};
use reelhook::domain::{ClientContext, Expectation, ExpectationState, GraphId, Operation, Status};
use reelhook::store::operations::{Change, Created, Deleted, NewOperation, Updated};
use reelhook::store::{DeliveryState, StoreError};

/// How an announcement compares with what is known.
enum Found {
    Same(i64),
    Taken(i64),
    Nothing,
}

/// Announces an operation.
///
/// # Errors
/// A fault in reelhook.
pub fn create(tx: &mut Tx<'_>, new: &NewOperation) -> Result<Created, StoreError> {
    Ok(match find(tx, new) {
        Found::Same(number) => Created::Same(Box::new(join(tx, number, new)?)),
        Found::Taken(number) => Created::Taken(Box::new(existing(tx, number)?)),
        Found::Nothing => Created::New(Box::new(insert(tx, new)?)),
    })
}

/// An existing operation.
fn existing(tx: &Tx<'_>, number: i64) -> Result<Operation, StoreError> {
    tx.rows.operation(number).ok_or_else(|| StoreError::Database("an operation is gone within a change".into()))
}

fn find(tx: &Tx<'_>, new: &NewOperation) -> Found {
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    if let Some(id) = &new.id {
        let named: Vec<&OperationRow> = tx.rows.of_id(id.as_str()).collect();
        let meant = match &named[..] {
            [only] if call_of(&only.base).is_empty() || call_id.is_empty() => Some(*only),
            _ => named.into_iter().find(|row| call_of(&row.base) == call_id),
        };
        if let Some(row) = meant {
            return Found::Same(row.base.number);
        }
    }
    let Some(context) = &new.client_context else { return Found::Nothing };
    // First the operations of the call, oldest first; then all, newest first.
    let of_call =
        operation::open(tx, context.as_str()).filter(|row| !call_id.is_empty() && call_of(&row.base) == call_id);
    let open: Vec<&OperationRow> = of_call.chain(operation::open(tx, context.as_str()).rev()).collect();
    if let Some(same) = open.iter().find(|row| is_same(row, new, call_id)) {
        return Found::Same(same.base.number);
    }
    let other = open.iter().find(|row| !is_given_up(row) && !is_another_of_call(row, new, call_id));
    match other.filter(|_| !new.allow_duplicate) {
        Some(other) => Found::Taken(other.base.number),
        None => Found::Nothing,
    }
}

/// Whether an announcement means this operation.
fn is_same(row: &OperationRow, new: &NewOperation, call_id: &str) -> bool {
    let known = call_of(&row.base);
    let one_is_unknown = known.is_empty() || call_id.is_empty();
    let is_of_call = match is_given_up(row) {
        true => known == call_id && !call_id.is_empty(),
        false => known == call_id || (one_is_unknown && !new.allow_duplicate),
    };
    is_of_call && !is_another_of_call(row, new, call_id) && (new.id.is_none() || row.waits_for.is_some())
}

/// Whether an operation is certainly another recording of the same call: its id is known, and the announcement names
/// another id; or it names none and this operation was announced already.
fn is_another_of_call(row: &OperationRow, new: &NewOperation, call_id: &str) -> bool {
    let is_of_call = call_of(&row.base) == call_id && !call_id.is_empty();
    let is_announced = row.base.expectation.as_ref().is_some_and(|it| it.announced_at.is_some());
    is_of_call && row.waits_for.is_none() && (is_announced || new.id.is_some())
}

/// Whether it is overdue or lost. Such an operation may never end, so it does not block its client context.
fn is_given_up(row: &OperationRow) -> bool {
    let state = row.base.expectation.as_ref().map(|it| it.state);
    matches!(state, Some(ExpectationState::Overdue | ExpectationState::Lost))
}

fn insert(tx: &mut Tx<'_>, new: &NewOperation) -> Result<Operation, StoreError> {
    let number = tx.number(Counter::Operation);
    let id = match &new.id {
        Some(id) => id.as_str().to_owned(),
        None => ids::of_event(number, tx.steady).to_string(),
    };
    let (context, now) = (new.client_context.as_ref().map(ClientContext::as_str), instant(tx.wall));
    let expectation = Expectation {
        id: id.clone(),
        state: if new.status.is_terminal() { ExpectationState::Met } else { ExpectationState::Waiting },
        announced_at: Some(now),
        expected_by: new.expected_by,
        metadata: new.metadata.clone(),
        sinks: new.sinks.clone(),
    };
    let base = Operation {
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
        created_at: now,
        modified_at: now,
        expectation: Some(expectation),
        proof: None,
        call_end: None,
    };
    let waits_for = new.id.is_none().then(|| context.unwrap_or_default().to_owned());
    operation::add(tx, OperationRow { base, waits_for, state_event: None });
    watches::set_deadline(tx, number, new.expected_by.map(|at| at.as_microsecond()));
    watches::became_known(tx, number);
    tx.changed(number);
    existing(tx, number)
}

/// Adds to an operation what the announcement says and was not known.
fn join(tx: &mut Tx<'_>, number: i64, new: &NewOperation) -> Result<Operation, StoreError> {
    let before = existing(tx, number)?;
    let is_waiting = tx.rows.operations.get(&number).is_some_and(|row| row.waits_for.is_some());
    if let Some(id) = new.id.as_ref().filter(|id| is_waiting && id.as_str() != before.id) {
        // Until now its id was the expectation's; from now on it is Graph's.
        operation::bind(tx, number, id);
    }
    let now = instant(tx.wall);
    if let Some(row) = tx.rows.operations.get_mut(&number) {
        let base = &mut row.base;
        let call_id = new.call_id.as_ref().map(|it| it.as_str().to_owned());
        base.call_id = base.call_id.take().or(call_id);
        base.tenant_id = base.tenant_id.take().or_else(|| new.tenant_id.clone());
        base.client_context = base.client_context.take().or_else(|| new.client_context.clone());
        if before.status == Status::NotStarted && new.status == Status::Running {
            base.status = Status::Running;
        }
        if row.waits_for.as_deref() == Some("") {
            row.waits_for = Some(new.client_context.as_ref().map_or("", ClientContext::as_str).to_owned());
        }
        let known = base.expectation.get_or_insert_with(|| nothing(base.id.clone(), &before.status));
        known.announced_at.get_or_insert(now);
        known.metadata = known.metadata.take().or_else(|| new.metadata.clone());
        known.expected_by = known.expected_by.or(new.expected_by);
        if known.sinks.is_empty() {
            known.sinks.clone_from(&new.sinks);
        }
    }
    move_deadline(tx, &before, number)?;
    watches::became_known(tx, number);
    let after = existing(tx, number)?;
    if !is_alike(&before, &after) {
        touch(tx, number);
    }
    existing(tx, number)
}

/// An expectation without terms.
fn nothing(id: String, status: &Status) -> Expectation {
    let state = if status.is_terminal() { ExpectationState::Met } else { ExpectationState::Waiting };
    Expectation { id, state, announced_at: None, expected_by: None, metadata: None, sinks: Vec::new() }
}

/// Moves the watch if the deadline changed.
fn move_deadline(tx: &mut Tx<'_>, before: &Operation, number: i64) -> Result<(), StoreError> {
    let known = before.expectation.as_ref().and_then(|it| it.expected_by);
    let Some(now) = existing(tx, number)?.expectation else { return Ok(()) };
    if known != now.expected_by && now.state == ExpectationState::Waiting {
        watches::set_deadline(tx, number, now.expected_by.map(|at| at.as_microsecond()));
    }
    Ok(())
}

fn is_alike(a: &Operation, b: &Operation) -> bool {
    (&a.id, &a.call_id, &a.tenant_id, &a.client_context, &a.status, &a.expectation)
        == (&b.id, &b.call_id, &b.tenant_id, &b.client_context, &b.status, &b.expectation)
}

/// Notes that its client changed an operation.
fn touch(tx: &mut Tx<'_>, number: i64) {
    let now = instant(tx.wall);
    if let Some(row) = tx.rows.operations.get_mut(&number) {
        row.base.version += 1;
        row.base.modified_at = now;
    }
    tx.changed(number);
}

/// Changes an operation if it still has `version`.
///
/// # Errors
/// A fault in reelhook.
pub fn update(tx: &mut Tx<'_>, number: i64, version: Option<i64>, change: &Change) -> Result<Updated, StoreError> {
    let Some(before) = tx.rows.operation(number) else { return Ok(Updated::Missing) };
    if version.is_some_and(|version| version != before.version) {
        return Ok(Updated::Stale(before.version));
    }
    if let Some(context) = change.client_context.as_ref().filter(|new| Some(*new) != before.client_context.as_ref()) {
        if before.status != Status::NotStarted {
            return Ok(Updated::Started);
        }
        let keeps = |row: &OperationRow| {
            let state = row.base.expectation.as_ref().map(|it| it.state);
            row.base.number != number && state.is_none_or(|state| state == ExpectationState::Waiting)
        };
        if operation::open(tx, context.as_str()).any(keeps) {
            return Ok(Updated::Taken);
        }
        if let Some(row) = tx.rows.operations.get_mut(&number) {
            row.base.client_context = Some(context.clone());
            row.waits_for = row.waits_for.take().map(|_| context.as_str().to_owned());
        }
    }
    let Change { metadata, expected_by, sinks, .. } = change;
    if metadata.is_some() || expected_by.is_some() || sinks.is_some() {
        change_terms(tx, &before, change);
    }
    touch(tx, number);
    existing(tx, number).map(|operation| Updated::Done(Box::new(operation)))
}

/// Changes the terms of the announcement. If the operation was not announced, this announces it.
fn change_terms(tx: &mut Tx<'_>, before: &Operation, change: &Change) {
    let now = instant(tx.wall);
    let Some(row) = tx.rows.operations.get_mut(&before.number) else { return };
    let id = row.base.id.clone();
    let known = row.base.expectation.get_or_insert_with(|| nothing(id, &before.status));
    known.announced_at.get_or_insert(now);
    if let Some(metadata) = &change.metadata {
        known.metadata.clone_from(metadata);
    }
    if let Some(sinks) = &change.sinks {
        known.sinks.clone_from(sinks);
    }
    if let Some(expected_by) = change.expected_by {
        known.expected_by = expected_by;
        if known.state == ExpectationState::Waiting {
            watches::set_deadline(tx, before.number, expected_by.map(|at| at.as_microsecond()));
        }
    }
}

/// Removes an operation with its events; one with open deliveries only if `force` is set.
pub fn delete(tx: &mut Tx<'_>, number: i64, version: Option<i64>, force: bool) -> Deleted {
    let Some(current) = tx.rows.operations.get(&number).map(|row| row.base.version) else { return Deleted::Missing };
    if version.is_some_and(|version| version != current) {
        return Deleted::Stale(current);
    }
    let events: Vec<i64> = tx.rows.events_of.get(&number).into_iter().flatten().copied().collect();
    let deliveries = events.iter().flat_map(|event| tx.rows.deliveries_of(*event));
    let is_open = |state| matches!(state, DeliveryState::Open | DeliveryState::Blocked);
    let n_open = deliveries.filter(|row| is_open(row.view.state)).count() as u64;
    if n_open > 0 && !force {
        return Deleted::Open(n_open);
    }
    events.into_iter().for_each(|event| sweep::remove_event(tx, event));
    sweep::remove_operation(tx, number);
    Deleted::Done
}
