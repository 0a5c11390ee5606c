//! Events about reelhook itself, over a whole app: each transition is told once to a route that names it.

use std::time::Duration;

use reelhook::domain::{Delivery, Origin, SinkName};
use reelhook::simulator::payload::Recording;
use reelhook::sinks::DeliveryError;
use reelhook::store::{EventFilter, Newest};
use serde_json::{Value, json};

use crate::recording_sink::PATIENCE;
use crate::test_app::{Settings, TestApp};

/// Everything of Graph's goes to `first`, what is told to operators to `second`.
const ROUTES: &str = "[[routes]]\nname = \"all\"\nsinks = [\"first\"]\ncontinue = true\n\
                      [[routes]]\nname = \"operators\"\nevents = [\"reelhook.*\"]\nsinks = [\"second\"]\n";

async fn start() -> TestApp {
    TestApp::start_with(Settings { routes: ROUTES.into(), ..Settings::default() }).await
}

fn rejected() -> DeliveryError {
    DeliveryError::Reject { reason: "410 Gone".into() }
}

async fn completed(app: &mut TestApp) {
    let item = Recording::new(&mut app.seed).completed();
    assert_eq!(app.post_calls(&[item]).await.status, 202);
}

fn data(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.event.data).unwrap()
}

fn kinds(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|it| it.event.kind.as_str()).collect()
}

