//! Views of the rows for operators and the API.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ids;
use super::operation::call_of;
use super::rows::{EventRow, Rows};
use reelhook::domain::{DeliveryId, EventId, ExpectationState, GraphId, Operation, QuarantineClass, SinkName};
use reelhook::odata::{Cursor, Filter, OrderBy, Subject};
use reelhook::store::operations::Question;
use reelhook::store::{
    Backlog, Counted, DeadFilter, DeadKey, Delivered, DeliveryState, DeliveryView, EventView, FailedAttempt, Found,
    Looked, NewestEvents, Oldest, OperationView, QuarantineFilter, QuarantineView, StreamedEvent, Tallies, Tally,
};

/// The backlog of each sink at an instant of steady time, in microseconds.
pub fn backlog(rows: &Rows, steady: i64) -> BTreeMap<SinkName, Backlog> {
    let mut backlogs: BTreeMap<SinkName, Backlog> = BTreeMap::new();
    for row in rows.deliveries.values() {
        let of_sink = || Backlog { n_open: 0, n_dead: 0, oldest: None };
        match row.view.state {
            DeliveryState::Open | DeliveryState::Blocked => {
                let backlog = backlogs.entry(row.new.sink.clone()).or_insert_with(of_sink);
                let age = steady.saturating_sub(ids::made_at(row.view.id.0)).max(0).cast_unsigned();
                backlog.n_open += 1;
                backlog.oldest.get_or_insert(Oldest { at: row.view.created_at, age: Duration::from_micros(age) });
            }
            DeliveryState::Dead => backlogs.entry(row.new.sink.clone()).or_insert_with(of_sink).n_dead += 1,
            DeliveryState::Delivered => {}
        }
    }
    backlogs
}

/// How much there is that somebody may have to look at.
pub fn tallies(rows: &Rows) -> Tallies {
    let of_class =
        |class| tally(rows.quarantine.values().filter(|row| row.class == class).map(|row| row.view.received_at));
    let expectations = || rows.operations.values().filter_map(|row| Some((row.base.expectation.as_ref()?.state, row)));
    let of_state = |state| tally(expectations().filter(|(it, _)| *it == state).map(|(_, row)| row.base.created_at));
    Tallies {
        quarantine: QuarantineClass::ALL.map(|class| (class, of_class(class))),
        unmatched: tally(rows.events.values().filter(|row| !row.is_matched).map(|row| row.view.received_at)),
        expectations: ExpectationState::UNMET.map(|state| (state, of_state(state))),
    }
}

/// Of the instants of some rows, the oldest row first.
fn tally(instants: impl Iterator<Item = jiff::Timestamp>) -> Tally {
    instants.fold(Tally::default(), |tally, at| Tally { n: tally.n + 1, oldest_at: tally.oldest_at.or(Some(at)) })
}

/// The operations that have an id or whose expectation has it, with their events.
pub fn operations(rows: &Rows, id: &str) -> Vec<OperationView> {
    let Some(id) = GraphId::new(id) else { return Vec::new() };
    let found = rows.of_id(id.as_str()).filter_map(|row| rows.operation(row.base.number));
    let shown = found.map(|operation| {
        let numbers = rows.events_of.get(&operation.number).into_iter().flatten();
        let events = numbers.filter_map(|number| rows.events.get(number)).map(|row| rows.event_view(row)).collect();
        OperationView {
            id: operation.id,
            call_id: operation.call_id,
            client_context: operation.client_context.map(|context| context.as_str().to_owned()),
            status: operation.status,
            created_at: operation.created_at,
            modified_at: operation.modified_at,
            expectation: operation.expectation,
            proof: operation.proof,
            call_end: operation.call_end,
            events,
        }
    });
    shown.collect()
}

/// The newest events of an operation, oldest first. No more are counted than SQLite counts.
pub fn newest_events(rows: &Rows, operation: i64, limit: usize) -> NewestEvents {
    let numbers: Vec<i64> = rows.events_of.get(&operation).into_iter().flatten().copied().collect();
    let newest = &numbers[numbers.len().saturating_sub(limit)..];
    let events = newest.iter().filter_map(|number| rows.events.get(number)).map(|row| rows.event_view(row)).collect();
    let n = numbers.len().min(2_000);
    NewestEvents { events, counted: Counted { n: n as u64, is_all: n < 2_000 } }
}

