//! The suite of what is announced, watched, changed and removed: `reelhook::store::Operations`, its writes.

use super::*;
use reelhook::domain::{
    CallEnd, EndedCall, Expectation, ExpectationState, Operation, RepeatOf, Request, ResultInfo, Watch, WhyEnded,
};
use reelhook::odata::Filter;
use reelhook::store::operations::{Change, Created, Deleted, NewOperation, Updated};
use reelhook::store::{Due, Newest, Raised};

pub(super) use crate::test_app::announcement as new;

const RECOVERED: &str = "recordOperation.recovered";

/// One test for each public function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, writes:
            an_announced_operation_is_found_by_its_id_after_a_restart,
            the_first_notification_with_its_client_context_binds_an_expectation,
            a_bound_operation_answers_to_both_ids_after_a_restart,
            another_client_context_or_call_binds_nothing,
            the_oldest_of_several_expectations_is_bound,
            a_bound_expectation_binds_no_second_operation,
            an_expectation_with_graphs_id_is_bound_by_it_alone,
            what_graph_said_to_the_client_does_not_go_back,
            an_expectations_sinks_go_before_the_routes,
            an_expectation_without_sinks_leaves_them_to_the_routes,
            the_same_announced_twice_is_one_operation,
            concurrent_announcements_of_one_operation_are_one,
            what_was_missing_is_added_and_what_was_there_stays,
            another_call_with_the_client_context_is_refused_unless_allowed,
            what_was_given_up_keeps_its_client_context_from_nobody,
            graphs_id_that_is_announced_later_binds,
            a_client_state_alone_neither_binds_nor_ends_what_was_announced,
            what_graph_told_first_is_joined,
            an_operation_that_ended_before_is_joined_by_its_id_alone,
            a_recording_whose_id_is_known_keeps_its_client_context_from_no_other_of_its_call,
            an_end_without_a_client_context_is_bound_where_one_announcement_of_its_call_is_open,
            a_change_needs_the_version_that_is_there,
            a_client_context_changes_only_while_nothing_has_started,
            a_client_context_of_another_open_operation_is_refused,
            what_nobody_announced_can_be_given_a_deadline,
            a_deadline_is_due_and_raised_once,
            a_raised_event_tells_what_is_known,
            deadlines_are_due_in_their_order_and_survive_a_restart,
            a_deadline_that_moved_is_not_raised_at_its_old_time,
            a_deadline_that_is_set_or_moved_wakes_the_watch,
            an_operation_that_ended_in_time_is_met,
            what_ended_between_due_and_raise_is_not_raised,
            what_was_removed_between_due_and_raise_is_not_raised,
            an_overdue_operation_that_ends_is_recovered_once,
            an_overdue_expectation_is_bound_and_recovered,
            raised_events_keep_their_turn,
            what_does_not_end_soon_after_its_call_is_lost,
            a_call_that_ends_twice_loses_its_operations_once,
            what_was_overdue_can_be_lost_but_not_the_other_way,
            a_lost_operation_that_nobody_announced_is_recovered,
            what_becomes_known_after_its_call_ended_is_lost_as_well,
            what_comes_out_of_the_quarantine_keeps_its_time_and_all_that_follows_begins_now,
            a_repeat_is_judged_by_when_both_were_received,
            an_entry_keeps_the_facts_of_its_request_and_they_count_as_its_bytes,
            an_ended_call_is_remembered_for_a_day,
            how_a_call_ended_is_told_with_its_operations,
            what_could_not_arrive_for_the_whole_grace_is_put_off,
            a_failure_without_a_recording_recovers_nothing,
            a_removed_operation_is_gone_and_new_when_graph_speaks_of_it,
            an_operation_with_open_deliveries_is_removed_by_force_alone,
            a_removed_expectation_binds_nothing,
            the_number_of_a_removed_operation_is_not_given_again,
            a_stream_goes_on_after_its_last_event_was_removed,
            retention_keeps_what_a_client_waits_for,
            an_expectation_that_was_given_up_goes_with_its_event,
            whoever_waits_is_told_of_every_change,
        );
    };
}
pub(super) use suite;

const COMPLETED: Status = Status::Completed;
const RUNNING: Status = Status::Running;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn of_call(context: &str, call: &str) -> NewOperation {
    NewOperation { call_id: GraphId::new(call), ..new(context) }
}

fn sinks(names: &[&str]) -> Vec<SinkName> {
    names.iter().map(|name| SinkName::new(name)).collect()
}

pub(super) async fn create(test: &TestStore, new: NewOperation) -> Operation {
    match test.operations.create(new).await.unwrap() {
        Created::New(operation) => *operation,
        other => panic!("{other:?}"),
    }
}

async fn same(test: &TestStore, new: NewOperation) -> Operation {
    match test.operations.create(new).await.unwrap() {
        Created::Same(operation) => *operation,
        other => panic!("{other:?}"),
    }
}

async fn create_due_in(test: &TestStore, context: &str, wait: SignedDuration) -> Operation {
    let expected_by = Some(test.clock.now() + wait);
    create(test, NewOperation { expected_by, sinks: sinks(&["crm"]), ..new(context) }).await
}

async fn get(test: &TestStore, id: &str) -> Option<Operation> {
    test.operations.get(&GraphId::new(id).unwrap(), None).await.unwrap()
}

/// The state of an operation's expectation, which a filter finds it by.
async fn state(test: &TestStore, id: &str) -> Option<ExpectationState> {
    let operation = get(test, id).await.unwrap();
    let state = operation.expectation.map(|expectation| expectation.state);
    for asked in ExpectationState::ALL.map(Some).into_iter().chain([None]) {
        let text = asked.map_or("null".to_owned(), |asked| format!("'{}'", asked.as_str()));
        let filter = Filter::parse(&format!("id eq '{}' and expectation/state eq {text}", operation.id)).unwrap();
        let n = test.operations.count(None, Some(&filter)).await.unwrap();
        assert_eq!(n > 0, asked == state, "{id}: {state:?}, found by {filter}");
    }
    state
}

async fn due(test: &TestStore) -> Vec<Due> {
    test.store.due(100).await.unwrap()
}

