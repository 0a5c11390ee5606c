//! The suite of what is asked about operations and events: `reelhook::store::Operations`, its reads.

use super::*;
use std::pin::pin;

use futures_util::FutureExt;
use proptest::prelude::*;
use reelhook::domain::{EventId, ExpectationState, Operation, QuarantineClass, ResultInfo};
use reelhook::odata::{Cursor, Filter, OrderBy, Property, Subject};
use reelhook::store::operations::{Created, NewOperation, Question};
use reelhook::store::{EventView, StreamedEvent, Tallies, Tally};

use crate::recording_sink::PATIENCE;

/// One test for each public function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, reads:
            an_operation_is_got_by_any_spelling_of_its_id_and_by_its_call,
            an_expectations_id_goes_on_naming_its_operation,
            only_get_has_the_token,
            the_newest_events_of_an_operation_are_read_in_their_order_and_counted,
            pages_go_on_while_rows_come_and_go,
            a_list_of_a_call_holds_its_operations_alone,
            what_matches_is_counted,
            what_somebody_may_have_to_look_at_is_tallied,
            removed_rows_are_tallied_no_more,
            events_are_streamed_in_order_and_resumed,
            a_streamed_event_carries_what_was_announced,
            an_event_that_retention_removed_still_marks_its_place,
            what_was_refused_holds_no_event_back,
            a_request_that_gave_up_holds_no_event_back,
            a_resumed_stream_passes_over_nothing_while_many_accept,
            an_event_of_another_store_is_before_everything,
            whoever_waits_for_an_operation_is_told_once_it_is_committed,
            streams_are_told_of_events_and_of_nothing_else,
        );
    };
}
pub(super) use suite;

const ALL: usize = 1000;

fn id(text: &str) -> GraphId {
    GraphId::new(text).unwrap()
}

async fn page(test: &TestStore, order: &OrderBy, after: Option<&Cursor>) -> Vec<Operation> {
    let question = Question { after, ..Question::first(order, 3) };
    test.operations.list(question).await.unwrap()
}

