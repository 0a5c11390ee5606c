//! Sinks that come, change and go.

use std::time::Duration;

use serde_json::Value;

use super::{all_to, changed, file_sink, post};
use crate::process::eventually;
use crate::sinks::answering::{Answering, OK};
use crate::test_app::TestApp;

const FAILS: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The client contexts in a file of events.
fn contexts(app: &TestApp, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(app.folder.path().join(file)).unwrap_or_default();
    let context = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["data"]["clientContext"].as_str().unwrap().to_owned()
    };
    text.lines().map(context).collect()
}

async fn until_contexts(app: &TestApp, file: &str, expected: &[&str]) {
    eventually(&format!("{expected:?} in {file}"), async || contexts(app, file) == expected).await;
}

/// A sink as the API shows it.
async fn shown(app: &TestApp, name: &str) -> Option<Value> {
    let text = reqwest::get(format!("http://{}/v1.0/sinks", app.admin)).await.unwrap().text().await.unwrap();
    let sinks: Value = serde_json::from_str(&text).unwrap();
    sinks["value"].as_array().unwrap().iter().find(|sink| sink["name"] == name).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_new_is_delivered_to() {
    let mut app = TestApp::start().await;
    let (third, routes) = (file_sink(&app, "third", "third.jsonl"), all_to("\"first\", \"third\""));
    let names = changed(app.reload_with(|it| (it.more, it.routes) = (third, routes)).await);
    assert_eq!(names, ["routes", "sinks.third (added)"]);
    post(&mut app, "a").await;
    app.first.wait_for(1).await;
    until_contexts(&app, "third.jsonl", &["a"]).await;
    assert_eq!(shown(&app, "third").await.unwrap()["isConfigured"], true);
    app.until_metric("reelhook_sink_configured{sink=\"third\"}", 1.0).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_sink_that_is_removed_stays_and_is_shown_and_goes_on_when_it_is_back() {
    let mut app = TestApp::start().await;
    let hook = Answering::with(FAILS);
    let third = format!("[sinks.third]\nkind = \"http\"\nretry = [\"0s\", \"1h\"]\n{}", hook.table());
    let to_third = all_to("\"third\"");
    changed(app.reload_with(|it| (it.more, it.routes) = (third, to_third.clone())).await);
    post(&mut app, "waits").await;
    app.until_metric("reelhook_delivery_attempts_total{sink=\"third\",result=\"retry\"}", 1.0).await;
    let names = changed(app.reload_with(|it| (it.more, it.routes) = (String::new(), String::new())).await);
    assert_eq!(names, ["routes", "sinks.third (removed)"]);
    let gone = shown(&app, "third").await.unwrap();
    assert_eq!((&gone["isConfigured"], &gone["openCount"]), (&false.into(), &1.into()), "{gone}");
    assert!(gone["hint"].as_str().unwrap().contains("deliveries move --from third"), "{gone}");
    app.until_metric("reelhook_sink_open_deliveries{sink=\"third\"}", 1.0).await;
    app.until_metric("reelhook_sink_configured{sink=\"third\"}", 0.0).await;
    post(&mut app, "others go on").await;
    app.first.wait_for(1).await;
    let file = file_sink(&app, "third", "third.jsonl");
    assert_eq!(changed(app.reload_with(|it| it.more = file).await), ["sinks.third (added)"]);
    // The delay varies by a fifth.
    app.advance(2 * 3600);
    until_contexts(&app, "third.jsonl", &["waits"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_removed_while_nothing_waits_for_it_is_forgotten() {
    let mut app = TestApp::start().await;
    let (third, routes) = (file_sink(&app, "third", "third.jsonl"), all_to("\"third\""));
    changed(app.reload_with(|it| (it.more, it.routes) = (third, routes)).await);
    post(&mut app, "a").await;
    until_contexts(&app, "third.jsonl", &["a"]).await;
    let third = reelhook::domain::SinkName::new("third");
    app.until_metric("reelhook_sink_configured{sink=\"third\"}", 1.0).await;
    eventually("it is settled", async || !app.store.backlog().await.unwrap().contains_key(&third)).await;
    changed(app.reload_with(|it| (it.more, it.routes) = (String::new(), String::new())).await);
    eventually("its series end", async || !app.metrics().await.contains("sink=\"third\"")).await;
    assert!(shown(&app, "third").await.is_none());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_changes_ends_what_is_under_way_before_its_next_dispatcher_begins() {
    let mut app = TestApp::start().await;
    let hook = Answering::with(OK);
    let opened = hook.hold(OK);
    let third = format!("[sinks.third]\nkind = \"http\"\n{}", hook.table());
    changed(app.reload_with(|it| (it.more, it.routes) = (third, all_to("\"third\""))).await);
    post(&mut app, "under way").await;
    eventually("the attempt is under way", async || hook.requests().len() == 1).await;
    let file = file_sink(&app, "third", "third.jsonl");
    let answered = tokio::time::timeout(Duration::from_secs(10), app.reload_with(|it| it.more = file)).await;
    assert_eq!(changed(answered.expect("nobody waits for the attempt")), ["sinks.third (changed)"]);
    post(&mut app, "after").await;
    post(&mut app, "after that").await;
    assert_eq!(contexts(&app, "third.jsonl"), Vec::<String>::new(), "the attempt has not ended");
    opened.send(()).unwrap();
    eventually("both arrive", async || contexts(&app, "third.jsonl").len() == 2).await;
    let mut arrived = contexts(&app, "third.jsonl");
    arrived.sort_unstable();
    assert_eq!(arrived, ["after", "after that"]);
    assert_eq!(hook.requests().len(), 1, "and what was under way was delivered once");
    app.until_metric("reelhook_sink_open_deliveries{sink=\"third\"}", 0.0).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sink_sends_the_type_with_the_prefix_of_the_config_that_runs() {
    let mut app = TestApp::start().await;
    let third = file_sink(&app, "third", "third.jsonl");
    changed(app.reload_with(|it| (it.more, it.routes) = (third, all_to("\"third\""))).await);
    post(&mut app, "a").await;
    until_contexts(&app, "third.jsonl", &["a"]).await;
    let names = changed(app.reload_with(|it| it.more += "[events]\ntype_prefix = \"com.example.\"\n").await);
    let sinks = ["first", "second", "third"].map(|name| format!("sinks.{name} (changed)"));
    assert_eq!(names, [&["events".to_owned()][..], &sinks].concat());
    post(&mut app, "b").await;
    until_contexts(&app, "third.jsonl", &["a", "b"]).await;
    let text = std::fs::read_to_string(app.folder.path().join("third.jsonl")).unwrap();
    let types = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].take());
    let types: Vec<_> = types.collect();
    assert_eq!(types, ["recordOperation.completed", "com.example.recordOperation.completed"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_paused_stays_so_when_its_config_changes() {
    let mut app = TestApp::start().await;
    let first = reelhook::domain::SinkName::new("first");
    app.pauses.pause(&first).await.unwrap();
    let names = changed(app.reload_with(|it| it.sinks = "concurrency = 2".into()).await);
    assert_eq!(names, ["sinks.first (changed)", "sinks.second (changed)"]);
    post(&mut app, "a").await;
    app.until_metric("reelhook_sink_open_deliveries{sink=\"first\"}", 1.0).await;
    assert_eq!(app.first.attempts().len(), 0);
    app.pauses.resume(&first).await.unwrap();
    app.first.wait_for(1).await;
    app.stop().await;
}