pub(super) async fn due_one(test: &TestStore) -> Due {
    let mut due = due(test).await;
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

pub(super) async fn raise(test: &TestStore, due: Due, sinks: &[&str]) -> bool {
    raised(test, due, sinks).await == Raised::Said
}

async fn raised(test: &TestStore, due: Due, sinks: &[&str]) -> Raised {
    test.store.raise(due, sinks.iter().map(|sink| delivery_to(sink)).collect(), &test.reception).await.unwrap()
}

async fn kinds(test: &TestStore, id: &str) -> Vec<String> {
    let operations = test.store.operations(id).await.unwrap();
    operations.into_iter().flat_map(|it| it.events).map(|event| event.kind).collect()
}

/// What Graph says of the end of a call.
pub(super) fn ended_call(call: &str) -> Told {
    let text = r##"{"@odata.type":"#microsoft.graph.call","state":"terminated"}"##;
    let notification = notification("call", Content::Resource(text.into()));
    let mut told = Told { notification, proof: Proof::BearerToken }.raw(call);
    told.notification.resource = format!("/communications/calls/{call}");
    told.notification.ended_call =
        GraphId::new(call).map(|call_id| Box::new(EndedCall { call_id, why: WhyEnded::default() }));
    told
}

pub(super) async fn end_call(test: &TestStore, call: &str) {
    test.accept(vec![ended_call(call).to(&[])]).await;
}

// 2. Binding.

pub async fn an_announced_operation_is_found_by_its_id_after_a_restart(mut test: TestStore) {
    let expected_by = test.clock.now() + MINUTE;
    let announced = NewOperation {
        call_id: GraphId::new("call"),
        tenant_id: Some("tenant".into()),
        metadata: Some(r#"{"case":7}"#.into()),
        sinks: sinks(&["crm"]),
        expected_by: Some(expected_by),
        ..new("support-1")
    };
    let made = create(&test, announced).await;
    test.reopen(|_| {}).await;
    let found = get(&test, &made.id).await.unwrap();
    assert_eq!((found.number, found.version, &found.status), (made.number, 1, &Status::NotStarted));
    assert_eq!((found.call_id.as_deref(), found.tenant_id.as_deref()), (Some("call"), Some("tenant")));
    assert_eq!(found.client_context, ClientContext::new("support-1"));
    let expectation = Expectation {
        id: made.id,
        state: ExpectationState::Waiting,
        announced_at: Some(test.clock.now()),
        expected_by: Some(expected_by),
        metadata: Some(r#"{"case":7}"#.into()),
        sinks: sinks(&["crm"]),
    };
    assert_eq!(found.expectation, Some(expectation));
}

pub async fn the_first_notification_with_its_client_context_binds_an_expectation(test: TestStore) {
    let made = create(&test, new("support-1")).await;
    let told = recording("1").context("support-1");
    let stored = test.accept(vec![told.clone().status(RUNNING).to(&["archive"])]).await;
    assert!(matches!(stored[0], Stored::New { order: Some(Order::First), ambiguous: false, .. }), "{stored:?}");
    let lease = test.lease_one("archive").await;
    assert!(lease.delivery.event.previous.is_none(), "Graph had said nothing before");
    test.deliver(lease).await;
    let bound = get(&test, "1").await.unwrap();
    assert_eq!((bound.number, bound.id.as_str(), &bound.status), (made.number, "1", &RUNNING));
    assert_eq!(bound.call_id.as_deref(), Some("call"));
    assert!(bound.version > made.version);
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Waiting));
    assert_eq!(orders(&test.accept(vec![told.to(&[])]).await), [Some(Order::Advanced)]);
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Met));
}

pub async fn a_bound_operation_answers_to_both_ids_after_a_restart(mut test: TestStore) {
    let made = create(&test, new("support-1")).await;
    test.accept(vec![recording("1").context("support-1").to(&[])]).await;
    test.reopen(|_| {}).await;
    for id in [made.id.as_str(), "1"] {
        let found = get(&test, id).await.unwrap();
        assert_eq!((found.number, found.id.as_str()), (made.number, "1"));
    }
}

pub async fn another_client_context_or_call_binds_nothing(test: TestStore) {
    let made = create(&test, of_call("support-1", "call")).await;
    let told = [
        recording("1").context("support-2"),
        recording("2").context("Support-1"),
        recording("3").context("support-1").call(Some("another")),
        recording("4"),
    ];
    for told in told {
        test.accept(vec![told.status(RUNNING).to(&[])]).await;
    }
    assert_eq!(get(&test, &made.id).await.unwrap().id, made.id);
    test.accept(vec![recording("5").context("support-1").to(&[])]).await;
    assert_eq!(get(&test, &made.id).await.unwrap().id, "5");
}

pub async fn the_oldest_of_several_expectations_is_bound(test: TestStore) {
    let mut made = Vec::new();
    for call in ["a", "b", "c"] {
        made.push(create(&test, NewOperation { allow_duplicate: true, ..of_call("shared", call) }).await.number);
    }
    let told = |id: &str, call| vec![recording(id).context("shared").call(call).status(RUNNING).to(&[])];
    test.accept(told("1", Some("b"))).await;
    test.accept(told("2", None)).await;
    let stored = test.accept(told("3", None)).await;
    let mut bound = Vec::new();
    for id in ["1", "2", "3"] {
        bound.push(get(&test, id).await.unwrap().number);
    }
    assert_eq!(bound, [made[1], made[0], made[2]]);
    assert!(matches!(stored[0], Stored::New { ambiguous: true, .. }), "others have the client context");
}

pub async fn a_bound_expectation_binds_no_second_operation(test: TestStore) {
    let made = create(&test, new("support-1")).await;
    let told = |id| vec![recording(id).context("support-1").status(RUNNING).to(&[])];
    test.accept(told("1")).await;
    let stored = test.accept(told("2")).await;
    assert!(matches!(stored[0], Stored::New { ambiguous: true, order: Some(Order::First), .. }));
    let second = get(&test, "2").await.unwrap();
    assert_ne!(second.number, made.number);
    assert!(second.expectation.is_none());
}

pub async fn an_expectation_with_graphs_id_is_bound_by_it_alone(test: TestStore) {
    let announced = NewOperation { id: GraphId::new("1"), status: RUNNING, ..new("support-1") };
    let made = create(&test, announced).await;
    test.accept(vec![recording("2").context("support-1").to(&[])]).await;
    assert_ne!(get(&test, "2").await.unwrap().number, made.number);
    let stored = test.accept(vec![recording("1").to(&[])]).await;
    assert_eq!(orders(&stored), [Some(Order::First)]);
    let bound = get(&test, "1").await.unwrap();
    assert_eq!((bound.number, bound.client_context), (made.number, ClientContext::new("support-1")));
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Met));
}

pub async fn what_graph_said_to_the_client_does_not_go_back(test: TestStore) {
    create(&test, NewOperation { id: GraphId::new("1"), status: RUNNING, ..new("support-1") }).await;
    test.accept(vec![recording("1").status(Status::NotStarted).to(&[])]).await;
    assert_eq!(get(&test, "1").await.unwrap().status, RUNNING);
    assert_eq!(orders(&test.accept(vec![recording("1").to(&[])]).await), [Some(Order::Advanced)]);
}

// Delivery.