async fn found(test: &TestStore, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Vec<Operation> {
    let order = OrderBy::default();
    let question = Question { call_id, filter, ..Question::first(&order, ALL) };
    test.operations.list(question).await.unwrap()
}

fn ids(operations: &[Operation]) -> Vec<&str> {
    operations.iter().map(|operation| operation.id.as_str()).collect()
}

// Get.

pub async fn an_operation_is_got_by_any_spelling_of_its_id_and_by_its_call(test: TestStore) {
    let (plain, dashed) = ("0FE0623FD62842EDB4BD8AC290072CC5", "0fe0623f-d628-42ed-b4bd-8ac290072cc5");
    test.accept(vec![recording(plain).call(Some("a")).to(&[]), recording(dashed).call(Some("b")).to(&[])]).await;
    for spelling in [plain, dashed] {
        let call = async |call: Option<&str>| {
            let call = call.map(id);
            let got = test.operations.get(&id(spelling), call.as_ref()).await.unwrap();
            got.map(|operation| (operation.id, operation.call_id.unwrap()))
        };
        assert_eq!(call(Some("a")).await, Some((dashed.into(), "a".into())));
        assert_eq!(call(Some("b")).await, Some((dashed.into(), "b".into())));
        assert_eq!(call(None).await, Some((dashed.into(), "b".into())), "the newest");
        assert_eq!(call(Some("c")).await, None);
    }
    assert!(test.operations.get(&id("another"), None).await.unwrap().is_none());
}

/// Announces an operation with metadata; returns the id that it has for now.
async fn announce(test: &TestStore, context: &str) -> String {
    match test.operations.create(announcement(context)).await.unwrap() {
        Created::New(operation) => operation.id,
        other => panic!("{other:?}"),
    }
}

fn announcement(context: &str) -> NewOperation {
    NewOperation { metadata: Some("{\"order\":7}".into()), ..crate::test_app::announcement(context) }
}

pub async fn an_expectations_id_goes_on_naming_its_operation(test: TestStore) {
    let announced = announce(&test, "x").await;
    let got = async |name: &str| test.operations.get(&id(name), None).await.unwrap().map(|operation| operation.id);
    assert_eq!(got(&announced).await, Some(announced.clone()));
    test.accept(vec![recording("1").context("x").to(&[])]).await;
    for name in [announced.as_str(), "1"] {
        assert_eq!(got(name).await.as_deref(), Some("1"));
        let shown = test.store.operations(name).await.unwrap();
        assert_eq!(shown.iter().map(|view| (view.id.as_str(), view.events.len())).collect::<Vec<_>>(), [("1", 1)]);
        let filter = Filter::parse(&format!("id eq '{name}'")).unwrap();
        let listed = found(&test, None, Some(&filter)).await;
        assert_eq!(listed.len(), usize::from(name == "1"), "a filter asks for the id that it has");
    }
}

pub async fn only_get_has_the_token(test: TestStore) {
    let result = ResultInfo { code: 200, subcode: 0, message: Some("all is well".into()) };
    let told = recording("1").token("canary").with(|operation| operation.result_info = Some(result.clone()));
    test.accept(vec![told.to(&[])]).await;
    let listed = found(&test, None, None).await.remove(0);
    let got = test.operations.get(&id("1"), None).await.unwrap().unwrap();
    assert!(listed.recording_access_token.is_none());
    assert_eq!(got.recording_access_token.as_ref().unwrap().expose_secret(), "canary");
    for operation in [listed, got] {
        assert_eq!(operation.recording_location.as_deref(), Some("https://file.location/1"));
        assert_eq!(operation.result_info.as_ref(), Some(&result));
    }
}

pub async fn the_newest_events_of_an_operation_are_read_in_their_order_and_counted(test: TestStore) {
    let contexts: Vec<String> = (0..450).map(|n| n.to_string()).collect();
    for (n, some) in (0..).zip(contexts.chunks(90)) {
        // Another operation's events are between them; and after the end, nothing changes the operation any more.
        test.accept(vec![recording(&format!("other-{n}")).to(&[])]).await;
        test.accept(some.iter().map(|context| link(context, "archive")).collect()).await;
        let end = recording("chain").status(Status::Completed).raw(&n.to_string()).context(&format!("end-{n}"));
        test.accept(vec![end.to(&["crm"])]).await;
    }
    let chain = test.operations.get(&id("chain"), None).await.unwrap().unwrap();
    let all = test.store.operations("chain").await.unwrap().remove(0).events;
    assert_eq!(all.len(), 455);
    for limit in [1, 200, 300, 455, 900] {
        let newest = test.store.newest_events(chain.number, limit).await.unwrap();
        assert_eq!((newest.counted.n, newest.counted.is_all), (455, true));
        let told = |events: &[EventView]| events.iter().map(|it| (it.id, it.deliveries.len())).collect::<Vec<_>>();
        assert_eq!(told(&newest.events), told(&all[455usize.saturating_sub(limit)..]), "{limit}");
    }
    test.accept((0..2_000).map(|n| link(&format!("more-{n}"), "archive")).collect()).await;
    let newest = test.store.newest_events(chain.number, 200).await.unwrap();
    assert_eq!((newest.events.len(), newest.counted.n, newest.counted.is_all), (200, 2_000, false));
    assert_eq!(newest.events[199].client_context.as_deref(), Some("more-1999"));
    assert_eq!(newest.events[0].client_context.as_deref(), Some("more-1800"));
    let none = test.store.newest_events(chain.number + 1_000, 200).await.unwrap();
    assert_eq!((none.events.len(), none.counted.n), (0, 0));
}

// Lists.

pub async fn pages_go_on_while_rows_come_and_go(test: TestStore) {
    let add = async |names: std::ops::Range<u32>| {
        for n in names {
            test.accept(vec![recording(&format!("op-{n}")).to(&[])]).await;
        }
    };
    add(0..10).await;
    test.pass(HOUR * 24 * 20);
    add(10..20).await;
    let order = OrderBy::default();
    let (mut seen, mut after) = (Vec::new(), None);
    for n in 20.. {
        let rows = page(&test, &order, after.as_ref()).await;
        let Some(last) = rows.last() else { break };
        after = Some(order.cursor(&Subject::from(last), last.number));
        seen.extend(rows.iter().map(|operation| operation.id.clone()));
        add(n..n + 1).await;
        if n == 21 {
            test.pass(HOUR * 24 * 10);
            test.sweep().await;
        }
    }
    let expected: Vec<String> = (10..20).rev().map(|n| format!("op-{n}")).collect();
    assert_eq!(seen, expected, "what stayed stands there once; what went before its page does not");
}

pub async fn a_list_of_a_call_holds_its_operations_alone(test: TestStore) {
    let calls = ["571f5500-0000-0000-0000-000000000001", "571f5500-0000-0000-0000-000000000002", "short", "shor"];
    for (n, call) in calls.iter().chain(&calls).enumerate() {
        test.accept(vec![recording(&n.to_string()).call(Some(call)).context("x").to(&[])]).await;
    }
    test.accept(vec![recording("none").call(None).to(&[])]).await;
    for (n, call) in calls.into_iter().enumerate() {
        let expected = [(n + 4).to_string(), n.to_string()];
        assert_eq!(ids(&found(&test, Some(&id(call)), None).await), expected);
        let filter = Filter::parse(&format!("callId eq '{call}' and clientContext eq 'x'")).unwrap();
        assert_eq!(ids(&found(&test, None, Some(&filter)).await), expected);
        assert_eq!(test.operations.count(Some(&id(call)), None).await.unwrap(), 2);
        let other = Filter::parse("callId eq 'another'").unwrap();
        assert!(found(&test, Some(&id(call)), Some(&other)).await.is_empty());
    }
}

pub async fn what_matches_is_counted(test: TestStore) {
    let filter = Filter::parse("status eq 'failed'").unwrap();
    assert_eq!(test.operations.count(None, None).await.unwrap(), 0);
    for n in 0..5 {
        let status = if n < 2 { Status::Failed } else { Status::Running };
        test.accept(vec![recording(&n.to_string()).status(status).to(&[])]).await;
    }
    assert_eq!(test.operations.count(None, None).await.unwrap(), 5);
    assert_eq!(test.operations.count(None, Some(&filter)).await.unwrap(), 2);
}

fn tally(n: u64, oldest_at: Timestamp) -> Tally {
    Tally { n, oldest_at: (n > 0).then_some(oldest_at) }
}

/// The tallies: of strangers' quarantine entries, unmatched events, and waiting, overdue and lost expectations.
async fn tallied(test: &TestStore) -> [Tally; 5] {
    let Tallies { quarantine, unmatched, expectations } = test.store.tallies().await.unwrap();
    assert_eq!(quarantine.map(|(class, _)| class), QuarantineClass::ALL);
    assert_eq!(quarantine[1..].iter().map(|(_, tally)| tally.n).sum::<u64>(), 0);
    assert_eq!(expectations.map(|(state, _)| state), ExpectationState::UNMET);
    let [waiting, overdue, lost] = expectations.map(|(_, tally)| tally);
    [quarantine[0].1, unmatched, waiting, overdue, lost]
}

/// Announces an operation, and raises its deadline a minute later.
async fn overdue(test: &TestStore, context: &str) {
    let expected_by = Some(test.clock.now() + SignedDuration::from_secs(30));
    let new = NewOperation { expected_by, ..announcement(context) };
    test.operations.create(new).await.unwrap();
    test.pass(SignedDuration::from_secs(60));
    for due in test.store.due(9).await.unwrap() {
        test.store.raise(due, vec![delivery_to("crm")], &test.reception).await.unwrap();
    }
}

pub async fn what_somebody_may_have_to_look_at_is_tallied(mut test: TestStore) {
    let start = test.clock.now();
    assert_eq!(tallied(&test).await, [Tally::default(); 5]);
    announce(&test, "a").await;
    test.accept_batch(vec![resource("{\"n\":1}").to(&[])], vec![refused("1")]).await.unwrap();
    test.pass(SignedDuration::from_secs(10));
    announce(&test, "b").await;
    let later = vec![resource("{\"n\":2}").to(&[]), resource("{\"n\":3}").to(&["crm"])];
    test.accept_batch(later, vec![refused("2")]).await.unwrap();
    let expected = [tally(2, start), tally(2, start), tally(2, start), tally(0, start), tally(0, start)];
    assert_eq!(tallied(&test).await, expected);
    test.reopen(|_| {}).await;
    assert_eq!(tallied(&test).await, expected);

    let (later, event) = (test.clock.now(), test.store.unmatched_after(None, 1).await.unwrap()[0].id);
    test.store.route_again(event, vec![delivery_to("crm")]).await.unwrap();
    test.store.end_wish(1, None).await.unwrap();
    test.accept(vec![recording("1").context("a").to(&["crm"])]).await;
    overdue(&test, "c").await;
    let expected = [tally(1, later), tally(1, later), tally(1, later), tally(1, later), tally(0, later)];
    assert_eq!(tallied(&test).await, expected, "each was dealt with, and one operation is overdue");
}

pub async fn removed_rows_are_tallied_no_more(mut test: TestStore) {
    test.accept_batch(vec![resource("{}").to(&[])], vec![refused("1"), refused("2")]).await.unwrap();
    overdue(&test, "c").await;
    assert_eq!(tallied(&test).await.map(|tally| tally.n), [2, 1, 0, 1, 0]);
    test.pass(HOUR * 24 * 60);
    test.reopen(|settings| settings.quarantine_max_entries = 1).await;
    let operation = &found(&test, None, None).await[0];
    test.operations.delete(operation.number, None, true).await.unwrap();
    test.sweep().await;
    assert_eq!(tallied(&test).await.map(|tally| tally.n), [1, 0, 0, 0, 0]);
}

/// Few and close to one another, so that conditions hold now and then.
const CONTEXTS: [Option<&str>; 5] = [None, Some(""), Some("a"), Some("ab"), Some("it's 100%_")];
const STATUSES: [&str; 4] = ["running", "completed", "failed", "paused"];
const OPERATION_IDS: [&str; 3] = ["0fe0623f-d628-42ed-b4bd-8ac290072cc5", "op-1", "op-2"];
const CALLS: [Option<&str>; 3] = [None, Some("call-1"), Some("call-10")];
const REASONS: [Option<&str>; 3] = [None, Some("stopToneDetected"), Some("a")];
const CODES: [Option<i64>; 3] = [None, Some(200), Some(-1)];

fn any_told() -> impl Strategy<Value = Told> {
    let texts = (0..CONTEXTS.len(), 0..STATUSES.len(), 0..OPERATION_IDS.len(), 0..CALLS.len());
    (texts, 0..REASONS.len(), 0..CODES.len(), 0i64..2).prop_map(|(texts, reason, code, subcode)| {
        let (context, status, name, call) = texts;
        let told = recording(OPERATION_IDS[name]).call(CALLS[call]).status(Status::parse(STATUSES[status]));
        let mut told = told.with(|operation| {
            operation.completion_reason = REASONS[reason].map(Into::into);
            operation.result_info = CODES[code].map(|code| ResultInfo { code, subcode, message: None });
        });
        if let Some(context) = CONTEXTS[context] {
            told = told.context(context);
        }
        let raw = format!("{} {context} {reason} {code} {subcode}", told.raw_text());
        told.raw(&raw)
    })
}

fn text() -> impl Strategy<Value = String> {
    let texts = CONTEXTS.iter().chain(&CALLS).chain(&REASONS).flatten().chain(&STATUSES).chain(&OPERATION_IDS);
    let texts: Vec<String> = texts.map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
    prop::sample::select(texts)
}

fn condition() -> impl Strategy<Value = String> {
    let properties = prop::sample::select(vec![
        Property::ClientContext,
        Property::Status,
        Property::CompletionReason,
        Property::Id,
        Property::CallId,
        Property::TenantId,
        Property::ExpectationState,
    ]);
    let operators = prop::sample::select(vec!["eq", "eq", "eq", "ne", "gt", "ge", "lt", "le"]);
    let functions = prop::sample::select(vec!["startsWith", "endsWith", "contains"]);
    let numbers = prop::sample::select(vec!["resultInfo/code", "resultInfo/subcode"]);
    let seconds = 1_800_000_000i64..1_800_000_004;
    let instants = prop::sample::select(vec!["createdDateTime", "lastModifiedDateTime"]);
    prop_oneof![
        4 => (properties.clone(), operators.clone(), text()).prop_map(|(p, o, t)| format!("{p} {o} {t}")),
        1 => (properties.clone(), prop::sample::select(vec!["eq", "ne"])).prop_map(|(p, o)| format!("{p} {o} null")),
        1 => (properties.clone(), text(), text()).prop_map(|(p, a, b)| format!("{p} in ({a}, {b})")),
        1 => (functions, properties, text()).prop_map(|(f, p, t)| format!("{f}({p},{t})")),
        1 => (numbers, operators.clone(), -1i64..201).prop_map(|(p, o, n)| format!("{p} {o} {n}")),
        1 => (instants, operators, seconds).prop_map(|(p, o, at)| {
            format!("{p} {o} {}", Timestamp::from_second(at).unwrap())
        }),
    ]
}

fn any_filter() -> impl Strategy<Value = String> {
    condition().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" and "))),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" or "))),
            1 => inner.prop_map(|filter| format!("not ({filter})")),
        ]
    })
}

