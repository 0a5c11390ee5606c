//! What is said of recordings whose call has ended: lost or not, whatever the order in which things arrive, and only
//! after everything that is on its way could have arrived.

use jiff::SignedDuration;
use reelhook::domain::{ExpectationState, GraphId, Operation, Status};
use reelhook::simulator::Mode;
use reelhook::simulator::payload::{Recording, calls};
use reelhook::store::Newest;
use reelhook::store::operations::{Created, NewOperation};
use serde_json::{Value, json};

use crate::test_app::{Settings, TestApp, announcement};

const OVERDUE: &str = "recordOperation.overdue";
const LOST: &str = "recordOperation.lost";
const COMPLETED: &str = "recordOperation.completed";
const RECOVERED: &str = "recordOperation.recovered";

fn recording(app: &mut TestApp, context: &str) -> Recording {
    Recording::new(&mut app.seed).client_context(context)
}

async fn post(app: &TestApp, item: String) {
    assert_eq!(app.post_calls(&[item]).await.status, 202);
}

/// An announcement of a recording by its client context and call.
fn of_call(recording: &Recording) -> NewOperation {
    NewOperation {
        call_id: GraphId::new(&recording.call.to_string()),
        metadata: Some(r#"{"customer":"Contoso"}"#.into()),
        ..announcement(&recording.client_context)
    }
}

async fn announce(app: &TestApp, new: NewOperation) -> Operation {
    match app.operations.create(new).await.unwrap() {
        Created::New(operation) => *operation,
        other => panic!("{other:?}"),
    }
}

async fn operation(app: &TestApp, id: &str) -> Operation {
    app.operations.get(&GraphId::new(id).unwrap(), None).await.unwrap().unwrap()
}

async fn state(app: &TestApp, announced: &Operation) -> ExpectationState {
    operation(app, &announced.id).await.expectation.unwrap().state
}

/// What was delivered of a client context, in order.
fn told(app: &TestApp, context: &str) -> Vec<String> {
    let about = app.first.delivered().into_iter().map(|delivery| delivery.event);
    let about = about.filter(|event| event.client_context.as_ref().is_some_and(|it| it.as_str() == context));
    about.map(|event| event.kind.clone()).collect()
}

/// Turns the clock, and waits until the watch has looked at what is due by then.
pub async fn pass(app: &mut TestApp, seconds: i64) {
    let name = format!("marker {}", app.seed.uuid());
    let marker = recording(app, &name);
    let expected_by = Some(app.clock.now() + SignedDuration::from_secs(seconds));
    announce(app, NewOperation { expected_by, ..of_call(&marker) }).await;
    app.advance(seconds);
    let n = app.first.delivered().len();
    for n in n + 1.. {
        if told(app, &name) == [OVERDUE] {
            return;
        }
        app.first.wait_for(n).await;
    }
}

/// The end of a call, with more members.
fn ended(recording: &Recording, more: Value) -> String {
    let mut item: Value = serde_json::from_str(&calls::call_of(recording.call, "terminated")).unwrap();
    item["resourceData"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item.to_string()
}

#[tokio::test]
async fn what_is_announced_after_the_end_of_its_call_is_lost() {
    let mut app = TestApp::start().await;
    let hung_up = recording(&mut app, "hung up");
    post(&app, calls::call_of(hung_up.call, "terminated")).await;
    app.clock.advance(SignedDuration::from_millis(200));
    let announced = announce(&app, of_call(&hung_up)).await;
    pass(&mut app, 29).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Waiting);
    pass(&mut app, 2).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Lost);
    assert_eq!(told(&app, "hung up"), [LOST]);
    app.stop().await;
}

#[tokio::test]
async fn what_is_heard_or_joins_its_call_after_the_calls_end_is_lost() {
    let mut app = TestApp::start().await;
    let (heard, bound, answered) =
        (recording(&mut app, "heard"), recording(&mut app, "bound"), recording(&mut app, "answered"));
    let without_call = announce(&app, NewOperation { call_id: None, ..of_call(&bound) }).await;
    for recording in [&heard, &bound, &answered] {
        post(&app, calls::call_of(recording.call, "terminated")).await;
    }
    app.clock.advance(SignedDuration::from_millis(200));
    post(&app, heard.running()).await;
    post(&app, bound.running()).await;
    // What `recordResponse` answered with: an id, and that it runs.
    let id = GraphId::new(&answered.operation.to_string());
    announce(&app, NewOperation { id, status: Status::Running, ..of_call(&answered) }).await;
    pass(&mut app, 31).await;
    assert_eq!(told(&app, "heard"), ["recordOperation.running", LOST]);
    assert_eq!(told(&app, "bound"), ["recordOperation.running", LOST]);
    assert_eq!(told(&app, "answered"), [LOST]);
    assert_eq!(state(&app, &without_call).await, ExpectationState::Lost);
    app.stop().await;
}

