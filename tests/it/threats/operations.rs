//! What strangers could do to those who operate it: the log, the metrics, the admin listener, the far sides (threats
//! 54-56, 62, 63).

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use reelhook::simulator::client::Post;
use reelhook::simulator::payload::Recording;
use reqwest::Method;
use sha2::{Digest, Sha256};

use super::raw::{refusals, refused_once, still_serves};
use crate::process::site::Site;
use crate::process::{Server, eventually};
use crate::sinks::answering::OK;
use crate::test_app::{Settings, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn threat_54_what_strangers_write_stays_within_its_line_of_the_log() {
    let mut site = Site::new();
    let mut server = Server::start_with(site.command(&["serve"]).env("REELHOOK__LOG__FILTER", "debug"));
    let graph = site.graph(&server);
    let forged = "\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n\u{1b}[31mred\u{9b}\"},{\u{2028}";
    let recording = site.recording(forged);
    assert_eq!(graph.send(graph.calls(&[recording.completed()]).unwrap()).await.unwrap().status, 202);
    let long = format!("\"}},{{\"forged\":\"{}", "a".repeat(10_000));
    for kid in [forged, &long] {
        let token = graph.calls_token().unwrap();
        let header = serde_json::json!({ "alg": "RS256", "kid": kid }).to_string();
        let header = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
        let token = format!("{header}.{}", token.split_once('.').unwrap().1);
        let post = graph.calls_with(&format!("Bearer {token}"), "{}").header("client-request-id", &long);
        assert_eq!(graph.send(post).await.unwrap().status, 401);
    }
    for path in ["/%0d%0a%7b%22forged%22%3a1%7d", "/%1b%5b31m"] {
        let post = Post::new(path, "").header("user-agent", &long).header("x-microsoft-skype-message-id", &long);
        assert_eq!(graph.send(post).await.unwrap().status, 404);
    }
    site.wait_for(&[forged]);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let mut n_refused = 0;
    for line in server.log.iter() {
        let object: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        if object["message"] == "refused" || object["of"] == "refused" {
            // One line a second for each reason, with the number of those that were left out.
            n_refused +=
                u64::from(object["message"] == "refused") + object["n_suppressed"].as_u64().unwrap_or_default();
        }
        assert!(object.get("forged").is_none() && object["message"] != "forged", "{line}");
        assert!(line.len() < 2_000 && !line.contains(['\u{1b}', '\u{9b}', '\r']), "{line:?}");
    }
    assert_eq!(n_refused, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_55_an_attack_by_ever_new_names_makes_no_more_series() {
    let mut app = TestApp::start().await;
    let attack = async |app: &mut TestApp, n: usize| {
        for number in 0..n {
            let stranger = app.graph.identity.calls_token(&format!("app-{number}"), &format!("tenant-{number}"));
            let token = stranger.header("kid", format!("kid-{number}-{}", app.seed.uuid())).sign().unwrap();
            app.send(app.graph.calls_with(&format!("Bearer {token}"), "{}")).await;
            let path = format!("/path-{}", app.seed.uuid());
            app.send(Post::new(path, "")).await;
            let mut odd = Post::new("/graph/calls", "");
            odd.method = Method::from_bytes(format!("METHOD{number}").as_bytes()).unwrap();
            app.send(odd).await;
            let change = app.graph.change(&mut app.seed).basic();
            app.post_changes(&[change], false).await;
            let recording = Recording::new(&mut app.seed).completed();
            app.post_calls(&[recording]).await;
        }
    };
    let n_series = async |app: &TestApp| app.metrics().await.lines().filter(|line| !line.starts_with('#')).count();
    attack(&mut app, 5).await;
    eventually("the sinks are counted", async || app.metrics().await.contains("reelhook_sink_open_deliveries{")).await;
    let before = n_series(&app).await;
    attack(&mut app, 60).await;
    let after = n_series(&app).await;
    assert_eq!(after, before, "{}", app.metrics().await);
    assert!(after <= 2_000, "{after}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_what_an_operator_is_promised() {
    let app = TestApp::start().await;
    still_serves(&app).await;
    let sinks = ["first", "second"].map(|sink| format!("reelhook_sink_oldest_undelivered_seconds{{sink=\"{sink}\"}} "));
    eventually("the sinks are counted", async || {
        let text = app.metrics().await;
        sinks.iter().all(|series| text.contains(series))
    })
    .await;
    let text = app.metrics().await;
    for series in [
        "reelhook_answers_over_3s_share{path=\"notifications\"} 0.0",
        "reelhook_answers_over_10s_share{path=\"notifications\"} 0.0",
        "reelhook_answers_total{path=\"calls\",status=\"202\"} 1",
        "reelhook_notifications_accepted_total{channel=\"calls\"} 1",
        "reelhook_delivery_attempts_total{sink=\"first\",result=\"delivered\"} 1",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} in {text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    app.stop().await;
}

/// Asks the admin listener; the status, and whether the body is empty.
async fn ask(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> (u16, bool) {
    let mut request = reqwest::Client::new().get(format!("http://{}{path}", app.admin));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_56_without_a_token_only_a_loopback_host_is_served() {
    let app = TestApp::start().await;
    for host in ["evil.example", "evil.example:8081", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"] {
        let before = refusals(&app, "admin", "admin_access").await;
        assert_eq!(ask(&app, "/metrics", &[("host", host)]).await, (403, true), "{host}");
        refused_once(&app, ("admin", "admin_access"), before, host).await;
    }
    for host in ["localhost", "127.0.0.1:8081", "[::1]:8081"] {
        assert_eq!(ask(&app, "/metrics", &[("host", host)]).await, (200, false), "{host}");
    }
    assert_eq!(ask(&app, "/graph/calls", &[]).await.0, 404);
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_56_with_tokens_one_of_them_is_needed_and_must_open_the_thing() {
    let table = |name: &str, scope: &str| {
        let sha256: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[admin.tokens]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = [\"{scope}\"]\n")
    };
    let more = table("reader", "read") + &table("writer", "write");
    let app = TestApp::start_with(Settings { more, ..Settings::default() }).await;
    for (value, status) in [
        ("", 401),
        ("Bearer ", 401),
        ("Bearer reade", 401),
        ("Bearer readerr", 401),
        ("Basic reader", 401),
        ("reader", 401),
        ("Bearer writer", 403),
        ("Bearer reader", 200),
        ("bearer reader", 200),
    ] {
        // Only who has a token that is known learns more: which scope it lacks.
        assert_eq!(ask(&app, "/metrics", &[("authorization", value)]).await, (status, status == 401), "{value:?}");
    }
    assert_eq!(ask(&app, "/metrics", &[]).await.0, 401);
    let twice = [("authorization", "Bearer reader"), ("authorization", "Bearer reader")];
    assert_eq!(ask(&app, "/metrics", &twice).await.0, 401);
    let series = "reelhook_ingest_rejected_total{path=\"admin\",reason=\"admin_access\"} 9";
    assert!(app.own_metrics().contains(series), "{}", app.own_metrics());
    // Orchestrators have no token, and learn no more than yes or no.
    assert_eq!((ask(&app, "/livez", &[]).await.0, ask(&app, "/readyz", &[]).await.0), (200, 200));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threats_56_and_62_an_open_admin_listener_and_a_readable_key_stop_the_start() {
    let site = Site::new();
    let open = site.command(&["serve"]).env("REELHOOK__ADMIN__LISTEN", "0.0.0.0:0").output().unwrap();
    let told = String::from_utf8(open.stderr).unwrap();
    assert_eq!(open.status.code(), Some(2), "{told}");
    assert!(told.contains("admin.listen") && told.contains("without a token"), "{told}");

    let key = site.folder.path().join("client-state");
    std::fs::write(&key, "canary-readable").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = std::fs::read_to_string(site.config()).unwrap();
    let config = config.replace("{ env = \"TEST_CLIENT_STATE\" }", &format!("{{ file = {key:?} }}"));
    std::fs::write(site.config(), config).unwrap();
    let readable = site.run(&["serve"]);
    assert_eq!(readable.code, Some(2), "{readable:?}");
    assert!(readable.err.contains("subscriptions.client_states") && !readable.err.contains("canary"), "{readable:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_hostile_answers_of_a_sink_delay_one_delivery_and_nothing_else() {
    static N_ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let retry_after = |value: &str| {
        format!("HTTP/1.1 503 no\r\nretry-after: {value}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    };
    let mut answers: Vec<String> =
        ["inf", "1e300", "-5", "9999999999999999999999", "Thu, 32 Foo 2026 99:99:99 GMT"].map(retry_after).into();
    answers.extend([
        format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(4 << 20)),
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".into(),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000),
        "\u{0}\u{1}\u{2} no HTTP\r\n\r\n".into(),
        "HTTP/1.1 999 \r\ncontent-length: -1\r\n\r\n".into(),
        String::new(),
    ]);
    let n_answers = answers.len();
    let mut site = Site::new();
    let retry = vec!["\"0s\""; n_answers + 5].join(", ");
    site.write_for_all("", &format!("retry = [{retry}]\nmax_retry_after = \"1s\"\ntimeout = \"2s\""));
    site.hook.behave(move |stream| {
        let answer = answers.get(N_ANSWERED.fetch_add(1, Ordering::SeqCst)).map_or(OK, String::as_str);
        let _ = stream.write_all(answer.as_bytes());
    });
    let mut server = site.serve();
    assert_eq!(site.post(&server, "tried").await.status, 202);
    let attempts = async || site.hook.requests().len();
    eventually("the good answer was reached", async || attempts().await > n_answers).await;
    assert_eq!(site.arrived()["tried"].len(), n_answers + 1);
    assert_eq!(site.post(&server, "after").await.status, 202);
    site.wait_for(&["after"]);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log.iter().all(|line| !line.contains("panic")));
}
