//! Threats 55 and 56: where the admin listener's things are to be seen, and what is to be seen there whatever strangers send.

use reelhook::simulator::client::Post;
use reelhook::simulator::payload::Recording;

use super::raw;
use crate::process::eventually;
use crate::recording_sink::RecordingSink;
use crate::test_app::TestApp;

/// Asks the admin listener; the status and the rest of the answer.
async fn ask(app: &TestApp, method: &str, path: &str, headers: &str) -> (u16, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    let answer = raw::answer(app.admin, request).await;
    (raw::only_status(&answer), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_56_the_public_port_shows_nothing_of_the_admins() {
    let app = TestApp::start().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let text =
            raw::answer(app.public, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
                .await;
        assert_eq!((raw::only_status(&text), raw::body(&text)), (404, "not found\n"), "{path}");
    }
    for (method, path) in [("POST", "/metrics"), ("DELETE", "/livez"), ("GET", "/graph/calls"), ("GET", "/../metrics")]
    {
        let (status, _) = ask(&app, method, path, "Host: localhost\r\n").await;
        assert!([404, 405].contains(&status), "{method} {path}: {status}");
    }
    raw::still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_that_are_down_leave_it_ready_and_the_metrics_tell_of_them() {
    let mut app = TestApp::start().await;
    app.first.fail((0..100).map(|_| RecordingSink::retry("down")));
    let completed = Recording::new(&mut app.seed).client_context("stuck").completed();
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
    app.first.wait_for_attempts(1).await;
    app.advance(100);
    let oldest = "reelhook_sink_oldest_undelivered_seconds{sink=\"first\"}";
    eventually("the oldest undelivered is 100 s old", async || app.metric(oldest).await >= 100.0).await;
    assert_eq!(app.metric("reelhook_sink_open_deliveries{sink=\"first\"}").await, 1.0);
    assert_eq!(app.metric("reelhook_sink_oldest_undelivered_seconds{sink=\"second\"}").await, 0.0);
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(&app, "GET", path, "Host: x\r\n").await.0, 200, "{path}");
    }
    let text = app.metrics().await;
    for series in [
        "reelhook_answers_over_3s_share{path=\"notifications\"} 0.0\n",
        "reelhook_answers_over_10s_share{path=\"notifications\"} 0.0\n",
        "reelhook_answers_total{path=\"calls\",status=\"202\"} 1\n",
        "reelhook_notifications_accepted_total{channel=\"calls\"} 1\n",
        "reelhook_sink_dead_letters{sink=\"first\"} 0\n",
    ] {
        assert!(text.contains(series), "{series}: {text}");
    }
    assert!(text.ends_with("# EOF\n"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_55_no_label_takes_its_value_from_outside() {
    let mut app = TestApp::start().await;
    let mut n_series = Vec::new();
    for n in 0..100 {
        let word = format!("canary{n}x");
        let item = Recording::new(&mut app.seed).client_context(&*word).completed().replace("recordOperation", &word);
        app.post_calls(&[item]).await;
        let token =
            app.graph.identity.calls_token(&word, &word).header("kid", &*word).claim("iss", &*word).sign().unwrap();
        app.send(app.graph.calls_with(&format!("Bearer {token}"), "{}")).await;
        let change =
            app.graph.change(&mut app.seed).basic().replace("\"changeType\":\"", &format!("\"changeType\":\"{word}"));
        app.post_changes(&[change.replace("clientState\":\"", &format!("clientState\":\"{word}"))], true).await;
        app.post_changes(&[change], false).await;
        let lifecycle = app.graph.change(&mut app.seed).lifecycle(&word);
        app.send(app.graph.lifecycle(&[lifecycle])).await;
        app.send(Post::new(format!("/{word}"), "").header("user-agent", &word)).await;
        raw::answer(app.public, format!("{word} /graph/{word} HTTP/1.1\r\nHost: {word}\r\nConnection: close\r\n\r\n"))
            .await;
        if n % 99 == 0 {
            let text = app.metrics().await;
            n_series.push(text.lines().filter(|line| !line.starts_with('#')).count());
            assert!(!text.contains("canary"), "{text}");
        }
    }
    assert!(n_series[1] <= 2_000, "{n_series:?}");
    // A histogram's or a gauge's first value may come late; what grows with what was sent would be a hundred times more.
    assert!(n_series[1] < n_series[0] + 30, "{n_series:?}");
    raw::still_serves(&app).await;
    app.stop().await;
}
