//! Small inputs on which the receiver once fell short, in the folder that `GRAPH_CASES` points to: each is posted as its
//! README says, and its right outcome is checked. A file that this table does not know fails the test: whoever adds one
//! says what is expected of it.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use reelhook::domain::{Channel, Delivery};
use reelhook::sinks::cloud_event as wire;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::test_app::{CLIENT_STATE, TestApp};

/// The token of every recording in the cases.
const RECORDING_TOKEN: &str = "synthetic-token-b2a4";
/// The call of the cases.
const CALL: &str = "6f1d2c3b-0a41-4e77-9d1a-3c5b7a9e1f20";

/// Files that are posted one after the other, and how many events come of it.
struct Case {
    name: &'static str,
    channel: Channel,
    sent: &'static [&'static str],
    n_events: usize,
}

const fn case(name: &'static str, channel: Channel, sent: &'static [&'static str], n_events: usize) -> Case {
    Case { name, channel, sent, n_events }
}

const CASES: &[Case] = &[
    case("operations-in-an-array", Channel::Calls, &["operations-in-an-array.json"], 2),
    case("context-over-256", Channel::Calls, &["context-over-256.json"], 1),
    case("context-a-number", Channel::Calls, &["context-a-number.json"], 1),
    case("code-a-fraction", Channel::Calls, &["code-a-fraction.json"], 1),
    case("bom-before-json", Channel::Calls, &["bom-before-json.json"], 1),
    case("call-with-join-token", Channel::Calls, &["call-with-join-token.json"], 1),
    case("operation-over-subscription", Channel::Subscriptions, &["operation-over-subscription.json"], 2),
    case("same-bytes-callrecord", Channel::Subscriptions, &["same-bytes-callrecord.json"; 3], 3),
    case("same-bytes-reauthorization", Channel::Lifecycle, &["same-bytes-reauthorization.json"; 3], 3),
    case(
        "participants",
        Channel::Calls,
        &[
            "participant-unmuted.json",
            "participant-muted.json",
            "participant-unmuted.json",
            "participant-muted.json",
            "participant-unmuted.json",
        ],
        5,
    ),
    case("two-tenants-untyped", Channel::Subscriptions, &["two-tenants-untyped.json"], 2),
    case("status-lost", Channel::Calls, &["status-lost.json"], 1),
    case("context-control-characters", Channel::Calls, &["context-control-characters.json"], 1),
];

/// What the sink got of a case.
struct Arrived {
    delivered: Vec<Delivery>,
    /// As a sink without `include_access_token` gets them.
    events: Vec<Value>,
}

impl Arrived {
    fn of(delivered: Vec<Delivery>) -> Self {
        let events = delivered.iter().map(|it| cloud_event(it, false)).collect();
        Self { delivered, events }
    }

    /// No event shows a token; each operation's own reaches a sink that asks for it.
    fn tokens_are_kept(&self) {
        for (delivery, event) in self.delivered.iter().zip(&self.events) {
            assert!(!event.to_string().contains(RECORDING_TOKEN), "{event}");
            assert_eq!(delivery.event.recording_access_token.as_ref().unwrap().expose_secret(), RECORDING_TOKEN);
            assert_eq!(cloud_event(delivery, true)["data"]["recordingAccessToken"], RECORDING_TOKEN);
        }
    }
}

/// The CloudEvent of a delivery.
fn cloud_event(delivery: &Delivery, with_token: bool) -> Value {
    let mut line = Vec::new();
    wire::write(delivery, with_token, &mut line);
    serde_json::from_slice(&line).unwrap()
}

fn operation_id(number: u32) -> String {
    format!("b2a40f6e-5c1d-4d8e-8f33-1e2d3c4b5a{number:02}")
}

/// What is right, by the case's name.
async fn check(name: &str, app: &TestApp, arrived: &Arrived) {
    let events = &arrived.events;
    match name {
        "operations-in-an-array" => {
            let mut events: Vec<&Value> = events.iter().collect();
            // Two operations: neither waits for the other.
            events.sort_by_key(|event| event["clientcontext"].as_str());
            for (number, event) in (1..).zip(events) {
                assert_eq!(event["type"], "recordOperation.completed");
                assert_eq!(event["clientcontext"], format!("ctx-array-{number}"));
                assert_eq!(event["data"]["clientContext"], event["clientcontext"]);
                assert_eq!(
                    (&event["data"]["id"], &event["data"]["callId"]),
                    (&json!(operation_id(number)), &json!(CALL))
                );
                let known = app.store.operations(&operation_id(number)).await.unwrap();
                assert_eq!((known.len(), known[0].status.as_str()), (1, "completed"));
            }
            arrived.tokens_are_kept();
        }
        "context-over-256" => {
            assert_eq!(
                (&events[0]["type"], events[0].get("clientcontext")),
                (&json!("recordOperation.completed"), None)
            );
            assert_eq!(events[0]["data"]["clientContext"].as_str().unwrap().chars().count(), 304);
            arrived.tokens_are_kept();
            assert_eq!(app.dialects().await.get("client_context_too_long"), Some(&1.0));
        }
        "context-a-number" => {
            assert_eq!(
                (&events[0]["type"], events[0].get("clientcontext")),
                (&json!("recordOperation.completed"), None)
            );
            assert_eq!(events[0]["data"]["clientContext"], 4711);
            arrived.tokens_are_kept();
            assert_eq!(app.dialects().await.get("unreadable_member"), Some(&1.0));
        }
        "code-a-fraction" => {
            assert_eq!(events[0]["clientcontext"], "ctx-code");
            let result = json!({ "code": 200, "subcode": 0, "message": null });
            assert_eq!(events[0]["data"]["resultInfo"], result);
            arrived.tokens_are_kept();
            assert_eq!(app.dialects().await.get("code_as_fraction"), Some(&1.0));
        }
        "bom-before-json" => {
            assert_eq!(
                (&events[0]["clientcontext"], &events[0]["data"]["id"]),
                (&json!("ctx-bom"), &json!(operation_id(9)))
            );
            arrived.tokens_are_kept();
        }
        "call-with-join-token" => {
            assert_eq!(events[0]["type"], "call.updated");
            assert!(!events[0].to_string().contains("synthetic-join-token"), "{}", events[0]);
            let asked = cloud_event(&arrived.delivered[0], true);
            assert_eq!(asked["data"]["meetingInfo"]["token"], "synthetic-join-token");
        }
        "operation-over-subscription" => {
            let known = app.store.operations(&operation_id(8)).await.unwrap().remove(0);
            assert_eq!((known.status.as_str(), known.events.len()), ("running", 2));
            assert_eq!(events[1]["data"]["reelhook"]["order"], "weaker");
            let shown =
                reqwest::get(format!("http://{}/v1.0/communications/recordOperations/{}", app.admin, operation_id(8)));
            let shown: Value = serde_json::from_str(&shown.await.unwrap().text().await.unwrap()).unwrap();
            assert_eq!((&shown["status"], &shown["recordingLocation"]), (&json!("running"), &Value::Null));
        }
        "same-bytes-callrecord" => {
            let record = "communications/callRecords/e523d2ed-2966-4b6b-925b-754a88034cc5";
            assert!(events.iter().all(|event| event["subject"] == record), "{events:?}");
        }
        "same-bytes-reauthorization" => {
            assert!(events.iter().all(|event| event["type"] == "subscription.reauthorizationRequired"), "{events:?}");
        }
        "participants" => {
            let muted: Vec<&Value> = events.iter().map(|event| &event["data"][0]["isMuted"]).collect();
            assert_eq!(muted, [false, true, false, true, false]);
        }
        "two-tenants-untyped" => are_told_apart(events),
        "status-lost" => {
            assert_ne!(events[0]["type"], "recordOperation.lost");
            assert_eq!(events[0]["source"], "https://graph.microsoft.com");
            assert_eq!(
                (&events[0]["data"]["status"], &events[0]["clientcontext"]),
                (&json!("lost"), &json!("ctx-lost"))
            );
            assert_eq!(events[0]["data"]["reelhook"]["previousState"], Value::Null);
            let mut line = Vec::new();
            wire::write(&arrived.delivered[0], false, &mut line);
            assert_eq!(String::from_utf8(line).unwrap().matches("\"reelhook\":").count(), 1);
            arrived.tokens_are_kept();
        }
        "context-control-characters" => {
            for (name, value) in events[0].as_object().unwrap().iter().filter(|(name, _)| *name != "data") {
                let text = value.as_str().unwrap();
                assert!(!text.contains(char::is_control), "{name}: {text:?}");
            }
            assert_eq!(events[0]["data"]["clientContext"], "ctx-\0a\r\nb");
            arrived.tokens_are_kept();
        }
        other => panic!("{other}: say here what is right"),
    }
}

/// The events of two tenants about one path, without a type of Graph's.
fn are_told_apart(events: &[Value]) {
    let mut events: Vec<&Value> = events.iter().collect();
    events.sort_by_key(|event| event["subscriptionid"].as_str());
    for (event, (tenant, subscription)) in events.into_iter().zip([
        ("84bd8158-6d4d-4958-8b9f-9d6445542f95", "aaaaaaaa-0000-0000-0000-000000000001"),
        ("11111111-2222-3333-4444-555555555555", "bbbbbbbb-0000-0000-0000-000000000002"),
    ]) {
        assert_eq!((&event["tenantid"], &event["subscriptionid"]), (&json!(tenant), &json!(subscription)));
        assert_eq!(event["changetype"], "updated");
        assert!(event["subscriptionexpiry"].as_str().unwrap().starts_with("2026-12-10T00:00:00"), "{event}");
        assert_eq!((&event["subject"], &event["type"]), (&json!("me/drive/root"), &json!("driveItem.updated")));
    }
}

/// What is told before the case's own files are posted.
async fn before(name: &str, app: &TestApp) {
    if name == "operation-over-subscription" {
        let path = format!("/communications/calls/{CALL}/operations/{}", operation_id(8));
        let running = json!({
            "changeType": "updated", "resourceUrl": path,
            "resourceData": {
                "@odata.type": "#microsoft.graph.recordOperation", "id": operation_id(8), "clientContext": "ctx-weak",
                "status": "running",
            },
        });
        assert_eq!(app.post_calls(&[running.to_string()]).await.status, 202);
    }
}

async fn post(app: &TestApp, channel: Channel, body: Vec<u8>) {
    let answer = match channel {
        Channel::Calls => app.post_calls_body(body).await,
        Channel::Subscriptions | Channel::Lifecycle => {
            let text = String::from_utf8(body).unwrap().replace("\"secret\"", &format!("\"{CLIENT_STATE}\""));
            let mut post = app.graph.notifications_with(text);
            if channel == Channel::Lifecycle {
                post.path = app.graph.paths.lifecycle.clone();
            }
            app.send(post).await
        }
    };
    assert_eq!(answer.status, 202);
}

async fn run(folder: &Path, case: &Case) {
    let app = TestApp::start().await;
    before(case.name, &app).await;
    for file in case.sent {
        post(&app, case.channel, fs::read(folder.join(file)).unwrap()).await;
    }
    let delivered = app.first.wait_for(case.n_events).await;
    assert_eq!(app.quarantine().await, Vec::<&str>::new(), "{}", case.name);
    check(case.name, &app, &Arrived::of(delivered)).await;
    // One that is known to arrive last: nothing came but what was expected.
    let fence = json!({ "resourceUrl": "/communications/calls/fence", "changeType": "updated", "resourceData": {} });
    assert_eq!(app.post_calls(&[fence.to_string()]).await.status, 202);
    let delivered = app.first.wait_for(case.n_events + 1).await;
    assert_eq!(delivered.len(), case.n_events + 1, "{}", case.name);
    assert!(delivered.iter().all(|it| !format!("{it:?}").contains("synthetic-")), "{}", case.name);
    app.stop().await;
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "README.md").collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_from_the_field_has_its_right_outcome() {
    let Some(folder) = std::env::var_os("GRAPH_CASES").map(PathBuf::from) else {
        println!("skipped: GRAPH_CASES names no folder");
        return;
    };
    for file in files(&folder) {
        let is_known = CASES.iter().any(|case| case.sent.contains(&file.as_str()));
        assert!(is_known, "{}: say here what is expected of it", folder.join(file).display());
    }
    let mut failed = Vec::new();
    for case in CASES {
        println!("{}", case.name);
        if AssertUnwindSafe(run(&folder, case)).catch_unwind().await.is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