#[tokio::test]
async fn an_ended_call_is_remembered_over_a_restart_and_what_comes_in_time_is_not_lost() {
    let mut app = TestApp::start().await;
    let (late, good) = (recording(&mut app, "late"), recording(&mut app, "good"));
    for recording in [&late, &good] {
        post(&app, calls::call_of(recording.call, "terminated")).await;
    }
    let mut app = app.restart().await;
    let (lost, met) = (announce(&app, of_call(&late)).await, announce(&app, of_call(&good)).await);
    pass(&mut app, 20).await;
    post(&app, good.completed()).await;
    pass(&mut app, 11).await;
    assert_eq!((state(&app, &lost).await, state(&app, &met).await), (ExpectationState::Lost, ExpectationState::Met));
    app.stop().await;
}

#[tokio::test]
async fn a_call_that_is_deleted_has_ended_whatever_its_state_says() {
    for (state_told, has_data) in [("established", true), ("", false)] {
        let mut app = TestApp::start().await;
        let recording = recording(&mut app, "deleted");
        let mut item: Value = serde_json::from_str(&calls::call_of(recording.call, state_told)).unwrap();
        item["changeType"] = "deleted".into();
        if !has_data {
            item["resourceData"] = Value::Null;
        }
        let announced = announce(&app, of_call(&recording)).await;
        post(&app, item.to_string()).await;
        pass(&mut app, 31).await;
        assert_eq!(state(&app, &announced).await, ExpectationState::Lost, "{state_told:?}");
        app.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_lost_because_the_server_was_stopped() {
    let mut app = TestApp::start().await;
    let (hung_up, good) = (recording(&mut app, "hung up"), recording(&mut app, "good"));
    let announced = announce(&app, of_call(&hung_up)).await;
    post(&app, good.running()).await;
    for recording in [&hung_up, &good] {
        post(&app, calls::call_of(recording.call, "terminated")).await;
    }
    let clock = app.clock.clone();
    let mut app = app.restart_with(|_settings| clock.advance(SignedDuration::from_secs(60))).await;
    pass(&mut app, 29).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Waiting, "the grace began with the start");
    post(&app, good.completed()).await;
    pass(&mut app, 2).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Lost);
    assert_eq!(told(&app, "good"), [COMPLETED]);
    app.stop().await;
}

#[tokio::test]
async fn nothing_is_lost_while_notifications_are_refused() {
    let mut app = TestApp::start().await;
    let hung_up = recording(&mut app, "hung up");
    let announced = announce(&app, of_call(&hung_up)).await;
    post(&app, calls::call_of(hung_up.call, "terminated")).await;
    // The keys of the provider are gone with the process: it can prove nothing until it has them.
    app.provider.set(Mode::Status(503));
    let mut app = app.restart().await;
    pass(&mut app, 20).await;
    assert_eq!(app.post_calls(&[hung_up.completed()]).await.status, 503);
    pass(&mut app, 29).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Waiting, "Graph may come again");
    pass(&mut app, 2).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Lost);
    app.stop().await;
}

#[tokio::test]
async fn nothing_is_lost_because_the_machine_slept() {
    let mut app = TestApp::start().await;
    let hung_up = recording(&mut app, "hung up");
    let announced = announce(&app, of_call(&hung_up)).await;
    post(&app, calls::call_of(hung_up.call, "terminated")).await;
    pass(&mut app, 20).await;
    // Its clock went on, and the steady one did not.
    app.clock.step(SignedDuration::from_hours(8));
    pass(&mut app, 9).await;
    pass(&mut app, 2).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Waiting);
    pass(&mut app, 30).await;
    assert_eq!(state(&app, &announced).await, ExpectationState::Lost);
    app.stop().await;
}

#[tokio::test]
async fn a_second_recording_is_not_answered_with_the_firsts_result() {
    let mut app = TestApp::start().await;
    let (first, other) = (recording(&mut app, "the call's id"), recording(&mut app, "the call's id"));
    let mut second = first.clone();
    second.operation = other.operation;
    post(&app, first.completed()).await;
    let announced = announce(&app, of_call(&second)).await;
    assert_eq!((&announced.status, state(&app, &announced).await), (&Status::NotStarted, ExpectationState::Waiting));
    post(&app, second.failed()).await;
    let ended = operation(&app, &announced.id).await;
    assert_eq!((ended.id, ended.status), (second.operation.to_string(), Status::Failed));
    // A third is awaited just so, although both before it have ended.
    assert_eq!(announce(&app, of_call(&second)).await.status, Status::NotStarted);
    // One that names its id is that one, however short it was.
    let id = GraphId::new(&first.operation.to_string());
    let named = app.operations.create(NewOperation { id, ..of_call(&first) }).await.unwrap();
    assert!(matches!(named, Created::Same(operation) if operation.status == Status::Completed));
    app.stop().await;
}