pub async fn an_expectations_sinks_go_before_the_routes(test: TestStore) {
    let mut fresh = test.process.queues.open(&SinkName::new("fresh"), &room(8), TTL);
    let metadata = Some(r#"{"case":7}"#.to_owned());
    create(&test, NewOperation { metadata: metadata.clone(), sinks: sinks(&["crm", "fresh"]), ..new("support-1") })
        .await;
    test.accept(vec![recording("1").context("support-1").to(&["archive"])]).await;
    assert!(test.lease("archive").await.is_empty(), "the routes are not asked");
    for lease in [test.lease_one("crm").await, fresh.try_recv().unwrap()] {
        let delivery = &lease.delivery;
        assert_eq!((delivery.route.as_str(), delivery.captures.len()), ("expectation", 0));
        assert_eq!(delivery.event.metadata, metadata);
    }
    assert!(test.store.unmatched(Newest::up_to(10)).await.unwrap().is_empty());
}

pub async fn an_expectation_without_sinks_leaves_them_to_the_routes(test: TestStore) {
    let mut fresh = test.process.queues.open(&SinkName::new("fresh"), &room(8), TTL);
    create(&test, NewOperation { metadata: Some("{}".into()), ..new("support-1") }).await;
    test.accept(vec![recording("1").context("support-1").to(&["archive", "fresh"])]).await;
    for lease in [test.lease_one("archive").await, fresh.try_recv().unwrap()] {
        assert_eq!(lease.delivery.route.as_str(), "all");
        assert_eq!(lease.delivery.event.metadata.as_deref(), Some("{}"));
    }
    create(&test, NewOperation { sinks: sinks(&["crm"]), ..new("support-2") }).await;
    let stored = test.accept(vec![recording("2").context("support-2").to(&[])]).await;
    assert!(matches!(stored[0], Stored::New { unmatched: false, .. }), "{stored:?}");
    assert!(
        test.store.unmatched(Newest::up_to(10)).await.unwrap().is_empty(),
        "what an expectation matched is matched"
    );
    test.accept(vec![recording("3").to(&["archive"])]).await;
    assert!(test.lease_one("archive").await.delivery.event.metadata.is_none());
}

// Announcing.

pub async fn the_same_announced_twice_is_one_operation(mut test: TestStore) {
    let by_context = create(&test, new("support-1")).await;
    let by_call = create(&test, of_call("support-2", "call")).await;
    let by_id = create(&test, NewOperation { id: GraphId::new("1"), client_context: None, ..new("") }).await;
    test.reopen(|_| {}).await;
    test.pass(MINUTE);
    let again = [
        (&by_context, new("support-1")),
        (&by_context, NewOperation { allow_duplicate: true, ..new("support-1") }),
        (&by_call, of_call("support-2", "call")),
        (&by_call, new("support-2")),
        (&by_id, NewOperation { id: GraphId::new("1"), client_context: None, ..new("") }),
    ];
    for (first, again) in again {
        let again = same(&test, again).await;
        assert_eq!((again.number, again.version, &again.id), (first.number, 1, &first.id));
        assert_eq!(again.modified_at, first.modified_at);
    }
}

pub async fn concurrent_announcements_of_one_operation_are_one(test: TestStore) {
    let made = (0..50).map(|_| test.operations.create(new("support-1")));
    let made = futures_util::future::join_all(made).await;
    let n_new = made.iter().filter(|created| matches!(created, Ok(Created::New(_)))).count();
    let n_same = made.iter().filter(|created| matches!(created, Ok(Created::Same(_)))).count();
    assert_eq!((n_new, n_same), (1, 49));
}

pub async fn what_was_missing_is_added_and_what_was_there_stays(test: TestStore) {
    let at = test.clock.now() + MINUTE;
    let made = create(&test, NewOperation { metadata: Some(r#"{"a":1}"#.into()), ..new("support-1") }).await;
    let again = NewOperation {
        metadata: Some(r#"{"b":2}"#.into()),
        sinks: sinks(&["crm"]),
        expected_by: Some(at),
        status: RUNNING,
        ..of_call("support-1", "call")
    };
    let joined = same(&test, again).await;
    assert_eq!((joined.number, joined.version, joined.call_id.as_deref()), (made.number, 2, Some("call")));
    assert_eq!(joined.status, RUNNING);
    let expectation = joined.expectation.unwrap();
    assert_eq!((expectation.metadata.as_deref(), expectation.expected_by), (Some(r#"{"a":1}"#), Some(at)));
    assert_eq!(expectation.sinks, sinks(&["crm"]));
    same(&test, NewOperation { expected_by: Some(at + DAY), ..new("support-1") }).await;
    assert_eq!(test.store.next_watch().await.unwrap(), Some(at));
}

pub async fn another_call_with_the_client_context_is_refused_unless_allowed(test: TestStore) {
    let made = create(&test, of_call("shared", "a")).await;
    match test.operations.create(of_call("shared", "b")).await.unwrap() {
        Created::Taken(other) => assert_eq!(other.number, made.number),
        other => panic!("{other:?}"),
    }
    create(&test, NewOperation { allow_duplicate: true, ..of_call("shared", "b") }).await;
    for (id, call) in [("1", "a"), ("2", "b")] {
        test.accept(vec![recording(id).context("shared").call(Some(call)).to(&[])]).await;
    }
    create(&test, of_call("shared", "c")).await;
}

pub async fn what_was_given_up_keeps_its_client_context_from_nobody(test: TestStore) {
    let expected_by = Some(test.clock.now() + MINUTE);
    let first = create(&test, NewOperation { expected_by, ..of_call("every-call", "a") }).await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(raise(&test, due, &[]).await);
    assert_eq!(same(&test, of_call("every-call", "a")).await.number, first.number);
    let second = create(&test, new("every-call")).await;
    assert_eq!(same(&test, new("every-call")).await.number, second.number);
    test.accept(vec![recording("1").context("every-call").call(None).to(&[])]).await;
    assert_eq!(get(&test, "1").await.unwrap().number, second.number, "what still waits is bound first");
    test.accept(vec![recording("2").context("every-call").call(None).to(&[])]).await;
    assert_eq!(get(&test, "2").await.unwrap().number, first.number);
    assert_eq!(state(&test, "2").await, Some(ExpectationState::Recovered));
    let renamed = create(&test, new("another")).await;
    let done = test.operations.update(renamed.number, None, to_context("every-call")).await.unwrap();
    assert!(matches!(done, Updated::Done(_)));
}

pub async fn a_client_state_alone_neither_binds_nor_ends_what_was_announced(test: TestStore) {
    let by_context = create(&test, new("support-1")).await;
    let by_id = create(&test, NewOperation { id: GraphId::new("2"), ..new("support-2") }).await;
    for (id, context) in [("1", "support-1"), ("2", "support-2")] {
        let forged = recording(id).call(None).context(context).proof(Proof::ClientState).raw("forged");
        test.accept(vec![forged.to(&["archive"])]).await;
    }
    for made in [&by_context, &by_id] {
        let known = test.operations.get(&GraphId::new(&made.id).unwrap(), None).await.unwrap().unwrap();
        assert_eq!(known.expectation.unwrap().state, ExpectationState::Waiting);
        assert_eq!((known.status, known.recording_location), (Status::NotStarted, None));
    }
    test.accept(vec![recording("2").context("support-2").to(&[])]).await;
    let known = test.operations.get(&GraphId::new("2").unwrap(), None).await.unwrap().unwrap();
    assert_eq!((known.status, known.expectation.unwrap().state), (COMPLETED, ExpectationState::Met));
}

pub async fn graphs_id_that_is_announced_later_binds(test: TestStore) {
    let made = create(&test, of_call("support-1", "call")).await;
    let answer = NewOperation { id: GraphId::new("1"), status: RUNNING, ..of_call("support-1", "call") };
    let bound = same(&test, answer.clone()).await;
    assert_eq!((bound.number, bound.id.as_str(), &bound.status), (made.number, "1", &RUNNING));
    assert_eq!(same(&test, answer).await.version, bound.version);
    test.accept(vec![recording("1").context("support-1").to(&[])]).await;
    let ended = get(&test, &made.id).await.unwrap();
    assert_eq!((ended.number, ended.id.as_str(), ended.status), (made.number, "1", COMPLETED));
}

pub async fn what_graph_told_first_is_joined(test: TestStore) {
    test.accept(vec![recording("1").context("open").status(RUNNING).to(&[]), recording("3").to(&[])]).await;
    let expected_by = Some(test.clock.now() + MINUTE);
    let announce = |new: NewOperation| same(&test, NewOperation { expected_by, ..new });
    let open = announce(new("open")).await;
    assert_eq!((open.id.as_str(), open.expectation.unwrap().state), ("1", ExpectationState::Waiting));
    let by_id = announce(NewOperation { id: GraphId::new("3"), ..new("another") }).await;
    assert_eq!((by_id.id.as_str(), by_id.expectation.unwrap().state), ("3", ExpectationState::Met));
    test.pass(DAY);
    assert_eq!(due_one(&test).await.operation.id, "1");
    assert_eq!(orders(&test.accept(vec![recording("1").to(&[])]).await), [Some(Order::Advanced)]);
}

pub async fn an_operation_that_ended_before_is_joined_by_its_id_alone(test: TestStore) {
    test.accept(vec![recording("1").context("every-call").to(&[])]).await;
    let of_this_call = create(&test, of_call("every-call", "call")).await;
    assert_eq!(same(&test, new("every-call")).await.number, of_this_call.number);
    let named = NewOperation { id: GraphId::new("1"), ..of_call("every-call", "call") };
    assert_eq!(same(&test, named).await.status, COMPLETED);
    test.accept(vec![recording("2").context("every-call").status(Status::Failed).to(&[])]).await;
    let second = get(&test, &of_this_call.id).await.unwrap();
    assert_eq!((second.id.as_str(), second.status), ("2", Status::Failed));
    create(&test, of_call("every-call", "call")).await;
}

pub async fn a_recording_whose_id_is_known_keeps_its_client_context_from_no_other_of_its_call(test: TestStore) {
    let of_this_call = || of_call("every-call", "call");
    let by_id = |id: &str| NewOperation { id: GraphId::new(id), status: RUNNING, ..of_this_call() };
    // Announced before, then by the id: it is the first one. Its end is late.
    let first = create(&test, of_this_call()).await;
    assert_eq!(same(&test, by_id("1")).await.number, first.number);
    let second = create(&test, of_this_call()).await;
    assert_eq!(same(&test, of_this_call()).await.number, second.number, "told twice");
    assert_eq!(same(&test, by_id("2")).await.number, second.number);
    let third = create(&test, by_id("3")).await;
    // One that Graph told first and nobody announced is joined.
    test.accept(vec![recording("4").context("every-call").call(Some("another")).status(RUNNING).to(&[])]).await;
    assert_eq!(same(&test, of_call("every-call", "another")).await.id, "4");
    let ends = ["3", "1", "2"].map(|id| recording(id).context("every-call").to(&[]));
    test.accept(ends.into()).await;
    for (number, id) in [(first.number, "1"), (second.number, "2"), (third.number, "3")] {
        let ended = get(&test, id).await.unwrap();
        assert_eq!((ended.number, ended.status), (number, COMPLETED));
    }
}

pub async fn an_end_without_a_client_context_is_bound_where_one_announcement_of_its_call_is_open(mut test: TestStore) {
    let only = create(&test, of_call("a", "only")).await;
    let (one, two) = (create(&test, of_call("b", "several")).await, create(&test, of_call("c", "several")).await);
    test.reopen(|_| {}).await;
    let told = |id: &str, call| recording(id).call(Some(call));
    // One that runs is not an end, and one of a subscription is no call's.
    let mut subscribed = told("0", "only");
    subscribed.notification.channel = Channel::Subscriptions;
    test.accept(vec![told("1", "only").status(RUNNING).to(&[]), subscribed.to(&[])]).await;
    assert_eq!(get(&test, &only.id).await.unwrap().id, only.id);
    test.accept(vec![told("2", "only").to(&[]), told("3", "several").to(&[]), told("4", "another").to(&[])]).await;
    let bound = get(&test, &only.id).await.unwrap();
    assert_eq!((bound.id.as_str(), bound.client_context), ("2", ClientContext::new("a")));
    assert_eq!(state(&test, "2").await, Some(ExpectationState::Met));
    assert_eq!(get(&test, &one.id).await.unwrap().id, one.id);
    // Once the other has ended, which it was is known.
    test.accept(vec![told("5", "several").context("c").to(&[]), told("6", "several").to(&[])]).await;
    assert_eq!(get(&test, &two.id).await.unwrap().id, "5");
    assert_eq!(get(&test, &one.id).await.unwrap().id, "6");
}

// Changing.

fn to_context(context: &str) -> Change {
    Change { client_context: ClientContext::new(context), ..Change::default() }
}

pub async fn a_change_needs_the_version_that_is_there(test: TestStore) {
    let made = create(&test, new("support-1")).await;
    test.pass(MINUTE);
    let change = || Change { metadata: Some(Some("{}".into())), sinks: Some(sinks(&["crm"])), ..Change::default() };
    let Updated::Done(changed) = test.operations.update(made.number, Some(1), change()).await.unwrap() else {
        panic!()
    };
    assert_eq!((changed.version, changed.modified_at), (2, test.clock.now()));
    let expectation = changed.expectation.unwrap();
    assert_eq!((expectation.metadata.as_deref(), expectation.sinks), (Some("{}"), sinks(&["crm"])));
    let stale = test.operations.update(made.number, Some(1), change()).await.unwrap();
    assert!(matches!(stale, Updated::Stale(2)), "{stale:?}");
    let without = Change { metadata: Some(None), ..Change::default() };
    let Updated::Done(changed) = test.operations.update(made.number, None, without).await.unwrap() else { panic!() };
    assert_eq!((changed.version, changed.expectation.unwrap().metadata), (3, None));
    let missing = test.operations.update(made.number + 1, None, change()).await.unwrap();
    assert!(matches!(missing, Updated::Missing));
}

pub async fn a_client_context_changes_only_while_nothing_has_started(test: TestStore) {
    let made = create(&test, new("before")).await;
    let done = test.operations.update(made.number, None, to_context("after")).await.unwrap();
    assert!(matches!(done, Updated::Done(_)));
    test.accept(vec![recording("1").context("before").to(&[])]).await;
    assert_ne!(get(&test, "1").await.unwrap().number, made.number);
    test.accept(vec![recording("2").context("after").status(RUNNING).to(&[])]).await;
    assert_eq!(get(&test, "2").await.unwrap().number, made.number);
    let refused = test.operations.update(made.number, None, to_context("again")).await.unwrap();
    assert!(matches!(refused, Updated::Started));
    let no_change = test.operations.update(made.number, None, to_context("after")).await.unwrap();
    assert!(matches!(no_change, Updated::Done(_)));
}

pub async fn a_client_context_of_another_open_operation_is_refused(test: TestStore) {
    test.accept(vec![recording("1").context("taken").status(RUNNING).to(&[])]).await;
    let made = create(&test, new("mine")).await;
    let refused = test.operations.update(made.number, None, to_context("taken")).await.unwrap();
    assert!(matches!(refused, Updated::Taken));
    assert_eq!(get(&test, &made.id).await.unwrap().version, 1);
    test.accept(vec![recording("1").context("taken").to(&[])]).await;
    let done = test.operations.update(made.number, None, to_context("taken")).await.unwrap();
    assert!(matches!(done, Updated::Done(_)));
}

pub async fn what_nobody_announced_can_be_given_a_deadline(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&[])]).await;
    let number = get(&test, "1").await.unwrap().number;
    let change = Change { expected_by: Some(Some(test.clock.now() + MINUTE)), ..Change::default() };
    test.operations.update(number, None, change).await.unwrap();
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(raise(&test, due, &[]).await);
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Overdue));
}

// 3. The watch.

pub async fn a_deadline_is_due_and_raised_once(test: TestStore) {
    let made = create_due_in(&test, "support-1", MINUTE).await;
    let at = test.clock.now() + MINUTE;
    assert_eq!(test.store.next_watch().await.unwrap(), Some(at));
    test.pass(MINUTE - SignedDuration::from_micros(1));
    assert!(due(&test).await.is_empty());
    test.pass(SignedDuration::from_micros(1));
    let due_now = due_one(&test).await;
    assert_eq!((due_now.operation.number, due_now.watch, due_now.at), (made.number, Watch::Overdue, at));
    let twice = futures_util::future::join(
        raise(&test, due_now.clone(), &["crm", "archive", "crm"]),
        raise(&test, due_now.clone(), &["crm", "archive"]),
    );
    let twice = twice.await;
    assert_ne!(twice.0, twice.1, "one of them");
    assert!(!raise(&test, due_now, &["crm"]).await);
    assert!(due(&test).await.is_empty());
    assert_eq!(test.store.next_watch().await.unwrap(), None);
    assert_eq!((test.lease("crm").await.len(), test.lease("archive").await.len()), (1, 1));
}

pub async fn a_raised_event_tells_what_is_known(test: TestStore) {
    let announced = NewOperation {
        metadata: Some(r#"{"case":7}"#.into()),
        expected_by: Some(test.clock.now() + MINUTE),
        ..of_call("support-1", "call")
    };
    let made = create(&test, announced).await;
    test.pass(MINUTE);
    let due_now = due_one(&test).await;
    assert!(raise(&test, due_now, &["crm"]).await);
    let event = test.lease_one("crm").await.delivery.event;
    assert_eq!((event.kind.as_str(), event.source()), ("recordOperation.overdue", "/reelhook"));
    assert_eq!(event.time, test.clock.now());
    assert_eq!(event.subject.as_deref(), Some(&*format!("/communications/calls/call/operations/{}", made.id)));
    assert_eq!(event.metadata.as_deref(), Some(r#"{"case":7}"#));
    assert_eq!(event.client_context, ClientContext::new("support-1"));
    assert!(event.order.is_none() && event.recording_access_token.is_none());
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(data["expectation"]["state"], "overdue");
    let now = get(&test, &made.id).await.unwrap();
    assert_eq!(data, serde_json::Value::Object(now.resource().to_json()));
    assert_eq!((now.version, now.modified_at), (2, test.clock.now()));
    let view = test.store.event(event.id).await.unwrap().unwrap();
    assert_eq!((view.envelope.channel, view.envelope.resource_type.as_str()), (Channel::Calls, "recordOperation"));
}

pub async fn deadlines_are_due_in_their_order_and_survive_a_restart(mut test: TestStore) {
    for (context, minutes) in [("c", 3), ("a", 1), ("b", 2), ("d", 90)] {
        create_due_in(&test, context, MINUTE * minutes).await;
    }
    test.reopen(|_| {}).await;
    test.pass(MINUTE * 5);
    let found = due(&test).await;
    let contexts: Vec<_> = found.iter().map(|due| due.operation.client_context.clone().unwrap().to_string()).collect();
    assert_eq!(contexts, ["a", "b", "c"]);
    assert_eq!(test.store.due(2).await.unwrap().len(), 2);
    for due in found {
        assert!(raise(&test, due, &[]).await);
    }
    test.reopen(|_| {}).await;
    assert!(due(&test).await.is_empty());
    assert_eq!(test.store.next_watch().await.unwrap(), Some(test.clock.now() + MINUTE * 85));
}

pub async fn a_deadline_that_moved_is_not_raised_at_its_old_time(test: TestStore) {
    let made = create_due_in(&test, "support-1", MINUTE).await;
    test.pass(MINUTE);
    let old = due_one(&test).await;
    let later = test.clock.now() + MINUTE;
    let change = Change { expected_by: Some(Some(later)), ..Change::default() };
    test.operations.update(made.number, None, change).await.unwrap();
    assert!(!raise(&test, old, &["crm"]).await);
    assert_eq!(test.store.next_watch().await.unwrap(), Some(later));
    let change = Change { expected_by: Some(None), ..Change::default() };
    test.operations.update(made.number, None, change).await.unwrap();
    test.pass(DAY);
    assert!(due(&test).await.is_empty());
    assert_eq!(state(&test, &made.id).await, Some(ExpectationState::Waiting));
}

pub async fn a_deadline_that_is_set_or_moved_wakes_the_watch(test: TestStore) {
    let changes = Arc::clone(&test.process.changes);
    let is_woken =
        async || tokio::time::timeout(std::time::Duration::from_secs(20), changes.of_watches()).await.is_ok();
    let made = create_due_in(&test, "support-1", MINUTE).await;
    assert!(is_woken().await, "announced");
    let nearer = Change { expected_by: Some(Some(test.clock.now())), ..Change::default() };
    test.operations.update(made.number, None, nearer).await.unwrap();
    assert!(is_woken().await, "moved");
    test.accept(vec![recording("1").call(Some("call")).status(RUNNING).to(&["crm"])]).await;
    assert!(futures_util::FutureExt::now_or_never(changes.of_watches()).is_none(), "a notification moves no deadline");
    end_call(&test, "call").await;
    assert!(is_woken().await, "its call ended");
}

pub async fn an_operation_that_ended_in_time_is_met(test: TestStore) {
    let made = create_due_in(&test, "support-1", MINUTE).await;
    test.accept(vec![recording("1").context("support-1").to(&[])]).await;
    assert_eq!(state(&test, &made.id).await, Some(ExpectationState::Met));
    assert_eq!(test.store.next_watch().await.unwrap(), None);
    test.pass(DAY);
    assert!(due(&test).await.is_empty());
    assert_eq!(kinds(&test, "1").await, ["recordOperation.completed"]);
}

pub async fn what_ended_between_due_and_raise_is_not_raised(test: TestStore) {
    create_due_in(&test, "support-1", MINUTE).await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    test.accept(vec![recording("1").context("support-1").status(Status::Failed).to(&[])]).await;
    assert!(!raise(&test, due, &["crm"]).await);
    assert_eq!(kinds(&test, "1").await, ["recordOperation.failed"]);
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Met));
}

pub async fn what_was_removed_between_due_and_raise_is_not_raised(test: TestStore) {
    let made = create_due_in(&test, "support-1", MINUTE).await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert_eq!(test.operations.delete(made.number, None, false).await.unwrap(), Deleted::Done);
    assert!(!raise(&test, due, &["crm"]).await);
    assert!(test.lease("crm").await.is_empty());
    assert_eq!(test.store.next_watch().await.unwrap(), None);
}

pub async fn an_overdue_operation_that_ends_is_recovered_once(mut test: TestStore) {
    create_due_in(&test, "support-1", MINUTE).await;
    let told = recording("1").context("support-1");
    test.accept(vec![told.clone().status(RUNNING).to(&[])]).await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(raise(&test, due, &["crm"]).await);
    test.reopen(|_| {}).await;
    test.accept(vec![told.clone().to(&["archive"])]).await;
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Recovered));
    test.accept(vec![told.clone().raw("other bytes").to(&[]), told.status(Status::Failed).to(&[])]).await;
    assert_eq!(kinds(&test, "1").await.iter().filter(|kind| *kind == RECOVERED).count(), 1);
    let mut delivered = Vec::new();
    while let Some(lease) = test.lease("crm").await.pop() {
        delivered.push(lease.delivery.event.kind.replace("recordOperation.", ""));
        test.deliver(lease).await;
    }
    assert_eq!(delivered, ["running", "overdue", "completed", "recovered", "completed", "failed"]);
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Recovered));
}

