//! What an envelope says reaches whoever asks: sinks, from memory and from the store; the API; the console; `explain`. And
//! whose word an event is, no text decides.

use std::path::Path;

use reelhook::domain::{Delivery, Order, Origin};
use reelhook::simulator::client::Post;
use reelhook::simulator::payload::Recording;
use reelhook::sinks::cloud_event;
use serde_json::{Value, json};

use crate::recording_sink::RecordingSink;
use crate::test_app::{CLIENT_STATE, Settings, TENANT, TestApp};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const RECORDING: &str = r##"{"@odata.type":"#microsoft.graph.commsNotification","changeType":"deleted","resourceUrl":"/communications/calls/6f1d2c3b-0a41-4e77-9d1a-3c5b7a9e1f20/operations/b2a40f6e-5c1d-4d8e-8f33-1e2d3c4b5a03","resourceData":{"@odata.type":"#microsoft.graph.recordOperation","id":"b2a40f6e-5c1d-4d8e-8f33-1e2d3c4b5a03","clientContext":"ctx-lost","status":"completed"}}"##;

/// The items of two subscriptions of two tenants, whose path is one.
fn two_tenants() -> Vec<String> {
    let item = |subscription: &str, tenant: &str| {
        json!({
            "subscriptionId": subscription, "clientState": CLIENT_STATE, "changeType": "updated",
            "subscriptionExpirationDateTime": "2026-12-10T00:00:00Z", "tenantId": tenant,
            "resource": "me/drive/root", "resourceData": null
        })
        .to_string()
    };
    vec![
        item("aaaaaaaa-0000-0000-0000-000000000001", "84bd8158-6d4d-4958-8b9f-9d6445542f95"),
        item("bbbbbbbb-0000-0000-0000-000000000002", "11111111-2222-3333-4444-555555555555"),
    ]
}

