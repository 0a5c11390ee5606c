//! `events` of sinks and routes, over a whole app: which events a sink gets.

use std::collections::BTreeSet;

use reelhook::domain::{Delivery, SinkName};
use reelhook::simulator::payload::Recording;
use reelhook::store::operations::NewOperation;
use reelhook::store::{EventFilter, EventView, Newest};
use serde_json::{Value, json};

use crate::test_app::{Settings, TestApp, announcement};

const TO_BOTH: &str = "[[routes]]\nname = \"both\"\nsinks = [\"first\", \"second\"]\n";
const ONLY_ENDS: &str = "events = [\"recordOperation.completed\", \"*.FAILED\"]\n";

/// An app whose `first` takes only the ends of recordings, and whose `second` takes everything.
async fn start(routes: &str) -> TestApp {
    let settings = Settings { first: ONLY_ENDS.into(), routes: routes.into(), ..Settings::default() };
    TestApp::start_with(settings).await
}

/// Posts a running and a completed recording.
async fn post_both(app: &mut TestApp, context: &str) {
    let recording = Recording::new(&mut app.seed).client_context(context);
    for item in [recording.running(), recording.completed()] {
        assert_eq!(app.post_calls(&[item]).await.status, 202);
    }
}

fn kinds(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|it| it.event.kind.trim_start_matches("recordOperation.")).collect()
}

async fn events(app: &TestApp) -> Vec<EventView> {
    app.store.event_log(&EventFilter::default(), Newest::up_to(100)).await.unwrap().rows
}

async fn get(url: String) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_sink_gets_only_the_events_that_it_chooses_of_those_that_are_routed_or_announced_to_it() {
    let mut app = start(TO_BOTH).await;
    post_both(&mut app, "routed").await;
    let named = NewOperation { sinks: vec![SinkName::new("first")], ..announcement("announced") };
    app.operations.create(named).await.unwrap();
    post_both(&mut app, "announced").await;
    let failed = Recording::new(&mut app.seed).client_context("failed").failed();
    assert_eq!(app.post_calls(&[failed]).await.status, 202);
    assert_eq!(kinds(&app.first.wait_for(3).await), ["completed", "completed", "failed"]);
    let second: BTreeSet<_> = app.second.wait_for(3).await.iter().map(|it| it.event.kind.clone()).collect();
    assert_eq!(second.len(), 3, "{second:?}");
    assert_eq!(app.metric("reelhook_match_unmatched_total").await, 0.0);
    let kept: Vec<_> = events(&app).await.into_iter().filter(|it| it.deliveries.is_empty()).collect();
    let told: Vec<_> = kept.iter().map(|it| (it.kind.as_str(), it.client_context.as_deref(), it.is_matched)).collect();
    assert_eq!(told, [("recordOperation.running", Some("announced"), true)], "nothing else was without a delivery");
    assert_eq!((app.first.attempts().len(), app.second.attempts().len()), (3, 3));
}

#[tokio::test]
async fn it_is_told_why_an_event_has_no_delivery() {
    let mut app = start("").await;
    post_both(&mut app, "x").await;
    app.first.wait_for(1).await;
    let running = events(&app).await.into_iter().find(|it| it.deliveries.is_empty()).unwrap();
    let url = |path: &str| format!("http://{}/{path}", app.admin);
    let shown = get(url(&format!("v1.0/events/{}", running.id))).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let story = shown["story"].to_string();
    assert!(story.contains("none of its sinks takes events of this type") && !story.contains("no route"), "{story}");
    assert_eq!(shown["isMatched"], json!(true), "{shown}");
    let page = get(url(&format!("events/{}", running.id))).await;
    assert!(page.contains("data-test=\"not-taken\"") && !page.contains("No route matched"), "{page}");
    let list = get(url("events")).await;
    assert!(list.contains("not taken") && !list.contains("no route</span>"), "{list}");
    for (matched, n) in [("true", 2), ("false", 0)] {
        let log: Value = serde_json::from_str(&get(url(&format!("v1.0/eventLog?matched={matched}"))).await).unwrap();
        assert_eq!(log["value"].as_array().unwrap().len(), n, "{log}");
    }
}

