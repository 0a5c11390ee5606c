//! Finds the operation of a notification, and applies the notification to it. The rules are the numbered invariants of [`reelhook::store`] and [`reelhook::store::operations`].

use std::cmp::Reverse;

use super::rows::{Counter, OperationRow, instant};
use super::tx::Tx;
use reelhook::domain::{
    Channel, ClientContext, ExpectationState, GraphId, Notification, Operation, Order, Proof, RecordOperation,
    ResultInfo, SinkName, Status,
};

/// The news of one notification about its operation.
pub struct News<'a> {
    /// The notification.
    pub notification: &'a Notification,
    /// The operation in it.
    pub operation: &'a RecordOperation,
    /// Its proof.
    pub proof: Proof,
    /// The event that it makes.
    pub event: i64,
    /// In microseconds.
    pub received_at: i64,
}

/// The result of applying a notification.
pub struct Taken {
    /// The operation.
    pub number: i64,
    /// How the notification compares with the stored state.
    pub order: Order,
    /// The status before it.
    pub previous: Option<Status>,
    /// Whether another unfinished operation has the same client context.
    pub ambiguous: bool,
    /// The sinks that its client named; none if the proof of the notification is too weak.
    pub sinks: Vec<SinkName>,
    /// Whether it ended after it had been reported as overdue or lost.
    pub is_recovered: bool,
    /// Whether it is still unfinished.
    pub is_open: bool,
    /// The stored client context, if the notification has none.
    pub client_context: Option<ClientContext>,
}

/// The operations with the id, whatever their call.
pub fn known(tx: &Tx<'_>, operation: &RecordOperation) -> Vec<i64> {
    let id = operation.id.as_str();
    tx.rows.of_id(id).filter(|row| row.base.id == id).map(|row| row.base.number).collect()
}

/// Applies a notification to its operation, and makes the operation if there is none.
pub fn take(tx: &mut Tx<'_>, news: &News<'_>, known: &[i64]) -> Taken {
    let (found, ambiguous) = find(tx, news, known);
    let is_open = !news.operation.status.is_terminal();
    let none = Taken {
        number: 0,
        order: Order::First,
        previous: None,
        ambiguous,
        sinks: Vec::new(),
        is_recovered: false,
        is_open,
        client_context: None,
    };
    let Some((number, row)) = found.and_then(|number| Some((number, tx.rows.operations.get(&number)?.clone()))) else {
        return Taken { number: insert(tx, news), ..none };
    };
    let (order, previous) = (order(&row, news), heard(&row).cloned());
    if order == Order::Weaker {
        return Taken { number, order, previous, is_open: false, ..none };
    }
    update(tx, &row, news, order);
    let has_ended = order.moves() && news.operation.status.is_terminal() && !row.base.status.is_terminal();
    let is_recovered = has_ended && end(tx, number, news.operation.recovers());
    let sinks = row.base.expectation.map(|it| it.sinks).unwrap_or_default();
    let client_context = row.base.client_context.filter(|_| news.notification.client_context.is_none());
    Taken { number, order, previous, sinks, is_recovered, client_context, ..none }
}

/// The operation of a notification, known or announced, and whether another unfinished one has the same client context.
fn find(tx: &mut Tx<'_>, news: &News<'_>, known: &[i64]) -> (Option<i64>, bool) {
    let (context, operation) = (news.client_context(), news.operation);
    let call_id = operation.call_id.as_ref().map_or("", GraphId::as_str);
    if let Some(known) = choose(tx, known, call_id) {
        return (Some(known), is_shared(tx, context, Some(known)));
    }
    let expected = context.filter(|it| !it.is_empty()).and_then(|context| waiting_for(tx, context, call_id));
    let ambiguous = context.is_some_and(|it| !it.is_empty()) && is_shared(tx, context, expected);
    let ends_call = context.is_none() && operation.status.is_terminal();
    let expected = match ends_call && news.notification.channel == Channel::Calls {
        true => only_of_call(tx, call_id),
        false => expected,
    };
    match expected {
        Some(number) if news.proof >= Proof::FOR_EXPECTATIONS => {
            bind(tx, number, &operation.id);
            (Some(number), ambiguous)
        }
        expected => (None, ambiguous || expected.is_some()),
    }
}

