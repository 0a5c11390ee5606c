//! The shares that Graph judges by, beside strangers who answer to nothing (threat 50).

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::raw;
use crate::test_app::{Settings, TestApp};

/// What counts as slow.
const SLOW: Duration = Duration::from_secs(3);

fn share(path: &str) -> String {
    format!("reelhook_answers_over_3s_share{{path=\"{path}\"}}")
}

/// Posts items whose body takes its time: byte by byte.
async fn post_slowly(app: &TestApp, items: &[String]) {
    let body = app.graph.notifications(items, false).unwrap().body;
    let head = format!(
        "POST /graph/notifications HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = raw::write(app.public, head).await;
    let mut often = tokio::time::interval(SLOW / 30);
    let (slow, rest) = body.split_at(32);
    for byte in slow {
        often.tick().await;
        stream.write_all(&[*byte]).await.unwrap();
    }
    stream.write_all(rest).await.unwrap();
    assert_eq!(raw::only_status(&raw::read_to_end(&mut stream).await), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_thin_out_what_graph_judges_by_and_no_path_another() {
    let server = "body_timeout = \"60s\"".to_owned();
    let mut app = TestApp::start_with(Settings { server, ..Settings::default() }).await;
    let item = app.graph.change(&mut app.seed).basic();
    post_slowly(&app, &[item]).await;
    let stranger = app.graph.change(&mut app.seed).basic().replace("canary-client-state", "wrong");
    for _ in 0..100 {
        assert_eq!(app.post_changes(std::slice::from_ref(&stranger), false).await.status, 202);
        assert_eq!(app.send(app.graph.handshake("/graph/notifications", "it")).await.status, 200);
        assert_eq!(app.send(app.graph.calls_with("Bearer none", "{}")).await.status, 401);
    }
    let lifecycle = app.graph.change(&mut app.seed).lifecycle("reauthorizationRequired");
    assert_eq!(app.send(app.graph.lifecycle(&[lifecycle])).await.status, 202);
    let found = (app.metric(&share("notifications")).await, app.metric(&share("lifecycle")).await);
    assert_eq!(found, (1.0, 0.0));
    let item = app.graph.change(&mut app.seed).basic();
    assert_eq!(app.post_changes(&[item], false).await.status, 202);
    assert_eq!(app.metric(&share("notifications")).await, 0.5, "Graph's own fast answers count");
    app.stop().await;
}
