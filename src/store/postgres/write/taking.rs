//! Finds the operation of a notification among those that were read, and applies the notification to it.

use std::cmp::Reverse;

use super::operations::{self, Operations, call_of};
use super::watches;
use crate::domain::{
    Channel, ClientContext, ExpectationState, GraphId, Operation, Order, Proof, RecordOperation, ResultInfo,
};
use crate::store::decisions::announced::{self, Announced};
use crate::store::decisions::known::{Known, choose};
use crate::store::decisions::news::News;
use crate::store::decisions::taken::Taken;
use crate::store::instants::instant;
use crate::store::postgres::read::operation::{self, Stored};

/// Applies a notification to its operation, and makes the operation `new` if there is none. `data` is that of its event.
pub fn take(operations: &mut Operations, news: &News<'_>, (new, data): (i64, &str)) -> Taken {
    let (known, ambiguous) = find(operations, news);
    let is_open = !news.operation.status.is_terminal();
    let none = Taken {
        seq: new,
        is_new: false,
        order: Order::First,
        previous: None,
        ambiguous,
        announced: None,
        is_recovered: false,
        is_open,
        client_context: None,
        is_long: false,
    };
    let Some(known) = known else {
        insert(operations, news, (new, data));
        return Taken { is_new: true, ..none };
    };
    let (order, previous, seq) = (known.order(news), known.heard().cloned(), known.seq);
    if order == Order::Weaker {
        let announced = known.announced.map(Announced::without_sinks);
        return Taken { seq, order, previous, announced, is_open: false, ..none };
    }
    update(operations, &known, news, order);
    if order.moves()
        && let Some(stored) = operations.change(seq)
    {
        operation::tell(&mut stored.operation, data, news.operation.recording_access_token.clone());
    }
    let has_ended = order.moves() && news.operation.status.is_terminal() && !known.status.is_terminal();
    let Known { announced, client_context, .. } = known;
    let client_context = client_context.filter(|_| news.notification.client_context.is_none());
    let is_recovered = has_ended && end(operations, seq, news.operation.recovers());
    Taken { seq, order, previous, announced, is_recovered, client_context, ..none }
}

/// The operation of a notification, known or announced, and whether another unfinished one has the same client context.
fn find(operations: &mut Operations, news: &News<'_>) -> (Option<Known>, bool) {
    let (context, operation) = (news.client_context(), news.operation);
    let call_id = operation.call_id.as_ref().map_or("", GraphId::as_str);
    let is_shared = |operations: &Operations, but: Option<i64>| {
        context.is_some_and(|context| operations.open(context).any(|it| Some(it.operation.number) != but))
    };
    if let Some(known) = choose(operations.of_id(operation.id.as_str()), call_id) {
        let ambiguous = is_shared(operations, Some(known.seq));
        return (Some(known), ambiguous);
    }
    let named = context.filter(|context| !context.is_empty());
    let mut expected = named.and_then(|context| waiting_for(operations, context, call_id));
    let ambiguous = named.is_some() && is_shared(operations, expected);
    if context.is_none() && operation.status.is_terminal() && news.notification.channel == Channel::Calls {
        expected = only_of_call(operations, call_id);
    }
    match expected {
        Some(number) if news.proof >= Proof::FOR_EXPECTATIONS => {
            bind(operations, number, &operation.id);
            (operations.get(number).map(operations::known), ambiguous)
        }
        expected => (None, ambiguous || expected.is_some()),
    }
}

/// The operation whose expectation waits for a client context: a waiting one before an overdue or lost one, then the
/// oldest.
fn waiting_for(operations: &Operations, context: &str, call_id: &str) -> Option<i64> {
    let waits = operations.all().filter(|it| it.waits_for.as_deref() == Some(context));
    let of_call = waits.filter(|it| call_id.is_empty() || [call_id, ""].contains(&call_of(&it.operation)));
    of_call.min_by_key(|it| (Reverse(state(it)), it.operation.number)).map(|it| it.operation.number)
}