#[tokio::test]
async fn what_is_recovered_says_how_it_ended_and_a_failure_without_a_recording_is_not() {
    let mut app = TestApp::start().await;
    let (good, bad) = (recording(&mut app, "good"), recording(&mut app, "bad"));
    for recording in [&good, &bad] {
        post(&app, recording.running()).await;
        post(&app, calls::call_of(recording.call, "terminated")).await;
    }
    pass(&mut app, 31).await;
    post(&app, good.completed()).await;
    post(&app, bad.failed()).await;
    pass(&mut app, 31).await;
    assert_eq!(told(&app, "good"), ["recordOperation.running", LOST, COMPLETED, RECOVERED]);
    assert_eq!(told(&app, "bad"), ["recordOperation.running", LOST, "recordOperation.failed"]);
    let events: Vec<_> = app.first.delivered().into_iter().map(|delivery| delivery.event).collect();
    let last = |kind: &str| events.iter().rfind(|event| event.kind == kind).unwrap();
    let (recovered, completed) = (last(RECOVERED), last(COMPLETED));
    assert_eq!(recovered.envelope.carried.caused_by, Some(completed.id));
    assert_eq!(last(LOST).envelope.carried.caused_by, None, "time caused it");
    let data: Value = serde_json::from_str(&recovered.data).unwrap();
    assert_eq!(data["expectation"]["outcome"], "completed", "{data}");
    let bad = operation(&app, &bad.operation.to_string()).await;
    assert_eq!((bad.status, bad.expectation.unwrap().state), (Status::Failed, ExpectationState::Lost));
    app.stop().await;
}

#[tokio::test]
async fn what_is_lost_tells_how_its_call_ended_and_what_was_announced() {
    let mut app = TestApp::start().await;
    let hung_up = recording(&mut app, "hung up");
    let expected_by = Some(app.clock.now() + SignedDuration::from_hours(1));
    announce(&app, NewOperation { expected_by, ..of_call(&hung_up) }).await;
    app.advance(7);
    let result = json!({ "@odata.type": "#microsoft.graph.resultInfo", "code": 487, "subcode": 7000,
                         "message": "Call ended. DiagCode: 487#7000.@" });
    let sender = json!({ "phone": { "id": "+4512345678", "displayName": "Adele Vance" } });
    post(&app, ended(&hung_up, json!({ "resultInfo": result, "terminationSender": sender }))).await;
    pass(&mut app, 31).await;
    let mut events = app.first.delivered().into_iter().map(|delivery| delivery.event);
    let lost = events.rfind(|event| event.kind == LOST).unwrap();
    let data: Value = serde_json::from_str(&lost.data).unwrap();
    let expected = json!({
        "dateTime": "2026-11-24T08:00:07Z",
        "resultInfo": { "code": 487, "subcode": 7000, "message": "Call ended. DiagCode: 487#7000.@" },
        "terminationSender": sender,
    });
    assert_eq!(data["callEnd"], expected, "{data}");
    assert_eq!(data["metadata"], json!({ "customer": "Contoso" }));
    assert_eq!(data["expectation"]["announcedAt"], "2026-11-24T08:00:00Z");
    assert_eq!(data["expectation"]["expectedBy"], "2026-11-24T09:00:00Z");
    app.stop().await;
}

#[tokio::test]
async fn an_end_without_client_context_goes_where_that_of_its_operation_does() {
    let route = |name: &str, context: &str, sink: &str| {
        format!("[[routes]]\nname = \"{name}\"\n{context}sinks = [\"{sink}\"]\n")
    };
    let support = route("support", "client_context = { regex = \"support-(?<n>[0-9]+)\" }\n", "second");
    let routes = format!("{support}{}", route("others", "client_context = { exact = \"other\" }\n", "first"));
    let app = TestApp::start_with(Settings { routes, ..Settings::default() });
    let mut app = app.await;
    let (announced, heard) = (recording(&mut app, "support-1"), recording(&mut app, "support-2"));
    announce(&app, of_call(&announced)).await;
    post(&app, heard.running()).await;
    for recording in [announced, heard] {
        post(&app, recording.client_context("").completed()).await;
    }
    let delivered = app.second.wait_for(3).await;
    let told: Vec<_> = delivered[1..]
        .iter()
        .map(|it| (it.event.client_context.as_ref().unwrap().as_str(), it.route.as_str(), it.captures["n"].as_str()))
        .collect();
    assert_eq!(told, [("support-1", "support", "1"), ("support-2", "support", "2")]);
    let data: Value = serde_json::from_str(&delivered[1].event.data).unwrap();
    assert_eq!(data["clientContext"], Value::Null, "what Graph sent is not changed");
    assert!(app.store.unmatched(Newest::up_to(10)).await.unwrap().is_empty());
    app.stop().await;
}

#[tokio::test]
async fn an_end_without_client_context_is_that_of_the_only_announcement_of_its_call() {
    let mut app = TestApp::start().await;
    let (only, one, mut two) = (recording(&mut app, "only"), recording(&mut app, "one"), recording(&mut app, "two"));
    two.call = one.call;
    let announced = announce(&app, of_call(&only)).await;
    let mut several = Vec::new();
    for recording in [&one, &two] {
        several.push(announce(&app, of_call(recording)).await);
    }
    for recording in [only, one] {
        post(&app, recording.client_context("").completed()).await;
    }
    assert_eq!(operation(&app, &announced.id).await.status, Status::Completed);
    for announced in several {
        assert_eq!(state(&app, &announced).await, ExpectationState::Waiting, "which of the two is not known");
    }
    app.stop().await;
}
