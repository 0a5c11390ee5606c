//! What proof is worth, from the POST to the sink: weaker proof changes nothing that stronger proof established, a
//! subscription decides which proof its items need, and secrets reach only who asked for them.

use reelhook::domain::{ClientContext, ExpectationState, GraphId, Status};
use reelhook::simulator::payload::{Recording, calls};
use reelhook::sinks::cloud_event;
use reelhook::store::operations::{Created, NewOperation};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::answers::{ACCEPTED, notifications, refused, still_delivers, with};
use crate::recording_sink::RecordingSink;
use crate::test_app::TestApp;

/// What a subscription would say of a recording; only the calling channel carries them.
fn forged(app: &mut TestApp, it: &Recording) -> String {
    let of_call: Value = serde_json::from_str(&it.completed()).unwrap();
    let item = app.graph.change(&mut app.seed).basic();
    let path = format!("\"communications/calls/{}/operations/{}\"", it.call, it.operation);
    with(&with(&item, "resource", &path), "resourceData", &of_call["resourceData"].to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_client_state_alone_changes_no_recording_and_ends_no_wait() {
    let mut app = TestApp::start().await;
    let awaited = Recording::new(&mut app.seed).client_context("awaited");
    let new = NewOperation {
        id: None,
        call_id: None,
        tenant_id: None,
        client_context: ClientContext::new("awaited"),
        status: Status::NotStarted,
        metadata: None,
        sinks: Vec::new(),
        expected_by: None,
        allow_duplicate: false,
    };
    let Created::New(announced) = app.operations.create(new).await.unwrap() else { panic!("it was announced before") };
    let item = forged(&mut app, &awaited);
    refused(&app, notifications(&app.graph, &[item]), ACCEPTED, &[]).await;
    let known = app.operations.get(&GraphId::new(&announced.id).unwrap(), None).await.unwrap().unwrap();
    assert_eq!((known.status, known.expectation.unwrap().state), (Status::NotStarted, ExpectationState::Waiting));

    let running = Recording::new(&mut app.seed).client_context("running");
    refused(&app, app.graph.calls(&[running.running()]).unwrap(), ACCEPTED, &[]).await;
    let item = forged(&mut app, &running);
    refused(&app, notifications(&app.graph, &[item]), ACCEPTED, &[]).await;
    let known = app.store.operations(&running.operation.to_string()).await.unwrap().remove(0);
    assert_eq!((known.status, known.events.len()), (Status::Running, 2));
    assert_eq!(app.metric("reelhook_operation_order_total{order=\"weaker\"}").await, 1.0);
    refused(&app, app.graph.calls(&[running.completed()]).unwrap(), ACCEPTED, &[]).await;
    let known = app.store.operations(&running.operation.to_string()).await.unwrap().remove(0);
    assert_eq!(
        (known.status, known.events.len()),
        (Status::Completed, 3),
        "the true end is no repeat of the forged one"
    );
    still_delivers(&mut app, 0, &["awaited", "running", "running", "running"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_subscription_needs_is_remembered_over_a_restart() {
    let mut app = TestApp::start().await;
    let change = app.graph.change(&mut app.seed);
    let (plain, rich) = (change.basic(), change.rich(app.graph.certificate.as_ref().unwrap()).unwrap());
    let rich = with(&rich, "id", "\"another\"");
    refused(&app, app.graph.notifications(&[rich], true).unwrap(), ACCEPTED, &[]).await;
    let missing: &[(&str, f64)] = &[("notifications jwt_missing", 1.0)];
    refused(&app, notifications(&app.graph, std::slice::from_ref(&plain)), ACCEPTED, missing).await;
    let mut app = app.restart().await;
    refused(&app, notifications(&app.graph, std::slice::from_ref(&plain)), ACCEPTED, missing).await;
    refused(&app, app.graph.notifications(std::slice::from_ref(&plain), true).unwrap(), ACCEPTED, &[]).await;
    still_delivers(&mut app, 1, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_token_is_kept_beside_the_event_and_reaches_only_a_sink_that_asked_for_it() {
    let mut app = TestApp::start().await;
    let call = calls::call(&mut app.seed, "incoming");
    let data: Value = serde_json::from_str(&call).unwrap();
    let mut data = data["resourceData"].clone();
    data["meetingInfo"] = serde_json::json!({ "Token": "canary-join", "deeper": [{ "passcode": "canary-pass" }] });
    let item = with(&call, "resourceData", &data.to_string());
    // From memory first, then as the store has it.
    app.first.fail([RecordingSink::retry("later")]);
    refused(&app, app.graph.calls(&[item]).unwrap(), ACCEPTED, &[]).await;
    app.first.wait_for_attempts(1).await;
    let app = app.restart().await;
    app.advance(3600);
    let delivered = app.first.wait_for(1).await.remove(0);
    let shown = |with_secrets: bool| {
        let mut line = Vec::new();
        cloud_event::write(&delivered, with_secrets, &mut line);
        String::from_utf8(line).unwrap()
    };
    assert!(!shown(false).contains("canary") && !format!("{delivered:?}").contains("canary"));
    let asked: Value = serde_json::from_str(&shown(true)).unwrap();
    assert_eq!(asked["data"], data);
    assert!(delivered.event.secrets.as_ref().unwrap().expose_secret().contains("/meetingInfo/deeper/0/passcode"));
    let view = app.store.event(delivered.event.id).await.unwrap().unwrap();
    assert!(!view.data.contains("canary"), "{}", view.data);
    app.stop().await;
}