pub async fn an_overdue_expectation_is_bound_and_recovered(test: TestStore) {
    let made = create_due_in(&test, "support-1", MINUTE).await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(raise(&test, due, &["crm"]).await);
    let stored = test.accept(vec![recording("1").context("support-1").to(&["archive"])]).await;
    assert_eq!(orders(&stored), [Some(Order::First)]);
    let bound = get(&test, "1").await.unwrap();
    assert_eq!((bound.number, bound.status), (made.number, COMPLETED));
    assert_eq!(kinds(&test, "1").await, ["recordOperation.overdue", "recordOperation.completed", RECOVERED]);
    assert!(test.lease("archive").await.is_empty());
}

pub async fn raised_events_keep_their_turn(test: TestStore) {
    create_due_in(&test, "support-1", MINUTE).await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(raise(&test, due, &["crm"]).await);
    let overdue = test.lease_one("crm").await;
    test.accept(vec![recording("1").context("support-1").status(RUNNING).to(&[])]).await;
    assert!(test.lease("crm").await.is_empty(), "the first notification waits for what was said before");
    test.bury(overdue).await;
    assert_eq!(test.lease_one("crm").await.delivery.event.kind, "recordOperation.running");
}

pub async fn what_does_not_end_soon_after_its_call_is_lost(mut test: TestStore) {
    create(&test, of_call("expected", "call")).await;
    for (id, call) in [("1", "call"), ("2", "call"), ("3", "another")] {
        test.accept(vec![recording(id).call(Some(call)).status(RUNNING).to(&[])]).await;
    }
    end_call(&test, "call").await;
    test.reopen(|_| {}).await;
    let grace = SignedDuration::from_secs(30);
    assert_eq!(test.store.next_watch().await.unwrap(), Some(test.clock.now() + grace));
    test.accept(vec![recording("2").to(&[])]).await;
    test.pass(grace - SignedDuration::from_micros(1));
    assert!(due(&test).await.is_empty());
    test.pass(SignedDuration::from_micros(1));
    let found = due(&test).await;
    let lost: Vec<_> = found.iter().map(|due| (due.operation.client_context.is_some(), due.watch)).collect();
    assert_eq!(lost, [(true, Watch::Lost), (false, Watch::Lost)], "the expected one, and the one that runs");
    for due in found {
        assert!(raise(&test, due, &["crm"]).await);
    }
    assert_eq!(kinds(&test, "1").await, ["recordOperation.running", "recordOperation.lost"]);
    assert_eq!(state(&test, "1").await, Some(ExpectationState::Lost));
    assert_eq!((state(&test, "2").await, state(&test, "3").await), (None, None));
    assert_eq!(test.lease("crm").await.len(), 2);
}

