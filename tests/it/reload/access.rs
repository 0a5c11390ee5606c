//! Admin tokens that come and go, with the logins and streams that they opened.

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::{changed, post};
use crate::console::Browser;
use crate::recording_sink::PATIENCE;
use crate::test_app::{Settings, TestApp};

/// A token whose text is its name.
fn token(name: &str, scopes: &str) -> String {
    let sha256: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[[admin.tokens]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = [{scopes}]\n")
}

async fn status(app: &TestApp, (method, path): (&str, &str), token: &str) -> u16 {
    let request = reqwest::Client::new().request(method.parse().unwrap(), format!("http://{}{path}", app.admin));
    request.bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_from_the_reload_on_and_not_after_it_was_taken_away() {
    let (ops, next) = (token("ops", "\"read\", \"write\""), token("next", "\"read\""));
    let app = TestApp::start_with(Settings { more: ops.clone(), ..Settings::default() }).await;
    assert_eq!(status(&app, ("GET", "/v1.0/sinks"), "next").await, 401);
    let both = format!("{ops}{next}");
    assert_eq!(changed(app.reload_with(|it| it.more = both).await), ["admin.tokens"]);
    assert_eq!(status(&app, ("GET", "/v1.0/sinks"), "next").await, 200);
    let browser = Browser::logged_in(&app, "ops").await;
    assert_eq!(browser.page("/sinks").await.status, 200);
    let only_next = token("next", "\"read\"");
    changed(app.reload_with(|it| it.more = only_next).await);
    assert_eq!(status(&app, ("GET", "/v1.0/sinks"), "ops").await, 401);
    assert_eq!(browser.get("/sinks").await.status, 303, "the login ended with its token");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_with_its_token() {
    let mut app = TestApp::start_with(Settings { more: token("ops", "\"read\""), ..Settings::default() }).await;
    let request = reqwest::Client::new().get(format!("http://{}/v1.0/events", app.admin)).bearer_auth("ops");
    let mut stream = request.send().await.unwrap().bytes_stream();
    stream.next().await.unwrap().unwrap();
    post(&mut app, "seen").await;
    let seen = stream.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("seen"));
    changed(app.reload_with(|it| it.more = token("other", "\"read\"")).await);
    post(&mut app, "not seen").await;
    let rest = tokio::time::timeout(PATIENCE, stream.map(Result::unwrap).collect::<Vec<_>>()).await.expect("it ends");
    let rest: String = rest.iter().map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    assert!(!rest.contains("not seen"), "{rest}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_over_the_api_needs_the_scope_write() {
    let tokens = format!("{}{}", token("reader", "\"read\""), token("writer", "\"write\""));
    let app = TestApp::start_with(Settings { more: tokens, ..Settings::default() }).await;
    assert_eq!(status(&app, ("POST", "/v1.0/reload"), "nobody").await, 401);
    assert_eq!(status(&app, ("POST", "/v1.0/reload"), "reader").await, 403);
    assert_eq!(app.own_metrics().matches("reelhook_config_reloads_total{result=\"ok\"} 0").count(), 1);
    assert_eq!(status(&app, ("POST", "/v1.0/reload"), "writer").await, 200);
    assert_eq!(app.own_metrics().matches("reelhook_config_reloads_total{result=\"ok\"} 1").count(), 1);
    app.stop().await;
}
