//! Waiting for an operation's end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reelhook::simulator::payload::calls;
use serde_json::json;

use super::{ALL, announced, get, query, recording};
use crate::recording_sink::PATIENCE;
use crate::test_app::TestApp;

const LONG: [(&str, &str); 2] = [("waitFor", "terminal"), ("timeout", "PT10M")];

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_is_answered_when_the_operation_ends() {
    let mut app = TestApp::start().await;
    let path = announced(&app, "awaited").await;
    let recording = recording(&mut app, "awaited");
    let told = async {
        // Not the end: the client waits on.
        app.post_calls(&[recording.running()]).await;
        app.post_calls(&[recording.completed()]).await;
    };
    let both = async { tokio::join!(query(&app, &path, &LONG), told).0 };
    let ended = tokio::time::timeout(PATIENCE, both).await.expect("it is answered at once");
    assert_eq!((ended.status, &ended.body["status"]), (200, &json!("completed")));
    assert_eq!(ended.body["id"], recording.operation.to_string());
    let at_once = tokio::time::timeout(PATIENCE, query(&app, &path, &LONG)).await.expect("it has ended");
    assert_eq!(at_once.body["status"], "completed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_patience_ends_is_told_how_it_stands() {
    let app = TestApp::start().await;
    let path = announced(&app, "late").await;
    let began = Instant::now();
    let patience = [("waitFor", "terminal"), ("timeout", "PT0.3S")];
    let reply = query(&app, &path, &patience).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("notStarted")));
    for (options, expected) in [
        (
            vec![("waitFor", "terminal"), ("timeout", "PT11M")],
            "timeout: expected a duration such as PT30S, at most PT10M",
        ),
        (vec![("waitFor", "running")], "waitFor: expected terminal"),
        (vec![("timeout", "PT1S")], "timeout: found it without waitFor"),
        (vec![("waitFor", "terminal"), ("waitFor", "terminal")], "found the parameter \"waitFor\", expected waitFor"),
    ] {
        let refused = query(&app, &path, &options).await;
        assert_eq!(refused.status, 400);
        assert!(refused.message().starts_with(expected), "{refused:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_is_answered_when_the_operation_is_lost_unless_it_waits_past_that() {
    let mut app = TestApp::start().await;
    let recording = recording(&mut app, "hung up");
    app.post_calls(&[recording.running()]).await;
    app.post_calls(&[calls::call_of(recording.call, "terminated")]).await;
    let path = format!("{ALL}/{}", recording.operation);
    let past_lost = [("waitFor", "terminal"), ("timeout", "PT10M"), ("pastLost", "true")];
    let told = async {
        app.advance(31);
        app.first.wait_for(3).await;
    };
    let both = async { tokio::join!(query(&app, &path, &LONG), told).0 };
    let lost = tokio::time::timeout(PATIENCE, both).await.expect("it is answered at once");
    assert_eq!((lost.status, &lost.body["status"]), (200, &json!("running")));
    assert_eq!((lost.header("reelhook-waited"), &lost.body["expectation"]["state"]), ("lost", &json!("lost")));
    assert_eq!(lost.body["callEnd"]["dateTime"], "2026-11-24T08:00:00Z");
    let again = tokio::time::timeout(PATIENCE, query(&app, &path, &LONG)).await.expect("it is lost already");
    assert_eq!(again.header("reelhook-waited"), "lost");

    let impatient = query(&app, &path, &[("waitFor", "terminal"), ("timeout", "PT0.1S"), ("pastLost", "true")]).await;
    assert_eq!(impatient.header("reelhook-waited"), "timeout");
    let ends = async { app.post_calls(&[recording.completed()]).await };
    let both = async { tokio::join!(query(&app, &path, &past_lost), ends).0 };
    let ended = tokio::time::timeout(PATIENCE, both).await.expect("it is answered at once");
    assert_eq!((ended.header("reelhook-waited"), &ended.body["status"]), ("terminal", &json!("completed")));
    assert_eq!(ended.body["expectation"]["outcome"], "completed");
    assert_eq!(get(&app, &path).await.header("reelhook-waited"), "", "nobody waited");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_meanwhile_is_waited_for_no_longer() {
    let app = TestApp::start().await;
    let path = announced(&app, "withdrawn").await;
    let deleted = async {
        let reply = super::ask(&app, ("DELETE", &path), &[], None).await;
        assert_eq!(reply.status, 204);
    };
    let both = async { tokio::join!(query(&app, &path, &LONG), deleted).0 };
    let reply = tokio::time::timeout(PATIENCE, both).await.expect("it is answered at once");
    assert_eq!(reply.status, 404);
    app.stop().await;
}

/// A client that has sent its request, and waits for the end of the operation at `path`.
pub fn waiting(admin: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(admin).unwrap();
    let query = "waitFor=terminal&timeout=PT10M";
    let request = format!("GET {path}?{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// What it is answered.
pub fn answer(mut client: TcpStream, patience: Duration) -> String {
    client.set_read_timeout(Some(patience)).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_waiting_at_once() {
    let app = TestApp::start().await;
    let path = announced(&app, "unanswered").await;
    let clients: Vec<_> = (0..20).map(|_| waiting(app.admin, &path)).collect();
    // It comes after them.
    assert_eq!(get(&app, "/livez").await.status, 200);
    app.stop().await;
    for client in clients {
        let answer = answer(client, PATIENCE);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""status":"notStarted""#), "{answer}");
    }
}