async fn filters_agree(told: Vec<Told>, filters: Vec<String>) {
    let test = TestStore::new(open_sqlite);
    for told in told {
        test.accept(vec![told.to(&[])]).await;
        test.pass(SignedDuration::from_millis(400));
    }
    let all = found(&test, None, None).await;
    for filter in filters {
        let parsed = Filter::parse(&filter).unwrap();
        let expected = all.iter().filter(|operation| parsed.matches(&Subject::from(*operation)));
        let expected: Vec<i64> = expected.map(|operation| operation.number).collect();
        let matching = found(&test, None, Some(&parsed)).await;
        let numbers: Vec<i64> = matching.iter().map(|operation| operation.number).collect();
        assert_eq!(numbers, expected, "{filter}");
        let n = test.operations.count(None, Some(&parsed)).await.unwrap();
        assert_eq!(n, expected.len() as u64, "{filter}");
        for call in CALLS.into_iter().flatten() {
            let of_call = found(&test, Some(&id(call)), Some(&parsed)).await;
            let expected = matching.iter().filter(|operation| operation.call_id.as_deref() == Some(call));
            assert_eq!(ids(&of_call), expected.map(|operation| operation.id.as_str()).collect::<Vec<_>>(), "{filter}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_filter_finds_in_the_store_what_it_matches_in_memory(
        told in prop::collection::vec(any_told(), 1..40),
        filters in prop::collection::vec(any_filter(), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(filters_agree(told, filters));
    }
}

// The stream.

async fn streamed(test: &TestStore, after: Option<EventId>, limit: usize) -> Vec<StreamedEvent> {
    test.store.stream(after, limit).await.unwrap()
}

fn event_ids(events: &[StreamedEvent]) -> Vec<EventId> {
    events.iter().map(|streamed| streamed.event.id).collect()
}

fn event_of(stored: &[Stored]) -> EventId {
    let Stored::New { event, .. } = stored[0] else { panic!("{stored:?}") };
    event
}

/// All events, read some at a time.
async fn read_through(test: &TestStore, mut after: Option<EventId>, limit: usize) -> Vec<EventId> {
    let mut read = Vec::new();
    loop {
        let events = event_ids(&streamed(test, after, limit).await);
        let Some(last) = events.last() else { return read };
        after = Some(*last);
        read.extend(events);
    }
}

pub async fn events_are_streamed_in_order_and_resumed(mut test: TestStore) {
    assert!(streamed(&test, None, ALL).await.is_empty());
    assert_eq!(test.store.newest_event().await.unwrap(), None);
    let mut accepted = Vec::new();
    for told in [recording("1").status(Status::Running), recording("1").context("x"), resource("{\"a\":1}")] {
        accepted.push(event_of(&test.accept(vec![told.clone().versioned().to(&["archive"])]).await));
        assert!(is_duplicate(&test.accept(vec![told.versioned().to(&["archive"])]).await[0]));
    }
    for _ in 0..2 {
        let events = streamed(&test, None, ALL).await;
        assert_eq!(event_ids(&events), accepted);
        assert_eq!(read_through(&test, None, 1).await, accepted);
        assert_eq!(read_through(&test, Some(accepted[0]), 2).await, accepted[1..]);
        assert_eq!(test.store.newest_event().await.unwrap(), Some(accepted[2]));
        let kinds: Vec<_> = events.iter().map(|streamed| streamed.event.kind.as_str()).collect();
        assert_eq!(kinds, ["recordOperation.running", "recordOperation.completed", "chatMessage.updated"]);
        assert_eq!(events[1].event.client_context.as_deref(), Some("x"));
        assert_eq!(events[2].event.data, "{\"a\":1}");
        test.reopen(|_| {}).await;
    }
}

pub async fn a_streamed_event_carries_what_was_announced(test: TestStore) {
    announce(&test, "x").await;
    test.accept(vec![recording("1").context("x").to(&[]), recording("2").context("y").to(&[])]).await;
    let events = streamed(&test, None, ALL).await;
    let metadata: Vec<_> = events.iter().map(|streamed| streamed.metadata.as_deref()).collect();
    assert_eq!(metadata, [Some("{\"order\":7}"), None]);
}

pub async fn an_event_that_retention_removed_still_marks_its_place(mut test: TestStore) {
    let first = event_of(&test.accept(vec![recording("1").to(&[])]).await);
    let second = event_of(&test.accept(vec![recording("2").to(&[])]).await);
    test.pass(HOUR * 24 * 60);
    test.sweep().await;
    assert!(streamed(&test, None, ALL).await.is_empty());
    // After a restart the numbers go on where they were, although nothing is left that has one.
    test.reopen(|_| {}).await;
    let third = event_of(&test.accept(vec![recording("3").to(&[])]).await);
    for after in [None, Some(first), Some(second)] {
        assert_eq!(event_ids(&streamed(&test, after, ALL).await), [third]);
    }
    assert!(streamed(&test, Some(third), ALL).await.is_empty());
}

/// More deliveries than an event can have: refused after its number was given.
fn too_many(name: &str) -> Accepted {
    Accepted { deliveries: (0..4097).map(|n| delivery_to(&n.to_string())).collect(), ..recording(name).to(&[]) }
}

pub async fn what_was_refused_holds_no_event_back(test: TestStore) {
    let too_many = vec![recording("1").to(&[]), too_many("2")];
    assert!(test.accept_batch(too_many, Vec::new()).await.is_err());
    assert!(test.accept(Vec::new()).await.is_empty());
    let event = event_of(&test.accept(vec![recording("3").to(&[])]).await);
    assert_eq!(event_ids(&streamed(&test, None, ALL).await), [event]);
}

pub async fn a_request_that_gave_up_holds_no_event_back(test: TestStore) {
    let gave_up = test.accept(vec![recording("1").to(&[])]).now_or_never();
    assert!(gave_up.is_none(), "it waited for the commit");
    test.accept(vec![recording("2").to(&[])]).await;
    let ended = test.store.ready().await;
    assert!(ended.is_ok());
    assert_eq!(streamed(&test, None, ALL).await.len(), 2);
}

pub async fn a_resumed_stream_passes_over_nothing_while_many_accept(test: TestStore) {
    // A large item is longer on its way than small ones: their commits overtake it.
    let intakes = [(15, 400_000), (150, 1), (150, 1), (150, 1)];
    let total: usize = intakes.iter().map(|(n_requests, _)| n_requests).sum();
    let runtime = tokio::runtime::Handle::current();
    let intakes = intakes.into_iter().zip('a'..).map(|((n_requests, n_bytes), intake)| {
        let (store, runtime, received_at) = (Arc::clone(&test.store), runtime.clone(), test.clock.now());
        std::thread::spawn(move || {
            for n in 0..n_requests {
                let accept =
                    |accepted| runtime.block_on(store.accept(Batch { received_at, accepted, quarantined: Vec::new() }));
                let name = format!("{intake}-{n}");
                let told = recording(&name).raw(&name.repeat(n_bytes));
                accept(vec![told.to(&[])]).unwrap();
                if n % 75 == 1 {
                    assert!(accept(vec![too_many(&name)]).is_err());
                }
            }
        })
    });
    let intakes: Vec<_> = intakes.collect();
    let mut told = test.process.changes.of_events();
    let mut read = Vec::new();
    while read.len() < total {
        let after = read.last().copied();
        read.extend(event_ids(&streamed(&test, after, 7).await));
        if read.last().copied() == after {
            let patience = tokio::time::timeout(PATIENCE, told.changed()).await;
            assert!(patience.is_ok(), "read {} of {total} events and was not told of more", read.len());
        }
    }
    intakes.into_iter().for_each(|intake| intake.join().unwrap());
    assert_eq!(read, event_ids(&streamed(&test, None, ALL).await));
    assert!(streamed(&test, read.last().copied(), ALL).await.is_empty());
}

pub async fn an_event_of_another_store_is_before_everything(test: TestStore) {
    let other = TestStore::new(test.open);
    let theirs = other.accept((0..9).map(|n| recording(&n.to_string()).to(&[])).collect()).await;
    let ours = event_of(&test.accept(vec![recording("1").to(&[])]).await);
    assert_eq!(event_ids(&streamed(&test, Some(event_of(&theirs[8..])), ALL).await), [ours]);
}

// Who waits.

pub async fn whoever_waits_for_an_operation_is_told_once_it_is_committed(test: TestStore) {
    test.accept(vec![recording("1").status(Status::Running).to(&[]), recording("2").to(&[])]).await;
    let number = async |name: &str| test.operations.get(&id(name), None).await.unwrap().unwrap().number;
    let (waiter, other) =
        (test.process.changes.of_operation(number("1").await), test.process.changes.of_operation(number("2").await));
    let (mut changed, mut other) = (pin!(waiter.changed()), pin!(other.changed()));
    assert!(!changed.as_mut().enable() && !other.as_mut().enable());
    test.accept(vec![recording("1").to(&[])]).await;
    assert!(changed.now_or_never().is_some());
    assert!(other.now_or_never().is_none());
    assert_eq!(test.operations.get(&id("1"), None).await.unwrap().unwrap().status, Status::Completed);
}

pub async fn streams_are_told_of_events_and_of_nothing_else(test: TestStore) {
    let mut told = test.process.changes.of_events();
    let event = event_of(&test.accept(vec![recording("1").to(&["archive"])]).await);
    told.changed().await.unwrap();
    assert_eq!(test.store.newest_event().await.unwrap(), Some(event));
    let lease = test.lease_one("archive").await;
    test.deliver(lease).await;
    // Groups end one after the other: once this one did, the last one's streams would have been told.
    test.store.ready().await.unwrap();
    assert!(!told.has_changed().unwrap());
}