pub async fn what_comes_out_of_the_quarantine_keeps_its_time_and_all_that_follows_begins_now(mut test: TestStore) {
    let received_at = test.clock.now();
    let entry = test.quarantine_one("entry").await;
    test.pass(DAY * 40);
    assert!(test.store.wish_replay(entry, false).await.unwrap());
    assert_eq!(test.store.replay_wishes(9).await.unwrap()[0].received_at, received_at);
    let before = test.accept(vec![recording("1").context("one").status(RUNNING).to(&[])]).await[0].event();
    let now = test.clock.now();
    let accepted = vec![recording("2").context("two").call(Some("call")).status(RUNNING).to(&["crm"]), {
        ended_call("call").to(&[])
    }];
    let batch = Batch { received_at, accepted, quarantined: Vec::new() };
    let stored = test.store.accept_late(entry, batch).await.unwrap().stored;
    assert!(test.store.quarantine_entry(entry).await.unwrap().is_none(), "it is gone with the same commit");

    test.sweep().await;
    let event = stored[0].event();
    let view = test.store.event(event).await.unwrap().unwrap();
    assert_eq!((view.received_at, view.envelope.carried.accepted_at), (received_at, Some(now)));
    assert_eq!((view.deliveries[0].created_at, view.deliveries[0].at), (now, now));
    assert!(view.number > test.store.event(before).await.unwrap().unwrap().number);
    let operation = test.store.operations("2").await.unwrap().remove(0);
    assert_eq!((operation.created_at, operation.modified_at), (now, now));
    assert_eq!(operation.call_end.unwrap().at, received_at);
    // The grace begins now: the notification of the recording's end may be the next entry.
    assert_eq!(test.store.next_watch().await.unwrap(), Some(now + SignedDuration::from_secs(30)));

    test.reopen(|_| {}).await;
    let lease = test.lease_one("crm").await;
    let told = (lease.delivery.event.time, lease.delivery.event.envelope.carried.accepted_at);
    assert_eq!(told, (received_at, Some(now)));
    test.deliver(lease).await;
    test.pass(DAY * 29);
    test.sweep().await;
    for it in &stored {
        assert!(test.store.event(it.event()).await.unwrap().is_some(), "its retention began when it was accepted");
    }
    // The call is remembered from then on as well.
    let operation = test.store.operations("2").await.unwrap().remove(0);
    assert!(operation.call_end.is_none(), "for a day");
    test.pass(DAY * 2);
    test.sweep().await;
    assert!(test.store.event(event).await.unwrap().is_none());
}

