//! Announced, bound, changed, removed.

use serde_json::{Value, json};

use super::{ALL, announce, announced, ask, completed, get, query, recording, with_tokens};
use crate::recording_sink::RecordingSink;
use crate::test_app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_operation_is_where_its_location_says_and_bound_by_graphs_word() {
    let mut app = TestApp::start().await;
    let recording = recording(&mut app, "support-7");
    let path = format!("/v1.0/communications/calls/{}/operations", recording.call);
    let body = json!({ "clientContext": "support-7", "metadata": { "ticket": 7 }, "sinks": ["second"], "expectWithin": "PT3M" });
    let new = ask(&app, ("POST", &path), &[], Some(body)).await;
    assert_eq!(new.status, 201, "{new:?}");
    let location = new.header("location");
    assert_eq!(location, format!("http://{}{path}/{}", app.admin, new.body["id"].as_str().unwrap()));

    let kept = get(&app, location).await;
    assert_eq!((kept.status, kept.header("etag")), (200, kept.body["@odata.etag"].as_str().unwrap()));
    assert_eq!(kept.body, new.body);
    assert_eq!(kept.body["status"], "notStarted");
    assert_eq!(kept.body["callId"], recording.call.to_string());
    assert_eq!(kept.body["metadata"], json!({ "ticket": 7 }));
    let expectation = &kept.body["expectation"];
    assert_eq!(expectation["state"], "waiting");
    assert_eq!(expectation["expectedBy"], "2026-11-24T08:03:00Z");
    assert_eq!(expectation["sinks"], json!(["second"]));

    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    app.second.wait_for(1).await;
    let ended = get(&app, location).await;
    assert_eq!(ended.body["status"], "completed");
    assert_eq!(ended.body["id"], recording.operation.to_string());
    assert_eq!(ended.body["resultInfo"]["code"], 200);
    assert_eq!(ended.body["expectation"]["state"], "met");
    assert_eq!(ended.body["metadata"], json!({ "ticket": 7 }));
    assert_ne!(ended.header("etag"), kept.header("etag"));
    let by_graphs_id = get(&app, &format!("{ALL}/{}", recording.operation.simple().to_string().to_uppercase())).await;
    assert_eq!(by_graphs_id.body["@odata.etag"], ended.body["@odata.etag"]);
    assert!(app.first.delivered().is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_announced_again_is_the_same() {
    let app = TestApp::start().await;
    let body = json!({ "clientContext": "twice", "callId": "call-1" });
    let first = announce(&app, body.clone()).await;
    let again = announce(&app, body).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body["id"], again.body["id"]);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(query(&app, ALL, &[("$filter", "clientContext eq 'twice'")]).await.contexts(), ["twice"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_context_of_another_call_is_taken_unless_duplicates_are_allowed() {
    let app = TestApp::start().await;
    let first = announce(&app, json!({ "clientContext": "shared", "callId": "call-1" })).await;
    let mut second = json!({ "clientContext": "shared", "callId": "call-2" });
    let taken = announce(&app, second.clone()).await;
    assert_eq!((taken.status, taken.codes()), (409, ("nameAlreadyExists", "")));
    assert!(taken.message().contains(first.body["id"].as_str().unwrap()), "{taken:?}");
    second["allowDuplicate"] = true.into();
    assert_eq!(announce(&app, second).await.status, 201);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_record_response_answered_with_is_bound_by_its_id() {
    let mut app = TestApp::start().await;
    let recording = recording(&mut app, "");
    let answered = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.recordOperation",
        "@odata.type": "#microsoft.graph.recordOperation", "id": recording.operation.to_string(), "status": "running",
        "clientContext": null, "resultInfo": null, "recordingLocation": null, "recordingAccessToken": null,
    });
    let new = announce(&app, answered).await;
    assert_eq!((new.status, &new.body["status"]), (201, &json!("running")), "{new:?}");
    assert_eq!(app.post_calls(&[recording.failed()]).await.status, 202);
    let ended = get(&app, new.header("location")).await;
    assert_eq!((&ended.body["status"], &ended.body["expectation"]["state"]), (&json!("failed"), &json!("met")));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_held_to_the_version_that_its_client_read() {
    let app = TestApp::start().await;
    let path = announced(&app, "changing").await;
    let patch = async |tag: Option<&str>, body: Value| {
        let headers: Vec<_> = tag.map(|tag| ("if-match", tag)).into_iter().collect();
        ask(&app, ("PATCH", &path), &headers, Some(body)).await
    };
    let read = get(&app, &path).await;
    let changed = patch(Some(read.header("etag")), json!({ "metadata": { "n": 1 }, "clientContext": "changed" })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, changed.body["@odata.etag"].as_str().unwrap()));
    assert_eq!(get(&app, &path).await.body, changed.body);
    assert_eq!((&changed.body["clientContext"], &changed.body["metadata"]), (&json!("changed"), &json!({ "n": 1 })));

    let stale = patch(Some(read.header("etag")), json!({ "metadata": { "n": 2 } })).await;
    assert_eq!((stale.status, stale.codes()), (412, ("resourceModified", "entityTagDoesNotMatch")));
    assert_eq!(patch(Some("nonsense"), json!({})).await.codes(), ("badRequest", "malformedEntityTag"));
    assert_eq!(get(&app, &path).await.body, changed.body);
    for tag in [None, Some("*")] {
        assert_eq!(patch(tag, json!({ "expectWithin": "PT1H" })).await.status, 200, "{tag:?}");
    }
    let quiet = ask(&app, ("PATCH", &path), &[("prefer", "return=minimal")], Some(json!({ "metadata": null }))).await;
    assert_eq!((quiet.status, &quiet.body), (204, &json!("")));
    let read = get(&app, &path).await;
    assert_eq!((read.header("etag"), &read.body["metadata"]), (quiet.header("etag"), &Value::Null));
    assert_eq!(read.body["expectation"]["expectedBy"], "2026-11-24T09:00:00Z");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_graphs_cannot_be_changed() {
    let mut app = TestApp::start().await;
    let path = completed(&mut app, "ended").await;
    let before = get(&app, &path).await.body;
    let body = json!({ "status": "failed", "recordingLocation": "x", "metadata": { "n": 1 } });
    let refused = ask(&app, ("PATCH", &path), &[], Some(body)).await;
    assert_eq!((refused.status, refused.codes()), (400, ("badRequest", "propertyNotUpdateable")));
    assert!(
        refused.message().starts_with(r#"found "recordingLocation", "status", which cannot be changed"#),
        "{refused:?}"
    );
    let started = ask(&app, ("PATCH", &path), &[], Some(json!({ "clientContext": "other" }))).await;
    assert_eq!((started.status, started.codes()), (409, ("notAllowed", "propertyNotUpdateable")));
    assert_eq!(get(&app, &path).await.body, before);
    let own = ask(&app, ("PATCH", &path), &[], Some(json!({ "metadata": { "late": true } }))).await;
    assert_eq!((own.status, &own.body["metadata"]), (200, &json!({ "late": true })));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_deleted_once_its_deliveries_are_settled_or_by_force() {
    let mut app = TestApp::start().await;
    app.first.fail([RecordingSink::retry("not now")]);
    let recording = recording(&mut app, "unsettled");
    app.post_calls(&[recording.running()]).await;
    app.first.wait_for_attempts(1).await;
    let path = format!("{ALL}/{}", recording.operation);
    let open = ask(&app, ("DELETE", &path), &[], None).await;
    assert_eq!((open.status, open.codes()), (409, ("notAllowed", "")));
    assert!(open.message().starts_with("1 of its deliveries"), "{open:?}");
    let stale = ask(&app, ("DELETE", &format!("{path}?force=true")), &[("if-match", "W/\"999\"")], None).await;
    assert_eq!(stale.status, 412);
    assert_eq!(ask(&app, ("DELETE", &format!("{path}?force=perhaps")), &[], None).await.status, 400);

    let gone = ask(&app, ("DELETE", &format!("{path}?force=true")), &[], None).await;
    assert_eq!((gone.status, &gone.body), (204, &json!("")));
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(&app, (method, &path), &[], None).await.status, 404);
    }
    app.post_calls(&[recording.completed()]).await;
    let new = get(&app, &path).await;
    assert_eq!((new.status, &new.body["status"]), (200, &json!("completed")));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recordings_token_is_shown_to_its_scope_and_never_in_a_list() {
    let mut app =
        TestApp::start_with(with_tokens(&[("plain", "\"read\""), ("trusted", "\"read\", \"recordings\"")])).await;
    app.first.fail([RecordingSink::retry("so that the token is kept")]);
    let recording = recording(&mut app, "secret");
    app.post_calls(&[recording.completed()]).await;
    let path = format!("{ALL}/{}", recording.operation);
    for (token, expected) in [("plain", Value::Null), ("trusted", json!(recording.access_token))] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let one = ask(&app, ("GET", &path), &headers, None).await;
        assert_eq!((one.status, &one.body["recordingAccessToken"]), (200, &expected), "{token}");
        assert_eq!(one.header("cache-control"), "no-store");
        let list = ask(&app, ("GET", ALL), &headers, None).await;
        assert_eq!((list.contexts(), &list.body["value"][0]["recordingAccessToken"]), (vec!["secret"], &Value::Null));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_has_is_not_sent_again_and_only_what_it_selects_is() {
    let mut app = TestApp::start().await;
    let path = completed(&mut app, "cached").await;
    let tag = get(&app, &path).await.header("etag").to_owned();
    let same = ask(&app, ("GET", &path), &[("if-none-match", &tag)], None).await;
    assert_eq!((same.status, same.header("etag"), &same.body), (304, tag.as_str(), &json!("")));
    assert_eq!(ask(&app, ("GET", &path), &[("if-none-match", "W/\"0\"")], None).await.status, 200);
    let some = get(&app, &format!("{path}?$select=status,clientContext")).await;
    let names: Vec<_> = some.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["@odata.context", "@odata.etag", "@odata.type", "clientContext", "status"]);
    let head = ask(&app, ("HEAD", &path), &[], None).await;
    assert_eq!((head.status, head.header("etag"), &head.body), (200, tag.as_str(), &json!("")));
    app.stop().await;
}