/// The operation of a notification among those that share its id; an empty call means that the call is unknown.
fn choose(tx: &Tx<'_>, known: &[i64], call_id: &str) -> Option<i64> {
    let call_of = |number: &i64| tx.rows.operations.get(number).map_or("", |row| call_of(&row.base));
    match known {
        [only] if call_of(only).is_empty() || call_id.is_empty() => Some(*only),
        _ => known.iter().copied().find(|number| call_of(number) == call_id),
    }
}

/// Whether another unfinished operation has a client context.
fn is_shared(tx: &Tx<'_>, context: Option<&str>, but: Option<i64>) -> bool {
    context.is_some_and(|context| open(tx, context).any(|row| Some(row.base.number) != but))
}

/// The unfinished operations of a client context, oldest first.
pub fn open<'a>(tx: &'a Tx<'_>, context: &str) -> impl DoubleEndedIterator<Item = &'a OperationRow> {
    let has_context = move |row: &&OperationRow| {
        !row.base.status.is_terminal() && row.base.client_context.as_ref().is_some_and(|it| it.as_str() == context)
    };
    tx.rows.operations.values().filter(has_context)
}

/// The operation whose expectation waits for a client context: a waiting one before an overdue or lost one, then the
/// oldest.
fn waiting_for(tx: &Tx<'_>, context: &str, call_id: &str) -> Option<i64> {
    let waits = tx.rows.operations.values().filter(|row| row.waits_for.as_deref() == Some(context));
    let of_call = waits.filter(|row| call_id.is_empty() || [call_id, ""].contains(&call_of(&row.base)));
    of_call.min_by_key(|row| (Reverse(state(row)), row.base.number)).map(|row| row.base.number)
}

/// The operation whose expectation is the only open one of a call; if there are several, the only one that still waits.
fn only_of_call(tx: &Tx<'_>, call_id: &str) -> Option<i64> {
    let is_open = |row: &&OperationRow| {
        !call_id.is_empty()
            && call_of(&row.base) == call_id
            && !row.base.status.is_terminal()
            && row.waits_for.is_some()
    };
    let mut open: Vec<&OperationRow> = tx.rows.operations.values().filter(is_open).collect();
    open.sort_by_key(|row| Reverse(state(row)));
    let waits = |row: &OperationRow| state(row) == ExpectationState::Waiting.as_str();
    match &open[..] {
        [only] => Some(only.base.number),
        [first, second, ..] if waits(first) && !waits(second) => Some(first.base.number),
        _ => None,
    }
}

/// The state of an expectation. `waiting` sorts last.
fn state(row: &OperationRow) -> &'static str {
    row.base.expectation.as_ref().map_or("", |it| it.state.as_str())
}

/// The call of an operation; empty if it is unknown.
pub fn call_of(operation: &Operation) -> &str {
    operation.call_id.as_deref().unwrap_or_default()
}

/// Gives the operation of an expectation Graph's id.
pub fn bind(tx: &mut Tx<'_>, number: i64, id: &GraphId) {
    if let Some(row) = tx.rows.operations.get_mut(&number) {
        (row.waits_for, row.base.id) = (None, id.as_str().to_owned());
    }
    tx.rows.operations_by_id.entry(id.as_str().to_owned()).or_default().insert(number);
}

