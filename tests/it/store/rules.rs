//! The suite of the config's rules that a store applies: `reelhook::store::Rules`.

use reelhook::store::operations::NewOperation;
use reelhook::store::{EventFilter, Newest, Stored};

use super::writes::{create, due_one, end_call, ended_call, new, of_call, raise};
use super::*;
use reelhook::config::Expectations;
use reelhook::domain::RoutingKey;

/// One test for each function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, rules:
            a_notification_without_a_client_context_goes_where_that_of_its_operation_does,
            a_recovered_operation_goes_where_its_own_routes_say,
            without_routes_both_go_where_the_notification_goes,
            a_sink_gets_only_what_it_takes_and_the_rest_is_not_unmatched,
            what_is_routed_or_sent_again_goes_only_to_sinks_that_take_it,
            an_operation_is_lost_as_long_after_its_call_as_the_settings_say,
            no_more_ended_calls_are_remembered_than_may_be,
        );
    };
}
pub(super) use suite;

/// To `crm` what has the client context `known`, to `archive` what is recovered.
fn routed(key: &RoutingKey<'_>) -> Vec<NewDelivery> {
    match (key.kind.to_text().as_str(), key.client_context) {
        ("recordOperation.recovered", _) => vec![delivery_to("archive")],
        (_, Some("known")) => vec![delivery_to("crm"), delivery_to("crm")],
        _ => Vec::new(),
    }
}

/// The kinds of what is due for a sink, all of which are delivered.
async fn due_for(test: &TestStore, sink: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    while let Some(lease) = test.lease(sink).await.pop() {
        kinds.push(lease.delivery.event.kind.replace("recordOperation.", ""));
        test.deliver(lease).await;
    }
    kinds
}

fn settings_of(lost_after: Duration) -> Expectations {
    let day = Duration::from_secs(24 * 3600);
    Expectations { lost_after, default_within: None, remember_calls: day, max_remembered_calls: 1_000 }
}

/// Loses operation `1`, then sends its end without a client context, which the routes of the request sent to `rest`.
async fn lost_and_ended(test: &TestStore) {
    test.accept(vec![recording("1").context("known").status(Status::Running).to(&[])]).await;
    end_call(test, "call").await;
    test.pass(SignedDuration::from_secs(60));
    let due = due_one(test).await;
    assert!(raise(test, due, &[]).await);
    test.accept(vec![recording("1").to(&["rest"])]).await;
}

pub async fn a_notification_without_a_client_context_goes_where_that_of_its_operation_does(test: TestStore) {
    test.store.route_by(Box::new(routed));
    create(&test, of_call("known", "another")).await;
    let known = recording("1").context("known").status(Status::Running);
    test.accept(vec![known.to(&[]), recording("2").context("other").status(Status::Running).to(&[])]).await;
    test.accept(vec![recording("1").to(&["rest"]), recording("2").to(&["rest"])]).await;
    assert_eq!(due_for(&test, "crm").await, ["completed"], "each sink once");
    assert_eq!(due_for(&test, "rest").await, ["completed"], "no route is about the other one's client context");
}

pub async fn a_recovered_operation_goes_where_its_own_routes_say(test: TestStore) {
    test.store.route_by(Box::new(routed));
    lost_and_ended(&test).await;
    assert_eq!(due_for(&test, "crm").await, ["completed"]);
    assert_eq!(due_for(&test, "archive").await, ["recovered"]);
    assert!(due_for(&test, "rest").await.is_empty());
}

pub async fn without_routes_both_go_where_the_notification_goes(test: TestStore) {
    lost_and_ended(&test).await;
    assert_eq!(due_for(&test, "rest").await, ["completed", "recovered"]);
}

/// `crm` takes what has completed, and `archive` everything.
fn taken(sink: &SinkName, kind: &str) -> bool {
    sink.as_str() != "crm" || kind == "recordOperation.completed"
}