/// The types of the operator events that were stored until now, oldest first. The watcher tells a pause of `first` in one look,
/// and its end in a later one: so when that end is told, it has looked at everything that was there before.
async fn told_by_now(app: &TestApp) -> Vec<String> {
    let (first, n) = (SinkName::new("first"), app.second.delivered().len());
    let told = async |kind: &str| {
        let is_one = |it: &Delivery| it.event.kind == kind;
        let arrived = async {
            while !app.second.delivered().iter().skip(n).any(is_one) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.unwrap_or_else(|_| panic!("{kind} is not told"));
    };
    app.pauses.pause(&first).await.unwrap();
    told("reelhook.sink.paused").await;
    app.pauses.resume(&first).await.unwrap();
    told("reelhook.sink.resumed").await;
    let mut kinds = stored(app).await;
    for marker in ["reelhook.sink.resumed", "reelhook.sink.paused"] {
        let last = kinds.iter().rposition(|kind| kind == marker).unwrap();
        kinds.remove(last);
    }
    kinds
}

/// The types of the operator events in the store, oldest first.
async fn stored(app: &TestApp) -> Vec<String> {
    let all = app.store.event_log(&EventFilter::default(), Newest::up_to(50)).await.unwrap().rows;
    let kinds = all.into_iter().rev().map(|event| event.kind);
    kinds.filter(|kind| kind.starts_with("reelhook.")).collect()
}

#[tokio::test]
async fn an_operators_pause_and_its_end_are_told_once_each() {
    let first = SinkName::new("first");
    let mut app = start().await;
    app.pauses.pause(&first).await.unwrap();
    let paused = app.second.wait_for(1).await.remove(0);
    assert_eq!((paused.event.kind.as_str(), paused.event.origin), ("reelhook.sink.paused", Origin::Reelhook));
    assert_eq!((paused.event.subject.as_deref(), paused.route.as_str()), (Some("reelhook/sinks/first"), "operators"));
    let told = data(&paused);
    assert_eq!((&told["sink"], &told["by"], &told["until"]), (&json!("first"), &json!("operator"), &Value::Null));
    assert_eq!(told["message"], json!("sink first was paused by an operator"));
    app.pauses.resume(&first).await.unwrap();
    let both = app.second.wait_for(2).await;
    assert_eq!(kinds(&both), ["reelhook.sink.paused", "reelhook.sink.resumed"]);
    assert_eq!(
        data(&both[1])["message"],
        json!("sink first was resumed by an operator"),
        "whether it works is not known"
    );
    completed(&mut app).await;
    app.first.wait_for(1).await;
    assert_eq!(told_by_now(&app).await, ["reelhook.sink.paused", "reelhook.sink.resumed"]);
    assert_eq!(app.first.attempts().len(), 1);
    assert_eq!(app.metric("reelhook_match_unmatched_total").await, 0.0);
}

#[tokio::test]
async fn a_pause_before_the_start_is_not_told_again() {
    let first = SinkName::new("first");
    let app = start().await;
    app.pauses.pause(&first).await.unwrap();
    app.second.wait_for(1).await;
    let app = app.restart().await;
    app.pauses.resume(&first).await.unwrap();
    assert_eq!(kinds(&app.second.wait_for(1).await), ["reelhook.sink.resumed"]);
    assert_eq!(told_by_now(&app).await, ["reelhook.sink.paused", "reelhook.sink.resumed"]);
}

#[tokio::test]
async fn a_sink_that_failed_before_a_restart_is_told_to_be_paused_once_and_then_to_work_again() {
    let mut app = start().await;
    let down = || DeliveryError::Retry { reason: "503".into(), after: Some(Duration::from_secs(1)), pause: true };
    app.first.fail([down()]);
    completed(&mut app).await;
    assert_eq!(kinds(&app.second.wait_for(1).await), ["reelhook.sink.paused"]);
    // The pause ends with the process, but the sink still fails.
    let mut app = app.restart().await;
    app.first.fail([down()]);
    app.advance(301);
    app.first.wait_for_attempts(1).await;
    completed(&mut app).await;
    let delivered = async {
        while app.first.delivered().len() < 2 {
            app.advance(301);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, delivered).await.expect("both are delivered in the end");
    assert_eq!(kinds(&app.second.wait_for(1).await), ["reelhook.sink.resumed"]);
    assert_eq!(told_by_now(&app).await, ["reelhook.sink.paused", "reelhook.sink.resumed"]);
}

#[tokio::test]
async fn a_sink_that_a_route_names_later_is_told_what_goes_on_then() {
    let folder = tempfile::tempdir().unwrap();
    let store = reserve_of(&folder).1;
    let everything = "[[routes]]\nname = \"all\"\nsinks = [\"first\"]\ncontinue = true\n";
    let app = TestApp::start_on(folder, Settings { routes: everything.into(), store, ..Settings::default() }).await;
    app.pauses.pause(&SinkName::new("first")).await.unwrap();
    app.reload_with(|settings| settings.routes = ROUTES.into()).await.unwrap();
    let told = app.second.wait_for(2).await;
    let mut told = kinds(&told);
    told.sort_unstable();
    assert_eq!(told, ["reelhook.disk.low", "reelhook.sink.paused"]);
    app.pauses.resume(&SinkName::new("first")).await.unwrap();
    app.second.wait_for(3).await;
    // Another one is told what still goes on; who knows it is not told again.
    app.reload_with(|settings| settings.routes = ROUTES.replace("[\"second\"]", "[\"first\", \"second\"]"))
        .await
        .unwrap();
    assert_eq!(kinds(&app.first.wait_for(1).await), ["reelhook.disk.low"]);
    let app = app.restart().await;
    let all = told_by_now(&app).await;
    assert_eq!(all.iter().filter(|kind| *kind == "reelhook.disk.low").count(), 2, "{all:?}");
    assert!(!kinds(&app.second.attempts()).contains(&"reelhook.disk.low"), "nor after a restart");
}

#[tokio::test]
async fn dead_letters_are_told_at_once_and_then_once_a_minute_with_their_number() {
    let mut app = start().await;
    app.first.fail((0..4).map(|_n| rejected()));
    completed(&mut app).await;
    let one = data(&app.second.wait_for(1).await[0]);
    assert_eq!((&one["sink"], &one["count"]), (&json!("first"), &json!(1)), "{one}");
    assert!(one["reason"].as_str().unwrap().contains("410 Gone"), "{one}");
    assert!(one["message"].as_str().unwrap().starts_with("1 delivery to sink first was given up at "), "{one}");
    for n in 2..=4 {
        completed(&mut app).await;
        app.first.wait_for_attempts(n).await;
    }
    assert_eq!(told_by_now(&app).await, ["reelhook.deadLetter"], "not within the minute");
    app.advance(61);
    let three = app.second.wait_for(4).await.remove(3);
    assert_eq!((three.event.kind.as_str(), &data(&three)["count"]), ("reelhook.deadLetter", &json!(3)));
}

#[tokio::test]
async fn the_dead_letter_of_an_operator_event_makes_no_other() {
    let mut app = start().await;
    app.first.fail([rejected()]);
    app.second.fail([rejected()]);
    completed(&mut app).await;
    app.second.wait_for_attempts(1).await;
    for _ in 0..2 {
        app.advance(61);
        let told = told_by_now(&app).await;
        assert_eq!(told.iter().filter(|kind| *kind == "reelhook.deadLetter").count(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn what_is_quarantined_is_told_by_its_reason() {
    let app = start().await;
    assert_eq!(app.post_calls_body(r#"{"value":[5]}"#).await.status, 202);
    let told = app.second.wait_for(1).await.remove(0);
    assert_eq!(told.event.kind, "reelhook.quarantined");
    let (told, reason) = (data(&told), app.quarantine().await[0]);
    assert_eq!((&told["reason"], &told["count"]), (&json!(reason), &json!(1)), "{told}");
    assert!(told["message"].as_str().unwrap().starts_with("1 notification was quarantined at "), "{told}");
}

#[tokio::test]
async fn a_body_of_a_proven_sender_that_cannot_be_read_is_told_too() {
    let app = start().await;
    assert_eq!(app.post_calls_body("Graph speaks another language now").await.status, 400);
    assert_eq!(app.second.wait_for(1).await[0].event.kind, "reelhook.quarantined");
}

#[tokio::test]
async fn a_disk_with_little_room_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let (reserve, store) = reserve_of(&folder);
    let app = TestApp::start_on(folder, Settings { routes: ROUTES.into(), store, ..Settings::default() }).await;
    let told = app.second.wait_for(1).await.remove(0);
    assert_eq!(told.event.kind, "reelhook.disk.low");
    assert_eq!(data(&told)["reserveBytes"], json!(reserve));
    assert_eq!(told_by_now(&app).await, ["reelhook.disk.low"]);
    let app = app.restart().await;
    told_by_now(&app).await;
    assert!(!kinds(&app.second.attempts()).contains(&"reelhook.disk.low"), "nor after a restart");
}

/// A reserve for the disk of this folder that it has, but not twice: in bytes, and as a line of `[store]`.
fn reserve_of(folder: &tempfile::TempDir) -> (u64, String) {
    let stat = rustix::fs::statvfs(folder.path()).unwrap();
    let mebibytes = (stat.f_bavail * stat.f_frsize / 3 * 2) >> 20;
    (mebibytes << 20, format!("disk_reserve = \"{mebibytes}MiB\"\n"))
}

#[tokio::test]
async fn slow_answers_are_told_once_and_count_no_events_of_reelhooks() {
    let app = start().await;
    let slow = || app.answered("notifications", Duration::from_secs(4));
    (0..9).for_each(|_n| slow());
    assert!(told_by_now(&app).await.is_empty(), "nine answers say nothing");
    slow();
    let told = app.second.wait_for(3).await.remove(2);
    assert_eq!((told.event.kind.as_str(), &data(&told)["path"]), ("reelhook.answers.slow", &json!("notifications")));
    slow();
    assert_eq!(told_by_now(&app).await.last().unwrap(), "reelhook.answers.slow");
    assert_eq!(stored(&app).await.iter().filter(|kind| *kind == "reelhook.answers.slow").count(), 1);
    assert_eq!(app.metric("reelhook_answers_over_3s_share{path=\"notifications\"}").await, 1.0);
}

#[tokio::test]
async fn what_no_route_names_is_not_made() {
    let routes = ROUTES.replace("reelhook.*", "reelhook.sink.resumed");
    let mut app = TestApp::start_with(Settings { routes, ..Settings::default() }).await;
    let first = SinkName::new("first");
    app.first.fail([rejected()]);
    completed(&mut app).await;
    app.first.wait_for_attempts(1).await;
    app.pauses.pause(&first).await.unwrap();
    paused_for_a_look(&app).await;
    app.pauses.resume(&first).await.unwrap();
    assert_eq!(kinds(&app.second.wait_for(1).await), ["reelhook.sink.resumed"]);
    assert_eq!(app.first.attempts().len(), 1, "a route without conditions gets none");
    assert_eq!(stored(&app).await, ["reelhook.sink.resumed"], "neither the dead letter nor the pause");
}

/// Waits until the watcher has seen that `first` is paused.
async fn paused_for_a_look(app: &TestApp) {
    let seen = async {
        while !app.store.told().await.unwrap().iter().any(|told| told.subject == "reelhook/sinks/first") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the pause is seen");
}

#[tokio::test]
async fn a_sink_that_pauses_itself_again_and_again_is_told_of_once() {
    let mut app = start().await;
    let down = || DeliveryError::Retry { reason: "503".into(), after: Some(Duration::from_secs(1)), pause: true };
    app.first.fail((0..3).map(|_n| down()));
    completed(&mut app).await;
    let paused = app.second.wait_for(1).await.remove(0);
    let told = data(&paused);
    assert_eq!(
        (paused.event.kind.as_str(), &told["by"], &told["reason"]),
        ("reelhook.sink.paused", &json!("reelhook"), &json!("503")),
        "{told}"
    );
    let delivered = async {
        while app.first.delivered().is_empty() {
            app.advance(301);
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    };
    tokio::time::timeout(PATIENCE, delivered).await.expect("it is delivered in the end");
    assert_eq!(kinds(&app.second.wait_for(2).await), ["reelhook.sink.paused", "reelhook.sink.resumed"]);
}
