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

/// Waits for more looks of the watcher than one, which comes every half second.
async fn some_looks() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
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
    some_looks().await;
    assert_eq!((app.first.attempts().len(), app.second.attempts().len()), (1, 2));
    assert_eq!(app.metric("reelhook_match_unmatched_total").await, 0.0);
}

#[tokio::test]
async fn a_pause_before_the_start_is_not_told_again() {
    let first = SinkName::new("first");
    let app = start().await;
    app.pauses.pause(&first).await.unwrap();
    app.second.wait_for(1).await;
    let app = app.restart().await;
    some_looks().await;
    assert_eq!(app.second.attempts().len(), 0);
    app.pauses.resume(&first).await.unwrap();
    assert_eq!(kinds(&app.second.wait_for(1).await), ["reelhook.sink.resumed"]);
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
    some_looks().await;
    assert_eq!(app.second.attempts().len(), 1, "not within the minute");
    app.advance(61);
    let three = app.second.wait_for(2).await.remove(1);
    assert_eq!((three.event.kind.as_str(), &data(&three)["count"]), ("reelhook.deadLetter", &json!(3)));
}

#[tokio::test]
async fn the_dead_letter_of_an_operator_event_makes_no_other() {
    let mut app = start().await;
    app.first.fail([rejected()]);
    app.second.fail([rejected()]);
    completed(&mut app).await;
    app.second.wait_for_attempts(1).await;
    app.advance(61);
    some_looks().await;
    app.advance(61);
    some_looks().await;
    assert_eq!(app.second.attempts().len(), 1);
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
    let stat = rustix::fs::statvfs(folder.path()).unwrap();
    let reserve = stat.f_bavail * stat.f_frsize / 3 * 2;
    let store = format!("disk_reserve = \"{}MiB\"\n", reserve >> 20);
    let app = TestApp::start_on(folder, Settings { routes: ROUTES.into(), store, ..Settings::default() }).await;
    let told = app.second.wait_for(1).await.remove(0);
    assert_eq!(told.event.kind, "reelhook.disk.low");
    assert_eq!(data(&told)["reserveBytes"], json!(reserve >> 20 << 20));
    some_looks().await;
    assert_eq!(app.second.attempts().len(), 1);
}

#[tokio::test]
async fn slow_answers_are_told_once_and_count_no_events_of_reelhooks() {
    let app = start().await;
    let slow = || app.answered("notifications", Duration::from_secs(4));
    (0..9).for_each(|_n| slow());
    some_looks().await;
    assert_eq!(app.second.attempts().len(), 0, "nine answers say nothing");
    slow();
    let told = app.second.wait_for(1).await.remove(0);
    assert_eq!((told.event.kind.as_str(), &data(&told)["path"]), ("reelhook.answers.slow", &json!("notifications")));
    slow();
    some_looks().await;
    assert_eq!(app.second.attempts().len(), 1);
    assert_eq!(app.metric("reelhook_answers_over_3s_share{path=\"notifications\"}").await, 1.0);
}

#[tokio::test]
async fn without_a_route_that_names_them_nothing_is_made() {
    let mut app = TestApp::start().await;
    let second = SinkName::new("second");
    app.first.fail([rejected()]);
    completed(&mut app).await;
    app.pauses.pause(&second).await.unwrap();
    app.first.wait_for_attempts(1).await;
    some_looks().await;
    app.pauses.resume(&second).await.unwrap();
    some_looks().await;
    assert_eq!(app.first.attempts().len(), 1, "a route without conditions gets none");
    let all = app.store.event_log(&EventFilter::default(), Newest::up_to(9)).await.unwrap().rows;
    assert_eq!(all.len(), 1, "{all:?}");
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