/// The dead letters that are meant, the earliest first.
pub fn dead<'a>(rows: &'a Rows, which: &'a DeadFilter) -> impl DoubleEndedIterator<Item = DeliveryView> + 'a {
    let is_meant = |row: &&super::rows::DeliveryRow| {
        let (view, reason) = (&row.view, row.view.reason.to_lowercase());
        view.state == DeliveryState::Dead
            && which.sink.as_ref().is_none_or(|sink| row.new.sink == *sink)
            && which.reason.as_ref().is_none_or(|part| reason.contains(&part.to_lowercase()))
            && which.since.is_none_or(|since| view.at >= since)
            && which.until.is_none_or(|until| view.at <= until)
    };
    rows.deliveries.values().filter(is_meant).map(super::rows::DeliveryRow::shown)
}

/// The dead letters that are meant behind one of them, sink by sink, the earliest of each first.
pub fn dead_keys(rows: &Rows, which: &DeadFilter, after: Option<&DeadKey>, limit: usize) -> Vec<DeadKey> {
    let place = |it: &DeadKey| (it.sink.clone(), ids::delivery_row(it.id.0));
    let mut keys: Vec<DeadKey> = dead(rows, which).map(|it| DeadKey { sink: it.sink, id: it.id }).collect();
    keys.sort_by_key(place);
    keys.retain(|key| after.is_none_or(|after| place(key) > place(after)));
    keys.truncate(limit);
    keys
}

/// How many are meant of the first ones of the wanted sink.
pub fn count_dead(rows: &Rows, which: &DeadFilter, most: usize) -> Counted {
    let of_sink = DeadFilter { sink: which.sink.clone(), ..DeadFilter::default() };
    let looked: BTreeSet<DeliveryId> = dead(rows, &of_sink).take(most).map(|it| it.id).collect();
    let n = dead(rows, which).filter(|it| looked.contains(&it.id)).count() as u64;
    Counted { n, is_all: looked.len() < most }
}

/// How many are meant of the oldest entries.
pub fn count_quarantined(rows: &Rows, which: &QuarantineFilter, most: usize) -> Counted {
    let looked: BTreeSet<i64> = rows.quarantine.keys().take(most).copied().collect();
    let n = quarantine(rows, which).filter(|it| looked.contains(&it.id)).count() as u64;
    Counted { n, is_all: looked.len() < most }
}

/// The last failed attempt of the deliveries that wait for a sink.
pub fn last_failure(rows: &Rows, sink: &SinkName) -> Option<FailedAttempt> {
    let waiting = rows.deliveries.values().filter(|row| row.view.state == DeliveryState::Open && row.new.sink == *sink);
    let failures = waiting.filter(|row| !row.is_leased).filter_map(|row| row.view.failures.last());
    failures.max_by_key(|failure| failure.started_at).cloned()
}

/// Looks at deliveries in the order of their events.
pub fn delivered(rows: &Rows, which: &Delivered, (after, limit): (Option<DeliveryId>, usize)) -> Looked {
    let first = after.map_or(0, |id| ids::delivery_row(id.0) + 1);
    let of_time = rows.deliveries.range(first..).filter_map(|(number, row)| {
        let event = rows.events.get(&ids::event_of(*number))?;
        (event.view.received_at >= which.since).then_some((row, event))
    });
    let seen: Vec<_> = of_time.take(limit).collect();
    let is_meant = |(row, event): &&(&super::rows::DeliveryRow, &EventRow)| {
        row.view.state == DeliveryState::Delivered
            && row.view.resend_of.is_none()
            && row.view.created_at <= which.until
            && row.view.at <= which.delivered_until
            && which.means(row.new.sink.as_str(), row.new.route.as_str(), &event.view.kind)
    };
    let last = seen.last().filter(|_| seen.len() == limit).map(|(row, _)| row.view.id);
    let found = seen.iter().filter(is_meant).map(|(row, event)| Found {
        id: row.view.id,
        sink: row.new.sink.clone(),
        kind: event.view.kind.clone(),
    });
    let found = found.collect();
    Looked { found, n_seen: seen.len(), last }
}

/// A delivery by its id.
pub fn delivery(rows: &Rows, id: DeliveryId) -> Option<DeliveryView> {
    rows.deliveries.get(&ids::delivery_row(id.0)).filter(|row| row.view.id == id).map(super::rows::DeliveryRow::shown)
}

/// A page of unmatched events, oldest first.
pub fn unmatched_after(rows: &Rows, after: Option<EventId>, limit: usize) -> Vec<EventView> {
    let first = after.map_or(0, |id| ids::event_row(id.0)).saturating_add(1);
    let found = rows.events.range(first..).map(|(_, row)| row).filter(|row| !row.is_matched);
    found.take(limit).map(|row| rows.event_view(row)).collect()
}