pub async fn a_sink_gets_only_what_it_takes_and_the_rest_is_not_unmatched(test: TestStore) {
    test.store.choose_by(Box::new(taken));
    let named = |id: &str| NewOperation { sinks: vec![SinkName::new("crm")], ..new(id) };
    create(&test, named("announced")).await;
    let running = recording("1").context("announced").status(Status::Running);
    let other = recording("2").context("other").status(Status::Running);
    let stored = test.accept(vec![running.to(&[]), other.to(&["crm", "archive"])]).await;
    assert!(stored.iter().all(|it| matches!(it, Stored::New { unmatched: false, .. })), "{stored:?}");
    test.accept(vec![recording("1").context("announced").to(&[])]).await;
    end_call(&test, "call").await;
    test.pass(SignedDuration::from_secs(60));
    let due = due_one(&test).await;
    assert!(raise(&test, due, &["crm"]).await);
    assert_eq!(due_for(&test, "crm").await, ["completed"]);
    assert_eq!(due_for(&test, "archive").await, ["running"]);
    let unmatched = test.store.unmatched(Newest::up_to(9)).await.unwrap();
    assert!(unmatched.iter().all(|event| !event.kind.starts_with("recordOperation")), "only the call's end");
    let events = test.store.event_log(&EventFilter::default(), Newest::up_to(9)).await.unwrap().rows;
    let kept = events.iter().filter(|event| event.deliveries.is_empty() && event.is_matched);
    assert_eq!(kept.count(), 2, "the first running, and lost: {events:?}");
}

pub async fn what_is_routed_or_sent_again_goes_only_to_sinks_that_take_it(test: TestStore) {
    test.store.choose_by(Box::new(taken));
    test.accept(vec![recording("1").status(Status::Running).to(&[]), recording("2").status(Status::Running).to(&[])])
        .await;
    let mut events = test.store.unmatched(Newest::up_to(9)).await.unwrap();
    let (both, none) = (events.pop().unwrap().id, events.pop().unwrap().id);
    let to = |sinks: &[&str]| sinks.iter().map(|sink| delivery_to(sink)).collect::<Vec<_>>();
    assert_eq!(test.store.route_again(both, to(&["crm", "archive"])).await.unwrap(), Some(1));
    assert_eq!(test.store.route_again(none, to(&["crm"])).await.unwrap(), Some(0));
    assert!(test.store.unmatched(Newest::up_to(9)).await.unwrap().is_empty());
    let lease = test.lease_one("archive").await;
    let delivery = lease.delivery.id;
    test.deliver(lease).await;
    let sent = async |to: Option<&str>| test.store.resend(vec![delivery], to.map(SinkName::new)).await.unwrap().len();
    assert_eq!((sent(Some("crm")).await, sent(None).await), (0, 1));
}

pub async fn an_operation_is_lost_as_long_after_its_call_as_the_settings_say(test: TestStore) {
    for (n, seconds) in [(1, 5), (2, 50)] {
        test.store.watch_by(&settings_of(Duration::from_secs(seconds)));
        let (id, call) = (n.to_string(), format!("call-{n}"));
        test.accept(vec![recording(&id).call(Some(&call)).status(Status::Running).to(&[])]).await;
        let at = test.clock.now() + SignedDuration::from_secs(seconds as i64);
        end_call(&test, &call).await;
        assert_eq!(test.store.next_watch().await.unwrap(), Some(at));
        test.pass(SignedDuration::from_secs(60));
        let due = due_one(&test).await;
        assert!(raise(&test, due, &[]).await);
    }
}

pub async fn no_more_ended_calls_are_remembered_than_may_be(test: TestStore) {
    test.store.watch_by(&settings_of(Duration::from_secs(30)));
    test.accept((0..2_200).map(|n| ended_call(&format!("call-{n}")).to(&[])).collect()).await;
    test.sweep().await;
    for (n, is_remembered) in [(0, false), (1_199, false), (1_200, true), (2_199, true)] {
        let announced = create(&test, of_call(&n.to_string(), &format!("call-{n}"))).await;
        assert_eq!(announced.call_end.is_some(), is_remembered, "{n}");
    }
    assert!(create(&test, new("without a call")).await.call_end.is_none());
}