fn insert(tx: &mut Tx<'_>, news: &News<'_>) -> i64 {
    let number = tx.number(Counter::Operation);
    let RecordOperation { id, call_id, status, .. } = news.operation;
    let at = instant(news.received_at);
    let base = Operation {
        number,
        version: 1,
        id: id.as_str().to_owned(),
        call_id: call_id.as_ref().map(|it| it.as_str().to_owned()),
        tenant_id: news.notification.tenant_id.clone(),
        client_context: news.notification.client_context.clone(),
        status: status.clone(),
        completion_reason: news.operation.completion_reason.clone(),
        result_info: news.result(),
        recording_location: None,
        recording_access_token: None,
        created_at: at,
        modified_at: at,
        expectation: None,
        proof: Some(news.proof),
        call_end: None,
    };
    add(tx, OperationRow { base, waits_for: None, state_event: Some(news.event) });
    number
}

/// Adds an operation.
pub fn add(tx: &mut Tx<'_>, row: OperationRow) {
    let number = row.base.number;
    tx.rows.operations_by_id.entry(row.base.id.clone()).or_default().insert(number);
    tx.rows.operations.insert(number, row);
}

fn update(tx: &mut Tx<'_>, known: &OperationRow, news: &News<'_>, order: Order) {
    let Some(row) = tx.rows.operations.get_mut(&known.base.number) else { return };
    let base = &mut row.base;
    if order.moves() {
        // A status that the client already has from Graph does not go back.
        let is_late =
            !is_weaker_than(known, news) && Order::of(Some(&known.base.status), &news.operation.status) == Order::Late;
        if !is_late {
            base.status = news.operation.status.clone();
        }
        base.modified_at = instant(news.received_at);
        base.client_context = news.notification.client_context.clone().or(base.client_context.take());
        base.tenant_id = news.notification.tenant_id.clone().or(base.tenant_id.take());
        base.completion_reason = news.operation.completion_reason.clone();
        base.result_info = news.result();
        base.proof = Some(news.proof);
        base.version += 1;
        row.state_event = Some(news.event);
    }
    if let Some(call_id) = &news.operation.call_id
        && call_of(&row.base) != call_id.as_str()
    {
        row.base.call_id = Some(call_id.as_str().to_owned());
        row.base.version += 1;
    }
}

/// Ends the expectation of an operation that has ended. Returns whether it was overdue or lost and is now recovered.
fn end(tx: &mut Tx<'_>, number: i64, recovers: bool) -> bool {
    tx.unwatch(number, None);
    let expectation = tx.rows.operations.get_mut(&number).and_then(|row| row.base.expectation.as_mut());
    let Some(expectation) = expectation else { return false };
    expectation.state = match expectation.state {
        ExpectationState::Waiting => ExpectationState::Met,
        ExpectationState::Overdue | ExpectationState::Lost if recovers => ExpectationState::Recovered,
        _ => return false,
    };
    expectation.state == ExpectationState::Recovered
}

/// Its status, if Graph notified of it.
fn heard(row: &OperationRow) -> Option<&Status> {
    Some(&row.base.status).filter(|_| row.base.expectation.is_none() || row.state_event.is_some())
}

/// How a notification compares with an operation.
fn order(row: &OperationRow, news: &News<'_>) -> Order {
    let announced = if row.base.expectation.is_some() { Proof::FOR_EXPECTATIONS.rank() } else { 0 };
    if news.proof.rank() < rank(row).max(announced) {
        return Order::Weaker;
    }
    match Order::of(heard(row), &news.operation.status) {
        Order::Late | Order::Conflicting if is_weaker_than(row, news) => Order::Advanced,
        order => order,
    }
}

/// Whether Graph notified of it before, with weaker proof than the notification has.
fn is_weaker_than(row: &OperationRow, news: &News<'_>) -> bool {
    heard(row).is_some() && rank(row) < news.proof.rank()
}

fn rank(row: &OperationRow) -> i64 {
    row.base.proof.map_or(0, Proof::rank)
}

impl News<'_> {
    fn client_context(&self) -> Option<&str> {
        self.notification.client_context.as_ref().map(ClientContext::as_str)
    }

    /// How it ended; the message is in the event's data.
    fn result(&self) -> Option<ResultInfo> {
        let result = self.operation.result_info.as_ref()?;
        Some(ResultInfo { code: result.code, subcode: result.subcode, message: None })
    }
}
