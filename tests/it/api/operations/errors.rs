//! Errors as Graph's clients read them.

use serde_json::json;
use uuid::Uuid;

use super::{ALL, announce, ask, get, with_tokens};
use crate::test_app::{Settings, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn an_error_has_graphs_body_and_the_ids_of_the_request() {
    let app = TestApp::start().await;
    let reply = ask(&app, ("GET", &format!("{ALL}/nothing")), &[("client-request-id", "mine-1")], None).await;
    let inner = &reply.body["error"]["innerError"];
    assert_eq!((reply.status, reply.codes()), (404, ("itemNotFound", "")));
    assert_eq!((reply.header("client-request-id"), inner["client-request-id"].as_str().unwrap()), ("mine-1", "mine-1"));
    let request_id = reply.header("request-id");
    assert_eq!(request_id, inner["request-id"]);
    assert_eq!(Uuid::try_parse(request_id).unwrap().get_version_num(), 4);
    assert_eq!(inner["date"], "2026-11-24T08:00:00Z");
    assert_eq!(reply.header("content-type"), "application/json");

    let long = "x".repeat(1000);
    let fine = ask(&app, ("GET", ALL), &[("client-request-id", &long)], None).await;
    assert_eq!(fine.status, 200);
    assert_eq!(fine.header("client-request-id"), fine.header("request-id"), "what is too long is not repeated");
    assert_ne!(fine.header("request-id"), request_id);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_unknown_and_one_that_cannot_be_read_look_alike() {
    let app = TestApp::start().await;
    for id in ["0fe0623f-d628-42ed-b4bd-8ac290072cc5", "nothing", "%ff%fe", "%00", "..%2f..%2fetc", "'%20or%201=1--"] {
        for path in [format!("{ALL}/{id}"), format!("/v1.0/communications/calls/{id}/operations/{id}")] {
            for method in ["GET", "DELETE"] {
                let reply = ask(&app, (method, &path), &[], None).await;
                assert_eq!((reply.status, reply.codes()), (404, ("itemNotFound", "")), "{method} {path}");
            }
            let patched = ask(&app, ("PATCH", &path), &[], Some(json!({ "metadata": {} }))).await;
            assert_eq!((patched.status, patched.codes()), (404, ("itemNotFound", "")), "{path}");
        }
    }
    for path in ["/v1.0/nothing", "/v1.0", "/beta/communications", "/v1.0/communications/calls"] {
        assert_eq!(get(&app, path).await.codes(), ("itemNotFound", ""), "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_served_is_told_which_are() {
    let app = TestApp::start().await;
    for (method, path, allow) in [
        ("PUT", ALL.to_owned(), "GET, HEAD, POST"),
        ("DELETE", ALL.to_owned(), "GET, HEAD, POST"),
        ("POST", format!("{ALL}/x"), "GET, HEAD, PATCH, DELETE"),
        ("POST", format!("{ALL}/$count"), "GET, HEAD"),
    ] {
        let reply = ask(&app, (method, &path), &[], None).await;
        assert_eq!((reply.status, reply.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(reply.codes(), ("notSupported", ""));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_announcement_is_refused_by_what_is_wrong() {
    let app = TestApp::start().await;
    for (body, expected) in [
        (json!({ "clientContext": "x", "colour": "red" }), r#"found "colour", expected some of clientContext"#),
        (
            json!({ "clientContext": "x", "sinks": ["nowhere"] }),
            r#"sinks: expected names of configured sinks: "first""#,
        ),
        (json!({ "clientContext": "x", "expectWithin": "P8D" }), "expectWithin: expected a duration such as PT3M"),
        (json!({ "clientContext": "x".repeat(257) }), "clientContext: found more than 256"),
        (json!({ "clientContext": "x", "metadata": "y" }), "metadata: expected an object"),
        (json!([1]), "found JSON of another type, expected an object"),
    ] {
        let refused = announce(&app, body).await;
        assert_eq!((refused.status, refused.codes().0), (400, "badRequest"));
        assert!(refused.message().starts_with(expected), "{refused:?}");
    }
    let send = async |kind: &str, body: String| {
        let request = reqwest::Client::new().post(format!("http://{}{ALL}", app.admin)).header("content-type", kind);
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("text/plain", r#"{"clientContext":"x"}"#.into()).await, 415);
    assert_eq!(send("application/json", r#"{"clientContext":"x","clientContext":"y"}"#.into()).await, 400);
    assert_eq!(send("application/json", format!(r#"{{"clientContext":"x"{}}}"#, " ".repeat(64 << 10))).await, 413);
    assert_eq!(send("application/json", "{\"a\":".repeat(10_000)).await, 400);
    assert_eq!(get(&app, &format!("{ALL}/$count")).await.body, 0, "nothing of it was announced");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_nothing_is_told_as_a_matter_of_time() {
    let app = TestApp::start_with(Settings { store: "disk_reserve = \"1TiB\"".into(), ..Settings::default() }).await;
    let reply = announce(&app, json!({ "clientContext": "x" })).await;
    assert_eq!((reply.status, reply.codes()), (503, ("serviceNotAvailable", "")));
    assert_eq!(reply.header("retry-after"), "10");
    assert!(!reply.body.to_string().contains("disk"), "nothing of the inside is told: {reply:?}");
    assert_eq!(get(&app, ALL).await.status, 200, "it can still be read");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_opens_its_own_and_each_refusal_is_counted_once() {
    let tokens = [("reader", "\"read\""), ("writer", "\"write\"")];
    let app = TestApp::start_with(with_tokens(&tokens)).await;
    let rejected = || {
        let series = "reelhook_ingest_rejected_total{path=\"admin\",reason=\"admin_access\"}";
        let text = app.own_metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<u64>().ok());
        line.unwrap_or(0)
    };
    let body = || Some(json!({ "clientContext": "x" }));
    let one = format!("{ALL}/x");
    let mut n = 0;
    for (token, method, path, status) in [
        (None, "GET", ALL, 401),
        (Some("wrong"), "GET", ALL, 401),
        (Some("writer"), "GET", ALL, 403),
        (Some("reader"), "GET", ALL, 200),
        (Some("reader"), "POST", ALL, 403),
        (Some("writer"), "POST", ALL, 201),
        (Some("reader"), "PATCH", &one, 403),
        (Some("reader"), "DELETE", &one, 403),
        (Some("writer"), "DELETE", &one, 404),
        (None, "GET", "/v1.0/nothing", 401),
        (None, "PUT", ALL, 401),
        (None, "GET", "/openapi.json", 401),
    ] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let body = if matches!(method, "POST" | "PATCH") { body() } else { None };
        let reply = ask(&app, (method, path), &headers, body).await;
        assert_eq!(reply.status, status, "{token:?} {method} {path}");
        match status {
            401 => assert_eq!((reply.header("www-authenticate"), reply.codes().0), ("Bearer", "unauthenticated")),
            403 => {
                let scope = if method == "GET" { "read" } else { "write" };
                let told = format!("the token does not have the scope {scope}");
                assert_eq!((reply.codes().0, reply.message()), ("accessDenied", told.as_str()));
            }
            _ => {}
        }
        n += u64::from(matches!(status, 401 | 403));
        assert_eq!(rejected(), n, "{token:?} {method} {path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_write_reads_no_operation_by_writing() {
    let mut app = TestApp::start_with(with_tokens(&[("writer", "\"write\""), ("reader", "\"read\"")])).await;
    let recording = super::recording(&mut app, "mine");
    assert_eq!(app.post_calls(&[recording.running()]).await.status, 202);
    let path = format!("{ALL}/{}", recording.operation);
    let by = async |token: &str, method, at: &str, body| {
        ask(&app, (method, at), &[("authorization", &format!("Bearer {token}"))], body).await
    };
    let changed = by("writer", "PATCH", &path, Some(json!({}))).await;
    assert_eq!((changed.status, &changed.body), (204, &json!("")));
    assert!(!changed.header("etag").is_empty());
    let same = json!({ "clientContext": "mine", "id": recording.operation, "callId": recording.call });
    let same = by("writer", "POST", ALL, Some(same)).await;
    assert_eq!(same.status, 200, "{same:?}");
    let shown: Vec<&String> = same.body.as_object().unwrap().keys().filter(|key| !key.contains('@')).collect();
    assert_eq!(shown, ["id"], "{same:?}");
    let other = by("writer", "POST", ALL, Some(json!({ "clientContext": "mine", "callId": "another" }))).await;
    assert_eq!(other.status, 409);
    assert!(!other.message().contains(&recording.operation.to_string()), "{other:?}");
    assert_eq!(by("writer", "GET", &path, None).await.status, 403);
    assert_eq!(by("reader", "GET", &path, None).await.body["clientContext"], "mine");
    app.stop().await;
}
