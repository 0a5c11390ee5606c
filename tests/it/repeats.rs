//! Repeats, from POST to sink: what Graph tells again is delivered once, and what it tells in the same bytes each time.

use reelhook::simulator::payload::Recording;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::test_app::{CLIENT_STATE, Settings, TestApp};

const CALL: &str = "6f1d2c3b-0a41-4e77-9d1a-3c5b7a9e1f20";

fn participants(is_muted: bool) -> String {
    let path = format!("/communications/calls/{CALL}/participants");
    let participant = json!({ "@odata.type": "#microsoft.graph.participant", "isMuted": is_muted, "id": null });
    json!({ "changeType": "updated", "resourceUrl": path, "resourceData": [participant] }).to_string()
}

/// An item of a subscription that has no id of its own.
fn of_subscription(members: Value) -> String {
    let mut item = json!({
        "subscriptionId": "76222963-cc7b-42d2-882d-8aaa69cb2ba3",
        "clientState": CLIENT_STATE,
        "subscriptionExpirationDateTime": "2026-12-10T00:00:00Z",
        "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
    });
    item.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    item.to_string()
}

fn changed(resource: &str, data: Value) -> String {
    of_subscription(json!({ "changeType": "updated", "resource": resource, "resourceData": data }))
}

/// The POST, with the ids of its message.
async fn post(app: &TestApp, items: &[String], headers: &[(&'static str, &str)]) {
    let mut post = app.graph.calls(items).unwrap();
    for (name, value) in headers {
        post.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    assert_eq!(app.send(post).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_record_that_is_told_in_the_same_bytes_each_time_it_grows_is_delivered_each_time() {
    let app = TestApp::start().await;
    let record = "communications/callRecords/e523d2ed-2966-4b6b-925b-754a88034cc5";
    let data = json!({ "@odata.type": "#Microsoft.Graph.callrecord", "@odata.id": record, "id": "e523d2ed" });
    for _ in 0..3 {
        assert_eq!(app.post_changes(&[changed(record, data.clone())], false).await.status, 202);
    }
    let delivered = app.first.wait_for(3).await;
    let marked: Vec<bool> = delivered.iter().map(|it| it.event.possible_repeat).collect();
    assert_eq!(marked, [false, true, true]);
    assert_eq!(app.metric("reelhook_possible_repeats_total{channel=\"subscriptions\"}").await, 2.0);
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"subscriptions\"}").await, 0.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_that_is_repeated_until_it_is_answered_is_delivered_each_time() {
    let app = TestApp::start().await;
    let item = of_subscription(json!({ "lifecycleEvent": "reauthorizationRequired" }));
    for _ in 0..3 {
        assert_eq!(app.send(app.graph.lifecycle(std::slice::from_ref(&item))).await.status, 202);
    }
    assert_eq!(app.first.wait_for(3).await.len(), 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_who_mutes_and_unmutes_is_told_of_each_time_in_order() {
    let app = TestApp::start().await;
    let story = [false, true, false, true, false];
    for (n, is_muted) in story.into_iter().enumerate() {
        post(&app, &[participants(is_muted)], &[]).await;
        app.first.wait_for(n + 1).await;
    }
    let delivered = app.first.delivered();
    let told: Vec<bool> = delivered
        .iter()
        .map(|it| serde_json::from_str::<Value>(&it.event.data).unwrap()[0]["isMuted"].as_bool().unwrap())
        .collect();
    assert_eq!(told, story);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_the_calling_platform_that_comes_again_is_delivered_once() {
    let app = TestApp::start().await;
    let (id, original) = ("x-microsoft-skype-message-id", "x-microsoft-skype-original-message-id");
    let told = [participants(true), participants(true)];
    for headers in [&[(id, "m-1")][..], &[(id, "m-1")], &[(id, "m-2"), (original, "m-1")]] {
        post(&app, &told, headers).await;
    }
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"calls\"}").await, 4.0);
    post(&app, &told, &[(id, "m-3")]).await;
    assert_eq!(app.first.wait_for(4).await.len(), 4);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_told_again_is_delivered_once() {
    let app = TestApp::start().await;
    let presence = |number: &str| {
        let data = json!({ "@odata.type": "#microsoft.graph.presence", "id": "1", "sequenceNumber": number });
        changed("communications/presences/1", data)
    };
    let message = |etag: &str| changed("users/1/messages/2", json!({ "@odata.etag": etag, "id": "2" }));
    let record = |version: u32| {
        let data = json!({ "@odata.type": "#microsoft.graph.callRecord", "id": "3", "version": version });
        changed("communications/callRecords/3", data)
    };
    let told = [presence("A1"), message("W/\"1\""), record(1), presence("A2"), message("W/\"2\""), record(2)];
    for item in told.iter().chain(&told) {
        assert_eq!(app.post_changes(std::slice::from_ref(item), false).await.status, 202);
    }
    assert_eq!(app.first.wait_for(6).await.len(), 6);
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"subscriptions\"}").await, 6.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_encrypted_content_is_delivered_once_in_whatever_envelope() {
    let mut app = TestApp::start().await;
    let change = app.graph.change(&mut app.seed);
    let item = change.rich(app.graph.certificate.as_ref().unwrap()).unwrap();
    let without_id = item.replacen(&format!("\"id\":\"{}\",", change.id), "", 1);
    assert_ne!(item, without_id);
    let later = without_id.replace("2099-03-20", "2099-03-21");
    for item in [&without_id, &without_id, &later] {
        assert_eq!(app.post_changes(std::slice::from_ref(item), true).await.status, 202);
    }
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"subscriptions\"}").await, 2.0);
    assert_eq!(app.first.wait_for(1).await.len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_that_it_may_be_a_repeat() {
    let mut app = TestApp::start().await;
    let it = Recording::new(&mut app.seed).client_context("to-and-fro");
    // Without an etag, as the platform's own traffic is.
    let item = |text: String| text.replace("\"@odata.etag\":\"W/\\\"54451\\\"\",", "");
    let (running, completed) = (item(it.running()), item(it.completed()));
    assert_ne!(running, it.running());
    for told in [&running, &completed, &running] {
        post(&app, std::slice::from_ref(told), &[]).await;
    }
    let delivered = app.first.wait_for(3).await;
    let written: Vec<Value> = delivered
        .iter()
        .map(|it| {
            let mut text = Vec::new();
            reelhook::sinks::cloud_event::write(it, false, &mut text);
            serde_json::from_slice(&text).unwrap()
        })
        .collect();
    for event in &written[..2] {
        assert!(event.get("possiblerepeat").is_none() && event["data"]["reelhook"].get("possibleRepeat").is_none());
    }
    assert_eq!(written[2]["possiblerepeat"], json!(true));
    assert_eq!(written[2]["data"]["reelhook"]["possibleRepeat"], json!(true));
    assert_eq!(written[2]["data"]["reelhook"]["order"], json!("late"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_503_and_became_durable_all_the_same_is_delivered_once() {
    let server = "answer_timeout = \"100ms\"".into();
    let app = TestApp::start_with(Settings { server, ..Settings::default() }).await;
    let held = rusqlite::Connection::open(app.folder.path().join("reelhook.db")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let item = participants(true);
    assert_eq!(app.post_calls(std::slice::from_ref(&item)).await.status, 503);
    held.execute_batch("ROLLBACK").unwrap();
    app.first.wait_for(1).await;
    // Graph comes again, and that is answered.
    post(&app, std::slice::from_ref(&item), &[]).await;
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"calls\"}").await, 1.0);
    // What comes after it is a change again.
    post(&app, &[item], &[]).await;
    assert_eq!(app.first.wait_for(2).await.len(), 2);
    app.stop().await;
}
