//! The watch: over the whole app here, over the store in memory in [`memory`].

mod memory;

use jiff::SignedDuration;
use reelhook::domain::{ExpectationState, GraphId, Operation, SinkName};
use reelhook::simulator::payload::{Recording, calls};
use reelhook::store::operations::{Created, NewOperation};

use crate::recording_sink::RecordingSink;
use crate::test_app::{Settings, TestApp, announcement};
use reelhook::store::Newest;

const OVERDUE: &str = "recordOperation.overdue";
const LOST: &str = "recordOperation.lost";

/// Announces a recording that must end within so many seconds.
async fn expect(app: &TestApp, recording: &Recording, within: i64, sinks: &[&str]) -> Operation {
    let new = NewOperation {
        call_id: GraphId::new(&recording.call.to_string()),
        metadata: Some(r#"{"customer":"Contoso"}"#.into()),
        sinks: sinks.iter().map(|name| SinkName::new(name)).collect(),
        expected_by: Some(app.clock.now() + SignedDuration::from_secs(within)),
        ..announcement(&recording.client_context)
    };
    match app.operations.create(new).await.unwrap() {
        Created::New(operation) => *operation,
        other => panic!("{other:?}"),
    }
}

fn recording(app: &mut TestApp, context: &str) -> Recording {
    Recording::new(&mut app.seed).client_context(context)
}

async fn post(app: &TestApp, item: String) {
    assert_eq!(app.post_calls(&[item]).await.status, 202);
}

async fn state(app: &TestApp, announced: &Operation) -> ExpectationState {
    let id = GraphId::new(&announced.id).unwrap();
    app.operations.get(&id, None).await.unwrap().unwrap().expectation.unwrap().state
}

/// What was delivered of an operation, in order.
fn told(sink: &RecordingSink, context: &str) -> Vec<String> {
    let about = sink.delivered().into_iter().map(|delivery| delivery.event);
    let about = about.filter(|event| event.client_context.as_ref().is_some_and(|it| it.as_str() == context));
    about.map(|event| event.kind.clone()).collect()
}

#[tokio::test]
async fn what_did_not_end_in_time_is_overdue_once_and_at_the_second() {
    let mut app = TestApp::start().await;
    let (never, before) = (recording(&mut app, "never"), recording(&mut app, "before"));
    let announced = expect(&app, &never, 180, &[]).await;
    expect(&app, &before, 179, &[]).await;
    app.advance(179);
    app.first.wait_for(1).await;
    assert_eq!(told(&app.first, "before"), [OVERDUE]);
    assert_eq!(told(&app.first, "never"), [] as [&str; 0]);
    assert_eq!(state(&app, &announced).await, ExpectationState::Waiting);
    app.advance(1);
    let overdue = app.first.wait_for(2).await.remove(1);
    assert_eq!(told(&app.first, "never"), [OVERDUE]);
    assert_eq!((overdue.event.time, overdue.route.as_str()), (app.clock.now(), "all"));
    assert_eq!(state(&app, &announced).await, ExpectationState::Overdue);
    // Another one after it: had the first been raised again, it would stand before this.
    let after = recording(&mut app, "after");
    expect(&app, &after, 3600, &[]).await;
    app.advance(3600);
    app.first.wait_for(3).await;
    assert_eq!(told(&app.first, "never"), [OVERDUE]);
    app.until_metric("reelhook_expectations_raised_total{kind=\"overdue\"}", 3.0).await;
    app.until_metric("reelhook_sink_expectations_raised_total{sink=\"first\",kind=\"overdue\"}", 3.0).await;
}

#[tokio::test]
async fn what_ended_in_time_is_not_spoken_of() {
    let mut app = TestApp::start().await;
    let (good, other) = (recording(&mut app, "good"), recording(&mut app, "other"));
    let announced = expect(&app, &good, 60, &[]).await;
    expect(&app, &other, 61, &[]).await;
    app.advance(59);
    post(&app, good.completed()).await;
    app.first.wait_for(1).await;
    app.advance(2);
    app.first.wait_for(2).await;
    assert_eq!(
        (told(&app.first, "good").as_slice(), told(&app.first, "other").as_slice()),
        (&["recordOperation.completed".to_owned()][..], &[OVERDUE.to_owned()][..])
    );
    assert_eq!(state(&app, &announced).await, ExpectationState::Met);
}

#[tokio::test]
async fn what_ends_after_it_was_overdue_is_recovered() {
    let mut app = TestApp::start().await;
    let late = recording(&mut app, "late");
    let announced = expect(&app, &late, 60, &[]).await;
    app.advance(60);
    app.first.wait_for(1).await;
    post(&app, late.completed()).await;
    app.first.wait_for(3).await;
    let told = told(&app.first, "late");
    assert_eq!(told[0], OVERDUE);
    assert!(told[1..].contains(&"recordOperation.completed".into()), "{told:?}");
    assert!(told[1..].contains(&"recordOperation.recovered".into()), "{told:?}");
    assert_eq!(state(&app, &announced).await, ExpectationState::Recovered);
}

#[tokio::test]
async fn what_runs_when_its_call_ends_is_lost_after_the_grace_whether_it_was_announced_or_not() {
    let mut app = TestApp::start().await;
    let (expected, running) = (recording(&mut app, "expected"), recording(&mut app, "running"));
    let before = recording(&mut app, "before");
    let announced = expect(&app, &expected, 3600, &[]).await;
    expect(&app, &before, 29, &[]).await;
    post(&app, running.running()).await;
    app.first.wait_for(1).await;
    post(&app, calls::call_of(expected.call, "terminated")).await;
    post(&app, calls::call_of(running.call, "terminated")).await;
    app.first.wait_for(3).await;
    app.advance(29);
    app.first.wait_for(4).await;
    assert_eq!(told(&app.first, "before"), [OVERDUE]);
    app.advance(1);
    app.first.wait_for(6).await;
    assert_eq!(told(&app.first, "expected"), [LOST]);
    assert_eq!(told(&app.first, "running"), ["recordOperation.running", LOST]);
    assert_eq!(state(&app, &announced).await, ExpectationState::Lost);
    app.until_metric("reelhook_expectations_raised_total{kind=\"lost\"}", 2.0).await;
}

#[tokio::test]
async fn a_recording_that_comes_within_the_grace_is_not_lost() {
    let more = "[expectations]\nlost_after = \"5s\"\n".to_owned();
    let mut app = TestApp::start_with(Settings { more, ..Settings::default() }).await;
    let (hung_up, other) = (recording(&mut app, "hung up"), recording(&mut app, "other"));
    post(&app, hung_up.running()).await;
    post(&app, other.running()).await;
    post(&app, calls::call_of(hung_up.call, "terminated")).await;
    post(&app, calls::call_of(other.call, "terminated")).await;
    app.advance(4);
    post(&app, hung_up.completed()).await;
    app.first.wait_for(5).await;
    app.advance(1);
    app.first.wait_for(6).await;
    assert_eq!(told(&app.first, "other"), ["recordOperation.running", LOST]);
    assert_eq!(told(&app.first, "hung up"), ["recordOperation.running", "recordOperation.completed"]);
}

#[tokio::test]
async fn deadlines_survive_a_restart() {
    let mut app = TestApp::start().await;
    let (during, after) = (recording(&mut app, "during"), recording(&mut app, "after"));
    expect(&app, &during, 60, &[]).await;
    expect(&app, &after, 120, &[]).await;
    let clock = app.clock.clone();
    let app = app.restart_with(|_settings| clock.advance(SignedDuration::from_secs(60))).await;
    // What could not arrive meanwhile has its grace; a deadline that comes later has not moved.
    app.advance(30);
    app.first.wait_for(1).await;
    assert_eq!(told(&app.first, "during"), [OVERDUE]);
    app.advance(30);
    app.first.wait_for(2).await;
    assert_eq!(told(&app.first, "after"), [OVERDUE]);
    let app = app.restart().await;
    app.advance(3600);
    let last = recording_after(app, "last").await;
    assert_eq!(last, ["last"], "neither is spoken of again");
}

/// Lets one more be overdue; tells of whom the sink heard until then.
async fn recording_after(mut app: TestApp, context: &str) -> Vec<String> {
    let last = recording(&mut app, context);
    expect(&app, &last, 1, &[]).await;
    app.advance(1);
    app.first.wait_for(1).await;
    app.delivered_contexts()
}

#[tokio::test]
async fn the_sinks_of_an_expectation_get_its_events_instead_of_the_routes() {
    let mut app = TestApp::start().await;
    let (named, routed) = (recording(&mut app, "named"), recording(&mut app, "routed"));
    expect(&app, &named, 60, &["second"]).await;
    expect(&app, &routed, 60, &[]).await;
    app.advance(60);
    let overdue = app.second.wait_for(1).await.remove(0);
    app.first.wait_for(1).await;
    assert_eq!((overdue.event.kind.as_str(), overdue.route.as_str()), (OVERDUE, "expectation"));
    post(&app, named.completed()).await;
    app.second.wait_for(3).await;
    assert_eq!((told(&app.first, "named").len(), told(&app.first, "routed").len()), (0, 1));
}

#[tokio::test]
async fn what_no_route_wants_is_kept_when_it_is_overdue() {
    let routes =
        "[[routes]]\nname = \"none\"\nclient_context = { exact = \"other\" }\nsinks = [\"first\"]\n".to_owned();
    let mut app = TestApp::start_with(Settings { routes, ..Settings::default() }).await;
    let (unwanted, other) = (recording(&mut app, "unwanted"), recording(&mut app, "other"));
    expect(&app, &unwanted, 59, &[]).await;
    expect(&app, &other, 60, &[]).await;
    app.advance(60);
    app.first.wait_for(1).await;
    let kept = app.store.unmatched(Newest::up_to(10)).await.unwrap();
    assert_eq!(kept.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), [OVERDUE]);
    app.until_metric("reelhook_match_unmatched_total", 1.0).await;
}

#[tokio::test]
async fn a_burst_of_deadlines_is_spoken_of_whole() {
    let mut app = TestApp::start().await;
    for number in 0..300 {
        let one = recording(&mut app, &format!("burst-{number}"));
        expect(&app, &one, 60, &[]).await;
    }
    app.advance(60);
    let told = app.first.wait_for(300).await;
    let about: std::collections::BTreeSet<_> =
        told.iter().filter_map(|it| Some(it.event.client_context.as_ref()?.as_str().to_owned())).collect();
    assert_eq!((told.len(), about.len()), (300, 300));
}
