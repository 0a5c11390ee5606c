//! The listener for probes: what an orchestrator sees from outside, and that nobody sees more there.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::with_tokens;
use crate::process::eventually;
use crate::test_app::{Settings, TestApp};
use crate::threats::raw;

/// The admin listener has a token, as it must where probes come from outside.
async fn app(admin: &str, server: &str) -> (TestApp, SocketAddr) {
    let admin = format!("probes = '127.0.0.1:0'\n{admin}");
    let app = TestApp::start_with(Settings { admin, server: server.into(), ..with_tokens(&[("ops", "'read'")]) }).await;
    let probes = app.probes.unwrap();
    (app, probes)
}

/// The status and the body.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    // A probe names the pod's address as host, and has no token.
    let request = format!("{method} {path} HTTP/1.1\r\nhost: 10.1.2.3:8082\r\nconnection: close\r\n\r\n");
    let answer = raw::answer(address, request).await;
    (raw::only_status(&answer), raw::body(&answer).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_for_probes_has_livez_and_readyz_without_a_token_and_nothing_else() {
    let (app, probes) = app("", "").await;
    assert_eq!(ask(probes, "GET", "/livez").await, (200, "ok\n".into()));
    assert_eq!(ask(probes, "GET", "/readyz").await, (200, "ready\n".into()));
    for path in [
        "/",
        "/metrics",
        "/login",
        "/sinks",
        "/openapi.json",
        "/v1.0/sinks",
        "/v1.0/$metadata",
        "/graph/calls",
        "/livez/",
    ] {
        assert_eq!(ask(probes, "GET", path).await, (404, "not found\n".into()), "{path}");
    }
    for (method, path) in
        [("POST", "/livez"), ("DELETE", "/readyz"), ("POST", "/graph/calls"), ("POST", "/v1.0/reload")]
    {
        assert!([404, 405].contains(&ask(probes, method, path).await.0), "{method} {path}");
    }
    assert_eq!(ask(app.admin, "GET", "/metrics").await.0, 401, "the admin listener still asks for its token");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_for_probes_has_the_metrics_if_the_config_says_so() {
    let (app, probes) = app("probes_metrics = true", "").await;
    let (status, text) = ask(probes, "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("reelhook_connections{listener=\"probes\",state=\"answering\"} 1\n"), "{text}");
    assert_eq!(ask(probes, "GET", "/v1.0/sinks").await.0, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_there_is_no_listener_for_probes() {
    let app = TestApp::start().await;
    assert_eq!(app.probes, None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_for_probes_says_that_the_server_stops_and_closes_at_the_end() {
    let (app, probes) = app("", "shutdown_delay = '1s'").await;
    let told = eventually("it is not ready", async || {
        ask(probes, "GET", "/readyz").await == (503, "not ready: stopping\n".into())
    });
    tokio::join!(told, app.stop());
    assert!(TcpStream::connect(probes).await.is_err(), "it still listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_rest_on_the_listener_for_probes_take_no_place_from_a_probe() {
    const MOST: f64 = 128.0;
    let (app, probes) = app("probes_metrics = true", "").await;
    let mut resting = Vec::new();
    for _ in 0..400 {
        resting.push(raw::write(probes, "GET /livez HTTP/1.1\r\nhost:").await);
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(probes, "GET", path).await.0, 200, "{path}");
    }
    let open = "reelhook_connections{listener=\"probes\",state=\"head\"} ";
    eventually("the oldest gave way", async || {
        let (_, text) = ask(probes, "GET", "/metrics").await;
        let n = text.lines().find_map(|line| line.strip_prefix(open)).unwrap();
        n.parse::<f64>().unwrap() <= MOST
    })
    .await;
    raw::still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_no_probes_is_refused_and_counted() {
    let (app, probes) = app("probes_metrics = true", "").await;
    let long = format!("GET /livez HTTP/1.1\r\nhost: a\r\ncookie: {}\r\n\r\n", "a".repeat(10_000));
    assert_eq!(raw::only_status(&raw::answer(probes, long).await), 431);
    let (_, text) = ask(probes, "GET", "/metrics").await;
    assert!(text.contains("reelhook_ingest_rejected_total{path=\"probes\",reason=\"bad_request\"} 1\n"), "{text}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_for_probes_needs_a_restart() {
    let (app, probes) = app("", "").await;
    let outcome = app.reload_with(|settings| settings.admin = "probes = '127.0.0.2:0'\nprobes_metrics = true".into());
    assert_eq!(outcome.await.unwrap().needs_restart, ["admin.probes", "admin.probes_metrics"]);
    assert_eq!(ask(probes, "GET", "/livez").await.0, 200);
    assert_eq!(ask(probes, "GET", "/metrics").await.0, 404);
    app.stop().await;
}