pub async fn a_repeat_is_judged_by_when_both_were_received(test: TestStore) {
    let told = || resource("text").graph_id("id", "subscription").to(&[]);
    let received_at = test.clock.now();
    let entries = [test.quarantine_one("first").await, test.quarantine_one("second").await];
    test.pass(HOUR);
    let live = test.accept(vec![told()]).await[0].event();
    test.pass(DAY * 20);
    for entry in entries {
        let batch = Batch { received_at, accepted: vec![told()], quarantined: Vec::new() };
        let stored = test.store.accept_late(entry, batch).await.unwrap().stored;
        let by = RepeatOf::Notification;
        assert_eq!(stored, [Stored::Duplicate { of: live, by }], "they came an hour apart");
        assert!(test.store.quarantine_entry(entry).await.unwrap().is_none());
    }
}

pub async fn an_entry_keeps_the_facts_of_its_request_and_they_count_as_its_bytes(mut test: TestStore) {
    test.settings.quarantine_max_bytes = 4 * 3_000;
    test.reopen(|_| {}).await;
    let facts = |n: usize| {
        let callback = Some(format!("/canary-{n}?{}", "x".repeat(2_000)).into());
        Arc::new(Request { callback, message_id: Some("m".into()), ..Request::default() })
    };
    let mut ids = Vec::new();
    for n in 0..9 {
        let item = Quarantined { request: facts(n), ..refused(&"r".repeat(500)) };
        let batch = Batch { received_at: test.clock.now(), accepted: Vec::new(), quarantined: vec![item] };
        ids.extend(test.store.accept(batch).await.unwrap().quarantined);
    }
    let left = test.store.quarantine(Newest::up_to(99)).await.unwrap();
    assert_eq!(left.iter().map(|it| it.n_bytes).collect::<Vec<_>>(), [500; 4], "their size is that of the body");
    assert!(test.store.wish_replay(ids[8], false).await.unwrap());
    test.reopen(|_| {}).await;
    assert_eq!(test.store.replay_wishes(9).await.unwrap()[0].request, facts(8));
    assert!(!test.wrote(b"canary-8"), "they are sealed");
}