#[tokio::test]
async fn a_reload_changes_what_a_sink_takes_from_then_on() {
    let mut app = start("").await;
    post_both(&mut app, "before").await;
    app.first.wait_for(1).await;
    app.reload_with(|settings| settings.first = "events = \"*.running\"\n".into()).await.unwrap();
    post_both(&mut app, "after").await;
    assert_eq!(kinds(&app.first.wait_for(2).await), ["completed", "running"]);
    app.reload_with(|settings| settings.first = String::new()).await.unwrap();
    post_both(&mut app, "all").await;
    assert_eq!(kinds(&app.first.wait_for(4).await), ["completed", "running", "running", "completed"]);
}

#[tokio::test]
async fn a_delivery_is_not_sent_again_to_a_sink_that_does_not_take_its_event() {
    let mut app = start(TO_BOTH).await;
    post_both(&mut app, "x").await;
    let running = app.second.wait_for(2).await.remove(0);
    app.first.wait_for(1).await;
    let url = format!("http://{}/v1.0/deliveries/{}/resend", app.admin, running.id);
    let request = reqwest::Client::new().post(&url).header("content-type", "application/json");
    let reply = request.body(r#"{"to": "first"}"#).send().await.unwrap();
    let (status, body) = (reply.status().as_u16(), reply.text().await.unwrap());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["error"]["code"]), (409, &json!("notTaken")), "{body}");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("recordOperation.running") && message.contains("sinks.first.events"), "{message}");
    assert_eq!(app.first.attempts().len(), 1);
}

#[tokio::test]
async fn what_a_sink_does_not_take_is_not_counted_before_deliveries_are_sent_again() {
    let mut app = start(TO_BOTH).await;
    post_both(&mut app, "x").await;
    app.second.wait_for(2).await;
    app.first.wait_for(1).await;
    let url = format!("http://{}/v1.0/deliveries/resend", app.admin);
    let ask = async |body: Value| {
        let request = reqwest::Client::new().post(&url).header("content-type", "application/json");
        let reply = request.body(body.to_string()).send().await.unwrap();
        serde_json::from_str::<Value>(&reply.text().await.unwrap()).unwrap()
    };
    let all = json!({ "since": "1h", "sink": "second", "dryRun": true });
    crate::process::eventually("all are settled", async || ask(all.clone()).await["matchedCount"] == 2).await;
    let to_first = json!({ "since": "1h", "sink": "second", "to": "first", "dryRun": true });
    let counted = ask(to_first.clone()).await;
    assert_eq!((&counted["matchedCount"], &counted["resentCount"]), (&json!(1), &json!(0)), "{counted}");
    let mut really = to_first;
    really["dryRun"] = json!(false);
    assert_eq!(ask(really).await["resentCount"], 1);
    assert_eq!(kinds(&app.first.wait_for(2).await), ["completed", "completed"]);
}

#[tokio::test]
async fn a_pattern_on_a_route_is_a_condition_and_type_is_another_name_of_it() {
    for key in ["type", "events"] {
        let routes = format!(
            "[[routes]]\nname = \"ends\"\n{key} = [\"*.Completed\", \"x.y\"]\nsinks = [\"first\"]\n\
             [[routes]]\nname = \"operations\"\n{key} = \"RECORDOPERATION.*\"\nsinks = [\"second\"]\n"
        );
        let mut app = TestApp::start_with(Settings { routes, ..Settings::default() }).await;
        post_both(&mut app, "x").await;
        assert_eq!(kinds(&app.first.wait_for(1).await), ["completed"], "{key}");
        assert_eq!(kinds(&app.second.wait_for(1).await), ["running"], "{key}");
        assert_eq!((app.first.attempts().len(), app.second.attempts().len()), (1, 1), "{key}");
    }
}