/// The operation whose expectation is the only open one of a call; if there are several, the only one that still waits.
fn only_of_call(operations: &Operations, call_id: &str) -> Option<i64> {
    let is_open = |it: &&Stored| {
        !call_id.is_empty()
            && call_of(&it.operation) == call_id
            && !it.operation.status.is_terminal()
            && it.waits_for.is_some()
    };
    let mut open: Vec<&Stored> = operations.all().filter(is_open).collect();
    open.sort_by_key(|it| Reverse(state(it)));
    let waits = |it: &Stored| state(it) == ExpectationState::Waiting.as_str();
    match &open[..] {
        [only] => Some(only.operation.number),
        [first, second, ..] if waits(first) && !waits(second) => Some(first.operation.number),
        _ => None,
    }
}

/// The state of an expectation. `waiting` sorts last.
fn state(stored: &Stored) -> &'static str {
    stored.operation.expectation.as_ref().map_or("", |it| it.state.as_str())
}

/// Gives the operation of an expectation Graph's id.
pub fn bind(operations: &mut Operations, number: i64, id: &GraphId) {
    if let Some(stored) = operations.change(number) {
        (stored.waits_for, stored.operation.id) = (None, id.as_str().to_owned());
    }
}

fn insert(operations: &mut Operations, news: &News<'_>, (number, data): (i64, &str)) {
    let RecordOperation { id, call_id, status, .. } = news.operation;
    let at = instant(news.known_at);
    let mut operation = Operation {
        number,
        version: 1,
        id: id.as_str().to_owned(),
        call_id: call_id.as_ref().map(|it| it.as_str().to_owned()),
        tenant_id: news.notification.tenant_id.clone(),
        client_context: news.notification.client_context.clone(),
        status: status.clone(),
        completion_reason: news.operation.completion_reason.clone(),
        result_info: result(news),
        recording_location: None,
        recording_access_token: None,
        created_at: at,
        modified_at: at,
        expectation: None,
        proof: Some(news.proof),
        call_end: None,
    };
    operation::tell(&mut operation, data, news.operation.recording_access_token.clone());
    let state_event = Some(news.event);
    operations.add(Stored { operation, waits_for: None, state_event, overdue_at: None, lost_at: None });
}

fn update(operations: &mut Operations, known: &Known, news: &News<'_>, order: Order) {
    let told = news.operation;
    let new_call = told.call_id.as_ref().filter(|call_id| call_id.as_str() != known.call_id);
    if !order.moves() && new_call.is_none() {
        return;
    }
    let Some(stored) = operations.change(known.seq) else { return };
    let operation = &mut stored.operation;
    if order.moves() {
        // A status that the client already has from Graph does not go back.
        let is_late = !known.is_weaker_than(news) && Order::of(Some(&known.status), &told.status) == Order::Late;
        if !is_late {
            operation.status = told.status.clone();
        }
        operation.modified_at = instant(news.known_at);
        let context: Option<ClientContext> = news.notification.client_context.clone();
        operation.client_context = context.or(operation.client_context.take());
        operation.tenant_id = news.notification.tenant_id.clone().or(operation.tenant_id.take());
        operation.completion_reason.clone_from(&told.completion_reason);
        operation.result_info = result(news);
        operation.proof = Some(news.proof);
        operation.version += 1;
        stored.state_event = Some(news.event);
    }
    if let Some(call_id) = new_call {
        operation.call_id = Some(call_id.as_str().to_owned());
        operation.version += 1;
    }
}

/// Ends the expectation of an operation that has ended. Returns whether it was overdue or lost and is now recovered.
fn end(operations: &mut Operations, number: i64, recovers: bool) -> bool {
    watches::clear(operations, number);
    let Some(stored) = operations.change(number) else { return false };
    let Some(expectation) = &mut stored.operation.expectation else { return false };
    let Some(ended) = announced::ended(expectation.state, recovers) else { return false };
    expectation.state = ended;
    ended == ExpectationState::Recovered
}

/// How it ended; the message is in the event's data.
fn result(news: &News<'_>) -> Option<ResultInfo> {
    let code = news.code()?;
    Some(ResultInfo { code, subcode: news.subcode().unwrap_or_default(), message: None })
}