pub async fn a_call_that_ends_twice_loses_its_operations_once(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&[])]).await;
    let end = || async {
        let told = ended_call("call").raw(&test.clock.now().to_string()).to(&[]);
        assert!(matches!(test.accept(vec![told]).await[0], Stored::New { .. }));
    };
    end().await;
    test.pass(SignedDuration::from_secs(29));
    end().await;
    test.pass(SignedDuration::from_secs(1));
    let due_now = due_one(&test).await;
    assert!(raise(&test, due_now, &[]).await);
    end().await;
    test.pass(DAY);
    assert!(due(&test).await.is_empty());
}

pub async fn what_was_overdue_can_be_lost_but_not_the_other_way(test: TestStore) {
    let at = |test: &TestStore| Some(test.clock.now() + MINUTE);
    create(&test, NewOperation { expected_by: at(&test), ..of_call("overdue", "a") }).await;
    test.pass(MINUTE);
    let overdue = due_one(&test).await;
    assert!(raise(&test, overdue, &[]).await);
    create(&test, NewOperation { expected_by: at(&test), ..of_call("lost", "b") }).await;
    end_call(&test, "a").await;
    end_call(&test, "b").await;
    test.pass(SignedDuration::from_secs(30));
    let lost = due(&test).await;
    assert_eq!(lost.iter().map(|due| due.watch).collect::<Vec<_>>(), [Watch::Lost, Watch::Lost]);
    for due in lost {
        assert!(raise(&test, due, &[]).await);
    }
    test.pass(DAY);
    assert!(due(&test).await.is_empty(), "what is lost is not overdue as well");
}

pub async fn a_lost_operation_that_nobody_announced_is_recovered(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&["archive"])]).await;
    end_call(&test, "call").await;
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(due.operation.expectation.is_none());
    assert!(raise(&test, due, &["archive"]).await);
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let kinds = kinds(&test, "1").await;
    assert_eq!(kinds.last().map(String::as_str), Some(RECOVERED));
    let mut routes = Vec::new();
    while let Some(lease) = test.lease("archive").await.pop() {
        routes.push(lease.delivery.route.as_str().to_owned());
        test.deliver(lease).await;
    }
    assert_eq!(routes, ["all"; 4], "nobody asked for other sinks");
}

pub async fn what_becomes_known_after_its_call_ended_is_lost_as_well(test: TestStore) {
    let without_call = create(&test, new("later")).await;
    end_call(&test, "call").await;
    test.pass(SignedDuration::from_millis(200));
    let announced = create(&test, of_call("announced", "call")).await;
    test.accept(vec![
        recording("1").status(RUNNING).to(&[]),
        recording("2").context("another").to(&[]),
        recording("3").call(Some("another")).status(RUNNING).to(&[]),
    ])
    .await;
    let joined = same(&test, of_call("later", "call")).await;
    assert_eq!(joined.number, without_call.number);
    // Told again it is watched once.
    test.accept(vec![recording("1").status(RUNNING).raw("again").to(&[])]).await;
    same(&test, of_call("announced", "call")).await;
    let grace = SignedDuration::from_secs(30);
    test.pass(grace - SignedDuration::from_micros(1));
    assert!(due(&test).await.is_empty(), "what ends them may be on its way");
    test.pass(SignedDuration::from_micros(1));
    let found = due(&test).await;
    let mut lost: Vec<_> = found.iter().map(|due| (due.operation.number, due.watch)).collect();
    lost.sort_by_key(|(number, _)| *number);
    let heard = get(&test, "1").await.unwrap().number;
    assert_eq!(lost, [without_call.number, announced.number, heard].map(|number| (number, Watch::Lost)));
    for due in found {
        assert!(raise(&test, due, &[]).await);
    }
    test.accept(vec![recording("1").status(RUNNING).raw("once more").to(&[])]).await;
    test.pass(DAY);
    assert!(due(&test).await.is_empty(), "what is lost is lost once");
}

pub async fn an_ended_call_is_remembered_for_a_day(mut test: TestStore) {
    end_call(&test, "call").await;
    test.reopen(|_| {}).await;
    test.pass(DAY - MINUTE);
    test.sweep().await;
    create(&test, of_call("in time", "call")).await;
    test.pass(MINUTE);
    test.sweep().await;
    create(&test, of_call("too late", "call")).await;
    test.pass(MINUTE);
    let lost = due_one(&test).await;
    assert_eq!(lost.operation.client_context, ClientContext::new("in time"));
}

pub async fn how_a_call_ended_is_told_with_its_operations(mut test: TestStore) {
    let why = WhyEnded {
        result_info: Some(ResultInfo { code: 487, subcode: 7000, message: Some("Call ended.".into()) }),
        termination_sender: serde_json::json!({ "phone": { "id": "canary-phone" } }).as_object().cloned(),
    };
    create(&test, of_call("hung up", "call")).await;
    end_call(&test, "call").await;
    let at = test.clock.now();
    test.reopen(|_| {}).await;
    test.pass(SignedDuration::from_secs(1));
    // A second notification of the same end adds what the first one did not tell, and does not move it.
    let mut told = ended_call("call").raw("again");
    told.notification.ended_call.as_mut().unwrap().why = why.clone();
    test.accept(vec![told.to(&[])]).await;
    test.pass(MINUTE);
    let lost = due_one(&test).await;
    let end = CallEnd { at, why };
    assert_eq!(lost.operation.call_end.as_ref(), Some(&end));
    assert!(raise(&test, lost, &["crm"]).await);
    let event = test.lease_one("crm").await.delivery.event.clone();
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(data["callEnd"], serde_json::to_value(end.resource()).unwrap());
    assert!(!test.wrote(b"canary-phone"), "it is sealed");
}

pub async fn what_could_not_arrive_for_the_whole_grace_is_put_off(test: TestStore) {
    let (grace, second) = (SignedDuration::from_secs(30), SignedDuration::from_secs(1));
    create_due_in(&test, "before", second * 10).await;
    create_due_in(&test, "after", second * 21).await;
    create(&test, of_call("hung up", "call")).await;
    end_call(&test, "call").await;
    test.pass(second * 20);
    test.reception.begins_again();
    test.pass(second * 10);
    for due in due(&test).await {
        let expected = match due.operation.client_context.as_ref().map(ClientContext::as_str) {
            Some("after") => Raised::Said,
            _ => Raised::PutOff,
        };
        assert_eq!(raised(&test, due.clone(), &[]).await, expected, "{due:?}");
    }
    assert!(due(&test).await.is_empty());
    assert_eq!(test.store.next_watch().await.unwrap(), Some(test.clock.now() + grace - second * 10));
    test.pass(grace);
    let found = due(&test).await;
    assert_eq!(found.len(), 2);
    for due in found {
        assert!(raise(&test, due, &[]).await);
    }
}

