//! The `http` sink with bearer tokens: a token endpoint beside the far side.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use reelhook::sinks::Sink;
use tempfile::TempDir;

use super::answering::{Answering, OK};
use super::samples::{build, delivery, mistakes, retried};

const REFUSED: &str = "HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A far side, where its tokens come from, and the file with the client's secret.
struct Site {
    far_side: Answering,
    tokens: Answering,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site =
            Self { far_side: Answering::with(OK), tokens: Answering::with(""), folder: tempfile::tempdir().unwrap() };
        site.write("sécret & more");
        site.give("first", Some(3600));
        site
    }

    fn write(&self, secret: &str) {
        let file = self.folder.path().join("secret");
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The token endpoint gives this token from now on.
    fn give(&self, token: &str, expires_in: Option<u32>) {
        let expires = expires_in.map(|it| format!(",\"expires_in\":{it}")).unwrap_or_default();
        self.tokens
            .answer(&answer("200 OK", &format!("{{\"token_type\":\"bearer\",\"access_token\":\"{token}\"{expires}}}")));
    }

    fn table(&self, more: &str) -> String {
        let file = self.folder.path().join("secret");
        format!(
            "{}[oauth2]\ntoken_url = 'http://{}/token'\nclient_id = 'a client'\nclient_secret = {{ file = {file:?} }}\n{more}",
            self.far_side.table(),
            self.tokens.address
        )
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        build("http", &self.table(more)).unwrap()
    }

    /// The tokens that the far side was shown.
    fn shown(&self) -> Vec<String> {
        self.far_side.requests().iter().map(|it| it.header("authorization").unwrap().to_owned()).collect()
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_sent_with_every_request() {
    let site = Site::new();
    let sink = site.sink("scope = 'api://a b'");
    for n in 1..=3 {
        sink.deliver(&delivery(n)).await.unwrap();
    }
    assert_eq!(site.shown(), ["Bearer first"; 3]);
    let [asked] = site.tokens.requests().try_into().unwrap();
    assert!(asked.head.starts_with("POST /token HTTP/1.1"), "{}", asked.head);
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    // base64 of "a+client:s%C3%A9cret+%26+more"
    assert_eq!(asked.header("authorization"), Some("Basic YStjbGllbnQ6cyVDMyVBOWNyZXQrJTI2K21vcmU="));
    assert_eq!(String::from_utf8(asked.body).unwrap(), "grant_type=client_credentials&scope=api%3A%2F%2Fa+b");
}

#[tokio::test]
async fn the_id_and_the_secret_can_be_sent_in_the_body() {
    let site = Site::new();
    site.sink("proof = 'post'").deliver(&delivery(1)).await.unwrap();
    let [asked] = site.tokens.requests().try_into().unwrap();
    assert_eq!(asked.header("authorization"), None);
    let body = String::from_utf8(asked.body).unwrap();
    assert_eq!(body, "grant_type=client_credentials&client_id=a+client&client_secret=s%C3%A9cret+%26+more");
}

#[tokio::test]
async fn a_token_that_expires_is_replaced_and_the_secret_is_read_again() {
    let site = Site::new();
    site.give("short", Some(0));
    let sink = site.sink("");
    sink.deliver(&delivery(1)).await.unwrap();
    site.write("new");
    site.give("next", None);
    sink.deliver(&delivery(2)).await.unwrap();
    sink.deliver(&delivery(3)).await.unwrap();
    assert_eq!(site.shown(), ["Bearer short", "Bearer next", "Bearer next"]);
    // base64 of "a+client:new"
    assert_eq!(site.tokens.requests()[1].header("authorization"), Some("Basic YStjbGllbnQ6bmV3"));
}

#[tokio::test]
async fn a_token_that_the_far_side_refuses_is_not_used_again() {
    let site = Site::new();
    let sink = site.sink("");
    site.far_side.answer(REFUSED);
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(!pauses && reason == "answered 401", "{reason}");
    site.far_side.answer(OK);
    site.give("second", Some(3600));
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(site.shown(), ["Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_no_secret_is_told() {
    let site = Site::new();
    let sink = site.sink("");
    for (told, words) in [
        (answer("400 No", r#"{"error":"invalid_client","error_description":"canary"}"#), "answered 400 invalid_client"),
        (answer("400 No", r#"{"error":"canary sécret & more"}"#), "answered 400"),
        (answer("500 No", "canary"), "answered 500"),
        (answer("200 OK", "canary"), "the answer is no token"),
        (answer("200 OK", r#"{"token_type":"mac","access_token":"canary"}"#), "the answer is no token"),
        (answer("200 OK", r#"{"token_type":"bearer","access_token":"canary\n"}"#), "the answer is no token"),
        (answer("302 Found", ""), "answered 302"),
        (answer("200 OK", &"x".repeat(70_000)), "more than 64 KiB"),
        (String::new(), "no token from the token endpoint"),
    ] {
        site.tokens.answer(&told);
        let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
        assert!(pauses && reason.contains(words) && !reason.contains("canary"), "{reason}");
        assert!(sink.probe().await.is_err());
    }
    assert_eq!(site.far_side.requests().len(), 0);
    site.give("at-last", Some(3600));
    sink.probe().await.unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(site.shown(), ["Bearer at-last"]);
}

#[tokio::test]
async fn many_attempts_at_a_time_ask_for_one_token_and_one_that_is_given_up_holds_up_no_other() {
    let site = Site::new();
    let sink = site.sink("");
    let gate = site.tokens.hold("HTTP/1.1 500 Late\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let first = delivery(0);
    let given_up = tokio::time::timeout(Duration::from_millis(100), sink.deliver(&first)).await;
    assert!(given_up.is_err());
    drop(gate);
    site.give("one", Some(3600));
    let before = site.tokens.requests().len();
    let deliveries: Vec<_> = (1..=20).map(delivery).collect();
    let results = futures_util::future::join_all(deliveries.iter().map(|it| sink.deliver(it))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(site.tokens.requests().len() - before, 1);
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_does_not_make_it_visible() {
    let site = Site::new();
    site.give("canary-token", Some(3600));
    let sink = site.sink("");
    site.far_side.echo(|head, _body| head.to_owned());
    let (reason, ..) = retried(sink.deliver(&delivery(1)).await);
    assert!(reason.starts_with("answered 400") && !reason.contains("canary"), "{reason}");
}

#[test]
fn every_mistake_in_the_table_is_told() {
    let told = |table: &str| mistakes("http", &format!("url = 'https://far.example'\n{table}"));
    let missing = told("oauth2 = {}");
    for key in ["token_url", "client_id", "client_secret"] {
        assert!(missing.contains(&format!("sinks.crm.oauth2.{key}: found nothing")), "{missing}");
    }
    let wrong = told("oauth2 = { token_url = 'http://a', client_id = 'a', client_secret = 'canary', proof = 'none' }");
    assert!(wrong.contains("oauth2.token_url: found http://") && wrong.contains("oauth2.proof: found"), "{wrong}");
    assert!(wrong.contains("oauth2.client_secret: ") && !wrong.contains("canary"), "{wrong}");
    let private =
        told("oauth2 = { token_url = 'https://10.0.0.1/', client_id = 'a', client_secret = { env = 'HOME' } }");
    assert!(private.contains("oauth2.token_url: found an address that is refused"), "{private}");
    let both = told(
        "headers = { authorization = { env = 'HOME' } }\n[oauth2]\ntoken_url = 'https://a'\nclient_id = 'a'\n\
         client_secret = { env = 'HOME' }\n",
    );
    assert!(both.contains("sinks.crm.oauth2: found it beside headers.Authorization"), "{both}");
}