/// What a sink is sent.
fn sent(delivery: &Delivery) -> Value {
    let mut out = Vec::new();
    cloud_event::write(delivery, true, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// The value of an item of `resourceData` changed.
fn with(member: &str, value: Value) -> String {
    let mut item: Value = serde_json::from_str(RECORDING).unwrap();
    item["resourceData"][member] = value;
    item.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_without_a_type_are_told_apart_and_have_the_type_of_their_path() {
    let app = TestApp::start().await;
    assert_eq!(app.post_changes(&two_tenants(), false).await.status, 202);
    let delivered = app.first.wait_for(2).await;
    let mut events: Vec<Value> = delivered.iter().map(sent).collect();
    events.sort_by_key(|event| event["sequence"].as_str().unwrap().to_owned());
    for (event, (subscription, tenant)) in events.iter().zip([
        ("aaaaaaaa-0000-0000-0000-000000000001", "84bd8158-6d4d-4958-8b9f-9d6445542f95"),
        ("bbbbbbbb-0000-0000-0000-000000000002", "11111111-2222-3333-4444-555555555555"),
    ]) {
        let attributes = ["subscriptionid", "tenantid", "type", "resourcetype", "changetype"].map(|name| &event[name]);
        assert_eq!(attributes, [subscription, tenant, "driveItem.updated", "driveItem", "updated"]);
        let attributes = ["channel", "subscriptionexpiry", "partitionkey", "subject"].map(|name| &event[name]);
        assert_eq!(attributes, ["subscriptions", "2026-12-10T00:00:00Z", "me/drive/root", "me/drive/root"]);
        assert!(event.get("callid").is_none() && event.get("callback").is_none() && event["data"].is_null(), "{event}");
    }
    assert!(events[0]["sequence"].as_str() < events[1]["sequence"].as_str());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_one_path_is_routed_by_everything_that_the_envelope_says() {
    for condition in [
        "resource = { exact = \"/me/drive/root\" }",
        "resource = { prefix = \"ME/\" }",
        "resource = { glob = \"*/drive/*\" }",
        "resource = { regex = '(?<owner>[^/]+)/drive/.*' }",
        "change_type = \"updated\"",
        "subscription = \"AAAAAAAA-0000-0000-0000-000000000001\"",
        "channel = \"subscriptions\"",
        "type = \"driveItem.updated\"",
        "resource_type = \"driveItem\"",
    ] {
        let routes = format!(
            "[[routes]]\nname = \"drives\"\n{condition}\nsinks = [\"second\"]\n[[routes]]\nname = \"rest\"\nsinks = [\"first\"]\n"
        );
        let mut app = TestApp::start_with(Settings { routes, ..Settings::default() }).await;
        assert_eq!(app.post_changes(&two_tenants()[..1], false).await.status, 202);
        let delivered = app.second.wait_for(1).await;
        let captured = sent(&delivered[0]).get("captures").cloned();
        assert_eq!(captured, condition.contains("owner").then(|| json!(r#"{"owner":"me"}"#)), "{condition}");
        let recording = Recording::new(&mut app.seed).completed();
        assert_eq!(app.post_calls(&[recording]).await.status, 202);
        assert_eq!(app.first.wait_for(1).await.len(), 1, "{condition}");
        app.stop().await;
    }
}

/// A call's POST as the platform sends it, to an address that the bot chose.
fn from_the_platform(app: &TestApp, path: &str, items: &[String]) -> Post {
    let mut post = app.graph.calls(items).unwrap();
    post.path = path.into();
    for name in ["x-microsoft-skype-message-id", "x-microsoft-skype-chain-id", "scenario-id"] {
        post.headers.remove(name);
    }
    for (name, value) in [
        ("x-microsoft-skype-message-id", "5b2f0c1e-message"),
        ("x-microsoft-skype-original-message-id", "5b2f0c1e-original"),
        ("x-microsoft-skype-chain-id", "9a7d-chain"),
        ("scenario-id", "77c1-scenario"),
        ("client-request-id", "31fe-request"),
        ("traceparent", TRACE),
    ] {
        post = post.header(name, value);
    }
    post
}

/// What such an event must say of it.
fn assert_is_told(delivery: &Delivery) {
    let event = sent(delivery);
    let names = ["callback", "correlationid", "traceparent", "callid", "partitionkey", "tenantid"];
    let call = "6f1d2c3b-0a41-4e77-9d1a-3c5b7a9e1f20";
    assert_eq!(names.map(|name| &event[name]), ["/emea/2?shift=2&x=%20", "9a7d-chain", TRACE, call, call, TENANT]);
    let added = &event["data"]["reelhook"];
    for (name, value) in [
        ("channel", "calls"),
        ("callback", "/emea/2?shift=2&x=%20"),
        ("correlationId", "9a7d-chain"),
        ("partitionKey", call),
        ("chainId", "9a7d-chain"),
        ("messageId", "5b2f0c1e-message"),
        ("originalMessageId", "5b2f0c1e-original"),
        ("scenarioId", "77c1-scenario"),
        ("clientRequestId", "31fe-request"),
        ("traceparent", TRACE),
    ] {
        assert_eq!(added[name], value, "{name}");
    }
    assert_eq!(added["sequence"], event["sequence"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_head_of_a_post_says_reaches_the_sink_from_memory_and_from_the_store() {
    let settings = Settings { calls: "subpaths = true".into(), ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    app.first.fail([RecordingSink::retry("later")]);
    let post = from_the_platform(&app, "/graph/calls/emea/2?shift=2&x=%20", &[RECORDING.into()]);
    assert_eq!(app.send(post).await.status, 202);
    app.until_metric("reelhook_delivery_attempts_total{sink=\"first\",result=\"retry\"}", 1.0).await;
    assert_is_told(&app.first.attempts()[0]);
    let app = app.restart().await;
    app.advance(3600);
    let delivered = app.first.wait_for(1).await;
    assert_is_told(&delivered[0]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_below_the_callback_is_taken_only_where_the_config_says_so() {
    let app = TestApp::start().await;
    assert_eq!(app.send(from_the_platform(&app, "/graph/calls/emea", &[RECORDING.into()])).await.status, 404);
    assert_eq!(app.send(from_the_platform(&app, "/graph/calls?shift=2", &[RECORDING.into()])).await.status, 202);
    let event = sent(&app.first.wait_for(1).await[0]);
    assert_eq!((&event["callback"], &event["data"]["reelhook"]["callback"]), (&json!("?shift=2"), &json!("?shift=2")));
    let app = app.restart_with(|settings| settings.calls = "subpaths = true".into()).await;
    for path in ["/graph/calls/emea", "/graph/calls/", "/graph/calls/a/b/c"] {
        let item = with("status", json!(path));
        assert_eq!(app.send(from_the_platform(&app, path, &[item])).await.status, 202, "{path}");
    }
    for path in ["/graph/callsx", "/graph", "/graph/callsx/emea"] {
        assert_eq!(app.send(from_the_platform(&app, path, &[RECORDING.into()])).await.status, 404, "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_graphs_is_never_taken_for_reelhooks_own_word() {
    let app = TestApp::start().await;
    let statuses = ["lost", "overdue", "recovered", "Lost", "unknownFutureValue"];
    for (n, status) in (1..).zip(statuses) {
        let mut item: Value = serde_json::from_str(&with("status", json!(status))).unwrap();
        item["resourceData"]["reelhook"] = json!({"previousState": "forged"});
        item["resourceData"]["Reelhook"] = json!({"order": "forged"});
        item["resourceData"]["kept"] = json!(n);
        assert_eq!(app.post_calls(&[item.to_string()]).await.status, 202);
        let delivered = app.first.wait_for(n).await;
        let (event, delivery) = (sent(&delivered[n - 1]), &delivered[n - 1]);
        assert_eq!(
            (&event["type"], &event["source"]),
            (&json!("recordOperation.unknown"), &json!("https://graph.microsoft.com"))
        );
        assert_eq!((&event["data"]["status"], &event["data"]["kept"]), (&json!(status), &json!(n)));
        assert_eq!(delivery.event.origin, Origin::Graph);
        assert!(delivery.event.order.is_some_and(|order| order != Order::Late));
        let mut line = Vec::new();
        cloud_event::write(delivery, true, &mut line);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line.to_lowercase().matches("\"reelhook\":").count(), 1, "{line}");
        assert!(!line.contains("forged"), "{line}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_names_a_record_operation_says_none_of_reelhooks_words() {
    let app = TestApp::start().await;
    let item = r##"{"changeType":"lost","resourceUrl":"/communications/calls/1/operations","resourceData":[7,{"@odata.type":"#microsoft.graph.recordOperation"}]}"##;
    let typed = r##"{"changeType":"lost","resourceUrl":"/communications/calls/1","resourceData":{"@odata.type":"#microsoft.graph.call","state":"established"}}"##;
    assert_eq!(app.post_calls(&[item.into(), typed.into()]).await.status, 202);
    for delivery in app.first.wait_for(1).await {
        assert_ne!(delivery.event.kind, "recordOperation.lost");
        assert_eq!(delivery.event.origin, Origin::Graph);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_context_with_control_characters_is_exact_in_the_data_and_in_no_attribute() {
    let app = TestApp::start().await;
    assert_eq!(app.post_calls(&[with("clientContext", json!("ctx-\0a\r\nb"))]).await.status, 202);
    let event = sent(&app.first.wait_for(1).await[0]);
    assert_eq!(event["data"]["clientContext"], "ctx-\0a\r\nb");
    for (name, value) in event.as_object().unwrap().iter().filter(|(name, _)| *name != "data") {
        assert!(!value.as_str().unwrap().contains(char::is_control), "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reelhooks_own_word_is_routed_by_its_type() {
    let routes = "[[routes]]\nname = \"alarms\"\ntype = [\"recordOperation.overdue\", \"recordOperation.recovered\"]\n\
                  sinks = [\"second\"]\n[[routes]]\nname = \"rest\"\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings {
        routes: routes.into(),
        more: "[expectations]\ndefault_within = \"1m\"\n".into(),
        ..Settings::default()
    })
    .await;
    let recording = Recording::new(&mut app.seed).client_context("late");
    announce(&app, &recording.call.to_string(), "late").await;
    app.advance(61);
    let overdue = app.second.wait_for(1).await;
    assert_eq!(
        (overdue[0].event.kind.as_str(), overdue[0].event.origin),
        ("recordOperation.overdue", Origin::Reelhook)
    );
    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    let told = app.second.wait_for(2).await;
    assert_eq!(told[1].event.kind, "recordOperation.recovered");
    assert_eq!(sent(&told[1])["source"], "/reelhook");
    assert_eq!(app.first.wait_for(1).await[0].event.kind, "recordOperation.completed");
    assert_eq!((app.first.delivered().len(), app.second.delivered().len()), (1, 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_a_client_context_is_routed_by_the_one_that_is_known_and_by_its_change_type() {
    let routes = "[[routes]]\nname = \"ends\"\nclient_context = { exact = \"known\" }\nchange_type = \"deleted\"\n\
                  sinks = [\"second\"]\n[[routes]]\nname = \"rest\"\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    let recording = Recording::new(&mut app.seed).client_context("known");
    assert_eq!(app.post_calls(&[recording.running()]).await.status, 202);
    app.first.wait_for(1).await;
    let mut end: Value = serde_json::from_str(&recording.completed()).unwrap();
    end["resourceData"].as_object_mut().unwrap().remove("clientContext");
    assert_eq!(app.post_calls(&[end.to_string()]).await.status, 202);
    assert_eq!(sent(&app.second.wait_for(1).await[0])["route"], "ends");
    app.stop().await;
}

async fn announce(app: &TestApp, call_id: &str, client_context: &str) {
    let url = format!("http://{}/v1.0/communications/calls/{call_id}/operations", app.admin);
    let body = json!({ "clientContext": client_context });
    let reply = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matched_is_shown_with_its_envelope_and_routed_by_it() {
    let routes = "[[routes]]\nname = \"calls\"\nchannel = \"calls\"\nsinks = [\"first\"]\n";
    let app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    assert_eq!(app.post_changes(&two_tenants(), false).await.status, 202);
    let shown = reqwest::get(format!("http://{}/v1.0/unmatched", app.admin)).await.unwrap().text().await.unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let event = &shown["value"][1];
    for (name, value) in [
        ("subscriptionId", "aaaaaaaa-0000-0000-0000-000000000001"),
        ("subscriptionExpirationDateTime", "2026-12-10T00:00:00Z"),
        ("tenantId", "84bd8158-6d4d-4958-8b9f-9d6445542f95"),
        ("changeType", "updated"),
        ("resourceType", "driveItem"),
        ("source", "https://graph.microsoft.com"),
        ("channel", "subscriptions"),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
    let more =
        "[[routes]]\nname = \"one\"\nsubscription = \"aaaaaaaa-0000-0000-0000-000000000001\"\nsinks = [\"second\"]\n";
    let app = app.restart_with(|settings| settings.routes.push_str(more)).await;
    let routes = app.routes();
    let unmatched = app.store.unmatched(reelhook::store::Newest::up_to(9)).await.unwrap();
    let n_routes: Vec<usize> = unmatched.iter().map(|event| routes.matches(&event.routing_key()).len()).collect();
    assert_eq!(n_routes, [0, 1]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_the_envelope_of_an_operations_events() {
    let app = TestApp::start_with(Settings { calls: "subpaths = true".into(), ..Settings::default() }).await;
    let post = from_the_platform(&app, "/graph/calls/emea?shift=2", &[RECORDING.into()]);
    assert_eq!(app.send(post).await.status, 202);
    app.first.wait_for(1).await;
    let url = format!("http://{}/operations/b2a40f6e-5c1d-4d8e-8f33-1e2d3c4b5a03", app.admin);
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    for told in [
        "/emea?shift=2",
        "9a7d-chain",
        "5b2f0c1e-message",
        "77c1-scenario",
        "31fe-request",
        "Sent by Graph to the calls path",
    ] {
        assert!(page.contains(told), "{told}");
    }
    app.stop().await;
}

/// The folder of cases, where there is one (`GRAPH_CASES`).
fn case(name: &str) -> Option<String> {
    let folder = std::env::var_os("GRAPH_CASES")?;
    Some(std::fs::read_to_string(Path::new(&folder).join(name)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_of_facts_end_as_they_should() {
    let Some(lost) = case("status-lost.json") else { return };
    let app = TestApp::start().await;
    assert_eq!(app.post_calls_body(lost).await.status, 202);
    let event = sent(&app.first.wait_for(1).await[0]);
    assert_eq!(
        (&event["type"], &event["source"]),
        (&json!("recordOperation.unknown"), &json!("https://graph.microsoft.com"))
    );
    assert_eq!(event["data"]["reelhook"]["previousState"], Value::Null);
    assert_eq!(app.post_calls_body(case("context-control-characters.json").unwrap()).await.status, 202);
    let event = sent(&app.first.wait_for(2).await[1]);
    assert!(event.get("clientcontext").is_none() && event["data"]["clientContext"] == "ctx-\0a\r\nb", "{event}");
    let changes = case("two-tenants-untyped.json").unwrap().replace("\"secret\"", &format!("{CLIENT_STATE:?}"));
    assert_eq!(app.send(app.graph.notifications_with(changes)).await.status, 202);
    let delivered = app.first.wait_for(4).await;
    let subscriptions: Vec<Value> = delivered[2..].iter().map(|it| sent(it)["subscriptionid"].clone()).collect();
    assert_ne!(subscriptions[0], subscriptions[1]);
    app.stop().await;
}
