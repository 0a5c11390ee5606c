//! How an announcement compares with the operations that it may mean.

use jiff::Timestamp;

use crate::domain::{ExpectationState, GraphId, Operation, SinkName};
use crate::store::operations::{Change, NewOperation};

/// How many operations of one client context are read.
pub const MOST: i64 = 50;

/// What a client asks for the events of an operation.
pub struct Terms {
    /// The metadata that they carry.
    pub metadata: Option<String>,
    /// The sinks that get them.
    pub sinks: Vec<SinkName>,
    /// When the operation is overdue.
    pub expected_by: Option<Timestamp>,
}

impl Terms {
    /// What an announcement asks for, where nothing was announced before.
    pub fn of(new: &NewOperation) -> Self {
        Self { metadata: new.metadata.clone(), sinks: new.sinks.clone(), expected_by: new.expected_by }
    }

    /// The terms of an operation after another announcement of it: only what was missing is added.
    pub fn joined(before: &Operation, new: &NewOperation) -> Self {
        let (known, offered) = (before.expectation.as_ref(), Self::of(new));
        Self {
            metadata: known.and_then(|known| known.metadata.clone()).or(offered.metadata),
            sinks: known.map(|known| known.sinks.clone()).filter(|sinks| !sinks.is_empty()).unwrap_or(offered.sinks),
            expected_by: known.and_then(|known| known.expected_by).or(offered.expected_by),
        }
    }

    /// The terms of an operation after its client changed them.
    pub fn changed(before: &Operation, change: &Change) -> Self {
        let known = before.expectation.as_ref();
        Self {
            metadata: change.metadata.clone().unwrap_or_else(|| known.and_then(|it| it.metadata.clone())),
            sinks: change.sinks.clone().unwrap_or_else(|| known.map(|it| it.sinks.clone()).unwrap_or_default()),
            expected_by: change.expected_by.unwrap_or_else(|| known.and_then(|it| it.expected_by)),
        }
    }
}

/// An operation that may be the announced one.
pub struct Candidate {
    /// Its number.
    pub number: i64,
    /// Its call; empty if that is not known.
    pub call_id: String,
    /// Whether its id came from Graph.
    pub is_bound: bool,
    /// Whether a client announced it.
    pub is_announced: bool,
    /// Whether it is overdue or lost. Such an operation may never end, so it does not block its client context.
    pub is_given_up: bool,
}

impl Candidate {
    /// Whether it is certainly another recording of the same call: its id is known, and the announcement names another
    /// id; or the announcement names none and this operation was announced already.
    fn is_another_of_call(&self, new: &NewOperation, call_id: &str) -> bool {
        let is_of_call = self.call_id == call_id && !call_id.is_empty();
        is_of_call && self.is_bound && (self.is_announced || new.id.is_some())
    }
}

/// How an announcement compares with the stored operations.
pub enum Found {
    /// It means this operation.
    Same(i64),
    /// This other operation has its client context.
    Taken(i64),
    /// It means a new operation.
    Nothing,
}

/// The operation that an announcement means among those that have the id that it names.
pub fn named(new: &NewOperation, named: &[Candidate]) -> Option<i64> {
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    let meant = match named {
        [only] if only.call_id.is_empty() || call_id.is_empty() => Some(only),
        _ => named.iter().find(|candidate| candidate.call_id == call_id),
    };
    meant.map(|candidate| candidate.number)
}

/// How an announcement compares with the unfinished operations of its client context, those of its call first.
pub fn among_open(new: &NewOperation, open: &[Candidate]) -> Found {
    let call_id = new.call_id.as_ref().map_or("", GraphId::as_str);
    let is_same = |candidate: &&Candidate| {
        let one_is_unknown = candidate.call_id.is_empty() || call_id.is_empty();
        let is_of_call = match candidate.is_given_up {
            true => candidate.call_id == call_id && !call_id.is_empty(),
            false => candidate.call_id == call_id || (one_is_unknown && !new.allow_duplicate),
        };
        is_of_call && !candidate.is_another_of_call(new, call_id) && (new.id.is_none() || !candidate.is_bound)
    };
    if let Some(same) = open.iter().find(is_same) {
        return Found::Same(same.number);
    }
    let keeps_context = |candidate: &&Candidate| !candidate.is_given_up && !candidate.is_another_of_call(new, call_id);
    let other = open.iter().find(keeps_context);
    // An operation that has ended is another recording, unless the announcement names its id.
    match other.filter(|_| !new.allow_duplicate) {
        Some(other) => Found::Taken(other.number),
        None => Found::Nothing,
    }
}

/// Whether a client sees two states of an operation as the same.
pub fn is_alike(a: &Operation, b: &Operation) -> bool {
    (&a.id, &a.call_id, &a.tenant_id, &a.client_context, &a.status, &a.expectation)
        == (&b.id, &b.call_id, &b.tenant_id, &b.client_context, &b.status, &b.expectation)
}

/// The state of an operation's expectation; of one that is made now, if there is none.
pub fn state_of(operation: &Operation) -> ExpectationState {
    match &operation.expectation {
        Some(known) => known.state,
        None if operation.status.is_terminal() => ExpectationState::Met,
        None => ExpectationState::Waiting,
    }
}
