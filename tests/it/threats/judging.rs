//! How a token is judged from outside, on both channels: the answer, the one rejection that is counted, and that nothing
//! good is lost beside it.

use reelhook::simulator::payload::{self, Recording};
use reelhook::simulator::{Answer, Token};
use uuid::Uuid;

use crate::test_app::{APP_ID, TENANT, TestApp};

/// Turns a token that would be good into one that is not.
pub type Spoil = fn(Token) -> String;

/// A token that is good for the calls channel.
pub fn calls_token(app: &TestApp) -> Token {
    app.graph.identity.calls_token(APP_ID, TENANT)
}

/// Tokens that are good for the subscriptions channel: versions 1 and 2.
pub fn validation_tokens(app: &TestApp) -> [Token; 2] {
    let identity = &app.graph.identity;
    [identity.validation_token_v1(APP_ID, TENANT), identity.validation_token_v2(APP_ID, TENANT)]
}

/// A token that names a key which nobody has; nobody need sign it.
pub fn unknown_key(app: &TestApp) -> String {
    calls_token(app).header("kid", Uuid::new_v4().to_string()).sign().unwrap()
}

/// A rich item.
pub fn rich(app: &mut TestApp) -> String {
    app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap()
}

/// A basic item.
pub fn basic(app: &mut TestApp) -> String {
    app.graph.change(&mut app.seed).basic()
}

/// A token of calls is refused: 401 that tells nothing, counted once under this reason.
pub async fn refused_on_calls(app: &mut TestApp, token: &str, reason: &str) {
    refused_authorization(app, &[&format!("Bearer {token}")], reason).await;
}

/// The same for whole `Authorization` headers.
pub async fn refused_authorization(app: &mut TestApp, headers: &[&str], reason: &str) {
    let shown = shown(&headers.join(" | "));
    let item = Recording::new(&mut app.seed).client_context("must not be delivered").completed();
    let post = app.graph.calls_with("", payload::comms(&[item]));
    let post = headers.iter().fold(post, |post, value| post.header("authorization", value));
    let (answer, counted) = app.send_counting(post).await;
    assert_eq!((answer.status, answer.body.as_ref()), (401, &b""[..]), "{shown}");
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{shown}");
    assert_eq!(counted, [("calls".to_owned(), reason.to_owned(), 1)], "{shown}");
}

/// A validation token covers nothing: 202, the rich item is kept for this reason and counted once, its neighbour arrives.
pub async fn refused_on_subscriptions(app: &mut TestApp, tokens: &[String], reason: &str) {
    let tokens = serde_json::to_string(tokens).unwrap();
    refused_validation_tokens(app, &tokens, reason).await;
}

/// The same for whatever stands in `validationTokens`.
pub async fn refused_validation_tokens(app: &mut TestApp, json: &str, reason: &str) {
    let (shown, n_delivered, n_kept) = (shown(json), app.first.delivered().len(), app.quarantine().await.len());
    let (rich, basic) = (rich(app), basic(app));
    let post = app.graph.notifications_with(format!("{{\"value\":[{rich},{basic}],\"validationTokens\":{json}}}"));
    let (answer, counted) = app.send_counting(post).await;
    assert_is_202(&answer, &shown);
    assert_eq!(counted, [("notifications".to_owned(), reason.to_owned(), 1)], "{shown}");
    let kept = app.quarantine().await;
    assert_eq!((kept.len(), kept[0]), (n_kept + 1, reason), "{shown}");
    assert_eq!(app.first.wait_for(n_delivered + 1).await.len(), n_delivered + 1, "{shown}");
}

/// Both channels refuse what `spoil` makes of their good tokens, for the same reason.
pub async fn refused_everywhere(app: &mut TestApp, reason: &str, spoil: impl Fn(Token) -> String) {
    let token = spoil(calls_token(app));
    refused_on_calls(app, &token, reason).await;
    for token in validation_tokens(app) {
        let token = spoil(token);
        refused_on_subscriptions(app, &[token], reason).await;
    }
}

/// Both channels take what `change` makes of their good tokens.
pub async fn accepted_everywhere(app: &mut TestApp, change: impl Fn(Token) -> String) {
    let token = change(calls_token(app));
    accepted_authorization(app, &format!("Bearer {token}")).await;
    for token in validation_tokens(app) {
        let token = change(token);
        accepted_on_subscriptions(app, &[token]).await;
    }
}

/// The calls channel takes this `Authorization`, and what it proves is delivered.
pub async fn accepted_authorization(app: &mut TestApp, authorization: &str) {
    let n_delivered = app.first.delivered().len();
    let item = Recording::new(&mut app.seed).client_context("good").completed();
    let (answer, counted) = app.send_counting(app.graph.calls_with(authorization, payload::comms(&[item]))).await;
    assert_is_202(&answer, authorization);
    assert_eq!(counted, [], "{authorization}");
    assert_eq!(app.first.wait_for(n_delivered + 1).await.len(), n_delivered + 1, "{authorization}");
}

/// A rich item is covered by these tokens, and delivered.
pub async fn accepted_on_subscriptions(app: &mut TestApp, tokens: &[String]) {
    let n_delivered = app.first.delivered().len();
    let rich = rich(app);
    let (answer, counted) = app.send_counting(app.graph.notifications_with(payload::changes(&[rich], tokens))).await;
    assert_is_202(&answer, "a good token");
    assert_eq!(counted, [], "{tokens:?}");
    assert_eq!(app.first.wait_for(n_delivered + 1).await.len(), n_delivered + 1, "{tokens:?}");
}

/// After whatever was refused, both channels take what is good, and nothing else was ever delivered.
pub async fn still_serves(mut app: TestApp) {
    accepted_everywhere(&mut app, |token| token.sign().unwrap()).await;
    assert!(!app.delivered_contexts().iter().any(|context| context == "must not be delivered"));
    app.stop().await;
}

fn assert_is_202(answer: &Answer, shown: &str) {
    assert_eq!((answer.status, answer.body.as_ref()), (202, &b""[..]), "{shown}");
}

/// Enough of a text to recognise it by.
fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}
