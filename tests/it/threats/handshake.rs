//! Strangers who ask for the subscription handshake: what is echoed, and what never is (threats 44-49).

use reelhook::simulator::client::Post;
use reqwest::Method;

use super::raw::{self, refusals, refused_once, still_serves};
use crate::test_app::{Settings, TestApp};

const PATHS: [(&str, &str); 2] = [("/graph/notifications", "notifications"), ("/graph/lifecycle", "lifecycle")];
const HANDSHAKES: &str = "reelhook_handshake_total{result=\"ok\"}";

#[tokio::test(flavor = "multi_thread")]
async fn threat_44_a_token_that_is_a_script_is_echoed_as_text_that_no_browser_runs() {
    let app = TestApp::start().await;
    for (path, _) in PATHS {
        let answer = app.send(app.graph.handshake(path, "%3Cscript%3Ealert%281%29%3C%2Fscript%3E+%26amp%3B")).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"<script>alert(1)</script> &amp;"[..]));
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
    assert_eq!((app.metric(HANDSHAKES).await, app.rejected_in_all().await), (2.0, 0.0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threats_45_and_46_a_token_that_cannot_be_graphs_is_refused() {
    let app = TestApp::start().await;
    let long = "a".repeat(4097);
    let tokens = [
        "a%0d%0aSet-Cookie:%20a=b",
        "a%0aSet-Cookie:%20a=b",
        "a%00b",
        "a%1b%5b31m",
        "a%7f",
        "a%c2%85b",
        "",
        &*long,
        "one&validationToken=two",
        "one&validation%54oken=one",
        "one&validationToken",
        "%zz",
        "%f",
        "%",
        "%ff",
        "%c3%28",
    ];
    for (path, label) in PATHS {
        for token in tokens {
            let before = refusals(&app, label, "handshake_bad").await;
            let answer = app.send(app.graph.handshake(path, token)).await;
            assert_eq!((answer.status, &answer.body[..]), (400, &b"bad request\n"[..]), "{token}");
            assert!(!answer.headers.contains_key("set-cookie"), "{token}");
            refused_once(&app, (label, "handshake_bad"), before, token).await;
        }
    }
    assert_eq!(app.metric(HANDSHAKES).await, 0.0);
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_46_a_head_that_is_larger_than_any_of_graphs_is_refused() {
    let app = TestApp::start().await;
    let token = "a".repeat(1 << 20);
    let request = format!("POST /graph/notifications?validationToken={token} HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = raw::answer(app.public, request).await;
    assert!(answer.is_empty() || [400, 414, 431].contains(&raw::only_status(&answer)), "{answer}");
    assert!(!answer.contains("aaaa"), "{answer}");
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_46_a_body_beside_the_token_is_not_looked_at() {
    let mut app = TestApp::start().await;
    let change = app.graph.change(&mut app.seed).basic();
    for body in [app.graph.notifications(&[change], false).unwrap().body, "{\"value\":".into(), "no JSON".into()] {
        let post =
            Post::new("/graph/notifications?validationToken=it", body).header("content-type", "application/json");
        let answer = app.send(post).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"it"[..]));
    }
    assert!(app.quarantine().await.is_empty());
    assert_eq!(app.rejected_in_all().await, 0.0);
    still_serves(&app).await;
    assert_eq!(app.delivered_contexts(), ["fence-0"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_47_no_other_method_and_no_other_path_reflects_a_token() {
    let app = TestApp::start().await;
    for (path, _) in PATHS {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH] {
            let before = refusals(&app, "other", "bad_request").await;
            let mut post = app.graph.handshake(path, "reflected");
            post.method = method.clone();
            let answer = app.send(post).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
            let body: &[u8] = if method == Method::HEAD { b"" } else { b"method not allowed\n" };
            assert_eq!(&answer.body[..], body, "{method}");
            refused_once(&app, ("other", "bad_request"), before, method.as_str()).await;
        }
    }
    for (path, status) in [("/graph/calls", 415), ("/", 404), ("/graph/notifications/", 404)] {
        let answer = app.send(app.graph.handshake(path, "reflected")).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("reflected"), "{path}");
    }
    assert_eq!(app.metric(HANDSHAKES).await, 0.0);
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_48_one_source_gets_so_many_handshakes_a_minute_and_notifications_as_before() {
    let server = "handshakes_per_minute = 3".to_owned();
    let app = TestApp::start_with(Settings { server, ..Settings::default() }).await;
    for (number, (path, _)) in PATHS.into_iter().cycle().take(3).enumerate() {
        assert_eq!(app.send(app.graph.handshake(path, "it")).await.status, 200, "{number}");
    }
    let before = refusals(&app, "notifications", "handshake_rate").await;
    let answer = app.send(app.graph.handshake("/graph/notifications", "it")).await;
    assert_eq!((answer.status, answer.header("retry-after"), answer.body.len()), (429, "60", 0));
    refused_once(&app, ("notifications", "handshake_rate"), before, "the fourth").await;
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_48_handshakes_are_counted_by_whom_the_proxy_names_and_without_a_limit_none_is_refused() {
    let server = "handshakes_per_minute = 3\ntrusted_proxies = [\"127.0.0.0/8\"]".to_owned();
    let app = TestApp::start_with(Settings { server, ..Settings::default() }).await;
    let shake = async |app: &TestApp, source: &str| {
        let said = format!("198.51.100.7, {source}, 127.0.0.9");
        app.send(app.graph.handshake("/graph/lifecycle", "it").header("x-forwarded-for", &said)).await.status
    };
    for expected in [200, 200, 200, 429] {
        assert_eq!(shake(&app, "192.0.2.1").await, expected);
    }
    assert_eq!(shake(&app, "192.0.2.2").await, 200, "another source was not counted");
    let app = app.restart_with(|settings| settings.server = String::new()).await;
    for n in 0..1_000 {
        assert_eq!(shake(&app, "192.0.2.1").await, 200, "{n}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_49_nothing_that_is_sent_makes_a_redirect() {
    let app = TestApp::start().await;
    for target in [
        "//evil.example/graph/calls",
        "/graph/calls/",
        "/graph/calls?next=http://evil.example",
        "/graph",
        "http://evil.example/graph/calls",
        "/graph/notifications?validationToken=http://evil.example&redirect=http://evil.example",
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\n\
             x-original-url: http://evil.example/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let answer = raw::answer(app.public, request).await;
        let status = raw::only_status(&answer);
        assert!(!(300..400).contains(&status), "{target}: {answer}");
        assert!(!answer.to_lowercase().contains("\nlocation:"), "{target}: {answer}");
    }
    app.stop().await;
}