pub async fn a_failure_without_a_recording_recovers_nothing(test: TestStore) {
    let failed = |id: &str| recording(id).status(Status::Failed);
    for (told, is_recovered) in [
        (failed("1").with(|operation| operation.recording_location = None), false),
        (failed("2"), true),
        (recording("3").with(|operation| operation.recording_location = None), true),
    ] {
        let id = told.raw_text().chars().next().unwrap().to_string();
        test.accept(vec![recording(&id).status(RUNNING).to(&[])]).await;
        end_call(&test, "call").await;
        test.pass(MINUTE);
        let due = due_one(&test).await;
        assert!(raise(&test, due, &[]).await);
        test.accept(vec![told.to(&["archive"])]).await;
        let kinds = kinds(&test, &id).await;
        assert_eq!(kinds.last().unwrap() == RECOVERED, is_recovered, "{kinds:?}");
        let expected = if is_recovered { ExpectationState::Recovered } else { ExpectationState::Lost };
        assert_eq!(state(&test, &id).await, Some(expected));
    }
}

// 4. Removing.

pub async fn a_removed_operation_is_gone_and_new_when_graph_speaks_of_it(test: TestStore) {
    let made = create(&test, new("support-1")).await;
    let told = || vec![recording("1").context("support-1").token("canary").to(&["archive"])];
    test.accept(told()).await;
    let lease = test.lease_one("archive").await;
    let (event, delivery) = (lease.delivery.event.id, lease.delivery.id);
    test.bury(lease).await;
    let version = get(&test, "1").await.unwrap().version;
    let delete = |version| test.operations.delete(made.number, Some(version), false);
    assert_eq!(delete(version - 1).await.unwrap(), Deleted::Stale(version));
    assert_eq!(delete(version).await.unwrap(), Deleted::Done);
    assert_eq!(delete(version).await.unwrap(), Deleted::Missing);
    for id in ["1", &made.id] {
        assert!(get(&test, id).await.is_none());
    }
    assert!(test.store.event(event).await.unwrap().is_none());
    assert!(test.store.delivery(delivery).await.unwrap().is_none());
    assert!(test.store.backlog().await.unwrap().is_empty());
    let stored = test.accept(told()).await;
    assert_eq!(orders(&stored), [Some(Order::First)]);
    let again = get(&test, "1").await.unwrap();
    assert_eq!((again.version, again.expectation), (1, None));
}

pub async fn an_operation_with_open_deliveries_is_removed_by_force_alone(test: TestStore) {
    let told = |status| recording("1").status(status).to(&["archive", "crm"]);
    test.accept(vec![told(RUNNING), told(COMPLETED)]).await;
    let lease = test.lease_one("crm").await;
    test.deliver(lease).await;
    let held = test.lease_one("archive").await;
    let number = get(&test, "1").await.unwrap().number;
    assert_eq!(test.operations.delete(number, None, false).await.unwrap(), Deleted::Open(3));
    assert_eq!(test.operations.delete(number, None, true).await.unwrap(), Deleted::Done);
    test.deliver(held).await;
    assert!(test.store.backlog().await.unwrap().is_empty());
    assert!(test.lease("archive").await.is_empty() && test.lease("crm").await.is_empty());
}

pub async fn a_removed_expectation_binds_nothing(test: TestStore) {
    let made = create(&test, new("support-1")).await;
    assert_eq!(test.operations.delete(made.number, None, false).await.unwrap(), Deleted::Done);
    test.accept(vec![recording("1").context("support-1").to(&[])]).await;
    assert!(get(&test, "1").await.unwrap().expectation.is_none());
}

pub async fn the_number_of_a_removed_operation_is_not_given_again(mut test: TestStore) {
    let mut known = Vec::new();
    for n in 0..4 {
        let made = create(&test, new(&n.to_string())).await;
        assert!(!known.contains(&made.number));
        known.push(made.number);
        test.operations.delete(made.number, None, false).await.unwrap();
        if n % 2 == 1 {
            test.reopen(|_| {}).await;
        }
    }
}

pub async fn a_stream_goes_on_after_its_last_event_was_removed(mut test: TestStore) {
    test.accept(vec![recording("1").to(&[])]).await;
    let last = test.store.newest_event().await.unwrap();
    let number = get(&test, "1").await.unwrap().number;
    assert_eq!(test.operations.delete(number, None, false).await.unwrap(), Deleted::Done);
    assert!(test.store.newest_event().await.unwrap().is_none());
    test.reopen(|_| {}).await;
    test.accept(vec![recording("2").to(&[])]).await;
    let streamed = test.store.stream(last, 10).await.unwrap();
    assert_eq!(streamed.len(), 1);
    assert_ne!(Some(streamed[0].event.id), last);
}

// Retention.

pub async fn retention_keeps_what_a_client_waits_for(test: TestStore) {
    let made = create(&test, new("support-1")).await;
    let told = recording("1").context("support-1");
    test.accept(vec![told.clone().status(RUNNING).to(&[])]).await;
    test.pass(DAY * 40);
    test.sweep().await;
    assert!(kinds(&test, "1").await.is_empty(), "its event is gone");
    for id in ["1", &made.id] {
        assert_eq!(get(&test, id).await.unwrap().number, made.number);
    }
    assert_eq!(orders(&test.accept(vec![told.to(&[])]).await), [Some(Order::Advanced)]);
    test.pass(DAY * 40);
    test.sweep().await;
    for id in ["1", &made.id] {
        assert!(get(&test, id).await.is_none());
    }
}

pub async fn an_expectation_that_was_given_up_goes_with_its_event(test: TestStore) {
    let made = create_due_in(&test, "support-1", DAY * 40).await;
    test.pass(DAY * 40);
    test.sweep().await;
    let due = due_one(&test).await;
    assert!(raise(&test, due, &[]).await);
    test.pass(DAY * 29);
    test.sweep().await;
    assert_eq!(state(&test, &made.id).await, Some(ExpectationState::Overdue));
    test.pass(DAY);
    test.sweep().await;
    assert!(get(&test, &made.id).await.is_none());
    test.accept(vec![recording("1").context("support-1").to(&[])]).await;
    assert!(get(&test, "1").await.unwrap().expectation.is_none());
}

// Changes.

pub async fn whoever_waits_is_told_of_every_change(test: TestStore) {
    use futures_util::FutureExt;
    let made = create_due_in(&test, "support-1", MINUTE).await;
    let changes = Arc::clone(&test.process.changes);
    let waiter = changes.of_operation(made.number);
    let mut events = changes.of_events();
    let mut told = std::pin::pin!(waiter.changed());
    told.as_mut().enable();
    test.operations.update(made.number, None, Change::default()).await.unwrap();
    told.as_mut().now_or_never().expect("told of the change");
    told.set(waiter.changed());
    told.as_mut().enable();
    test.pass(MINUTE);
    let due = due_one(&test).await;
    assert!(raise(&test, due, &[]).await);
    told.as_mut().now_or_never().expect("told of what was raised");
    // Streams are told by a thread of its own, soon after.
    events.changed().await.unwrap();
    told.set(waiter.changed());
    told.as_mut().enable();
    test.operations.delete(made.number, None, false).await.unwrap();
    told.as_mut().now_or_never().expect("told of the removal");
}