/// Quarantine entries that are meant, oldest first, without their bytes.
pub fn quarantine<'a>(
    rows: &'a Rows,
    which: &'a QuarantineFilter,
) -> impl DoubleEndedIterator<Item = QuarantineView> + 'a {
    let is_meant = |it: &QuarantineView| {
        which.reason.is_none_or(|reason| it.reason == reason)
            && which.since.is_none_or(|since| it.received_at >= since)
            && which.until.is_none_or(|until| it.received_at <= until)
            && which.unchecked_since.is_none_or(|at| !it.is_wished && it.verified_at.is_none_or(|it| it <= at))
    };
    let shown = rows.quarantine.values().map(|row| QuarantineView { raw: None, ..row.shown() });
    shown.filter(is_meant)
}

/// Events after one that may be gone: its id tells its place. An id whose number was not given yet is another store's.
pub fn stream(rows: &Rows, after: Option<EventId>, limit: usize) -> Vec<StreamedEvent> {
    let after = after.map(|id| ids::event_row(id.0)).filter(|number| *number <= rows.last[0]);
    let found = rows.events.range(after.unwrap_or_default().saturating_add(1)..);
    found.take(limit).map(|(_, row)| streamed(rows, row)).collect()
}

/// The last events, newest first.
pub fn latest(rows: &Rows, limit: usize) -> Vec<StreamedEvent> {
    rows.events.values().rev().take(limit).map(|row| streamed(rows, row)).collect()
}

fn streamed(rows: &Rows, row: &EventRow) -> StreamedEvent {
    StreamedEvent { event: row.view.clone(), metadata: rows.metadata_of(row) }
}

/// The newest operation that has the id, or whose expectation has it.
pub fn get(rows: &Rows, id: &GraphId, call_id: Option<&GraphId>) -> Option<Operation> {
    let is_of_call = |call: &str| call_id.is_none_or(|wanted| wanted.as_str() == call);
    let found = rows.of_id(id.as_str()).rev().find(|row| is_of_call(call_of(&row.base)))?;
    rows.operation(found.base.number)
}

/// A page of operations, without tokens.
pub fn page(rows: &Rows, question: &Question<'_>) -> Vec<Operation> {
    let order = question.order;
    let place = |operation: &Operation| order.cursor(&Subject::from(operation), operation.number);
    let is_after =
        |cursor: &Cursor| question.after.is_none_or(|after| order.compare(cursor, after) == Ordering::Greater);
    let newest = newest(rows, question.inside.map_or(usize::MAX, |inside| inside.n_newest));
    let is_inside = |operation: &&Operation| {
        let context = operation.client_context.as_ref().map(|it| it.as_str().to_ascii_lowercase());
        question.inside.is_none_or(|inside| {
            newest.contains(&operation.number)
                && context.is_some_and(|context| context.contains(&inside.text.to_ascii_lowercase()))
        })
    };
    let found = matching(rows, question.call_id, question.filter)
        .filter(is_inside)
        .map(|operation| (place(operation), operation.number));
    let mut found: Vec<(Cursor, i64)> = found.filter(|(cursor, _)| is_after(cursor)).collect();
    found.sort_by(|(a, _), (b, _)| OrderBy::compare(order, a, b));
    let found = found.into_iter().take(question.limit).filter_map(|(_, number)| rows.operation(number));
    found.map(|operation| Operation { recording_access_token: None, ..operation }).collect()
}

/// The numbers of the newest operations.
fn newest(rows: &Rows, n: usize) -> BTreeSet<i64> {
    let mut all: Vec<_> = rows.operations.values().map(|row| (row.base.created_at, row.base.number)).collect();
    all.sort_by(|a, b| b.cmp(a));
    all.into_iter().take(n).map(|(_, number)| number).collect()
}

/// How many operations match.
pub fn count(rows: &Rows, call_id: Option<&GraphId>, filter: Option<&Filter>) -> u64 {
    matching(rows, call_id, filter).count() as u64
}

fn matching<'a>(
    rows: &'a Rows,
    call_id: Option<&'a GraphId>,
    filter: Option<&'a Filter>,
) -> impl Iterator<Item = &'a Operation> {
    let of_call = move |operation: &&Operation| call_id.is_none_or(|call| call.as_str() == call_of(operation));
    let matches = move |operation: &&Operation| filter.is_none_or(|filter| filter.matches(&Subject::from(*operation)));
    rows.operations.values().map(|row| &row.base).filter(of_call).filter(matches)
}
