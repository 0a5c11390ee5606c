//! Threats 8 and 9, and a provider of keys that is down, lies or rotates (F24 to F26).

use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reelhook::simulator::payload::{self, Recording};
use reelhook::simulator::{Mode, Token};
use serde_json::json;
use uuid::Uuid;

use super::judging::*;
use crate::test_app::{Settings, TestApp};

/// How many tokens with unknown keys a flood has.
const FLOOD: usize = 10_000;
/// The most validation tokens of one POST.
const MAX_TOKENS: usize = 64;

fn sign(token: Token) -> String {
    token.sign().unwrap()
}

/// As [`unknown_key`], without the cost of a signature: none is looked at.
fn unsigned_with_unknown_key(app: &TestApp) -> String {
    sign(calls_token(app).unsigned("RS256").header("kid", Uuid::new_v4().to_string()))
}

/// Both channels ask the provider anew, and do not find what they ask for.
async fn ask_the_provider_in_vain(app: &mut TestApp) {
    app.advance(300);
    let token = unknown_key(app);
    refused_on_calls(app, &token, "jwt_kid_unknown").await;
    refused_on_subscriptions(app, &[token], "jwt_kid_unknown").await;
}

/// Both channels ask the provider anew, and learn nothing from it: the key may be a new one.
async fn learn_nothing_from_the_provider(app: &mut TestApp) {
    app.advance(300);
    let token = unknown_key(app);
    let (answer, counted) = app.send_counting(app.graph.calls_with(&format!("Bearer {token}"), "{\"value\":[]}")).await;
    assert_eq!((answer.status, answer.body.as_ref()), (503, &b""[..]));
    assert_eq!(counted, [("calls".to_owned(), "keys_unavailable".to_owned(), 1)]);
    refused_on_subscriptions(app, &[token], "keys_unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_8_a_flood_of_unknown_keys_costs_calls_one_fetch_and_good_ones_nothing() {
    let mut app = TestApp::start().await;
    accepted_everywhere(&mut app, sign).await;
    let n_fetches = app.provider.n_key_sets();
    let n_delivered = app.first.delivered().len();
    let good: Vec<_> = (0..20)
        .map(|_| app.graph.calls(&[Recording::new(&mut app.seed).client_context("good").completed()]).unwrap())
        .collect();
    let flood = stream::iter(0..FLOOD).map(|_| {
        let authorization = format!("Bearer {}", unsigned_with_unknown_key(&app));
        app.send(app.graph.calls_with(&authorization, "{\"value\":[]}"))
    });
    let flood = flood.buffer_unordered(16).fold(0, async |n, answer| n + usize::from(answer.status == 401));
    let good = stream::iter(good).then(|post| app.send(post)).map(|answer| answer.status).collect::<Vec<_>>();
    let (n_refused, good) = tokio::join!(flood, good);
    assert_eq!((n_refused, good), (FLOOD, vec![202; 20]));
    assert_eq!(app.first.wait_for(n_delivered + 20).await.len(), n_delivered + 20);
    assert_eq!(app.rejected("calls", "jwt_kid_unknown").await, FLOOD as f64);
    assert_eq!(app.rejected_in_all().await, FLOOD as f64);
    assert_eq!(app.provider.n_key_sets(), n_fetches + 1);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_8_a_flood_of_unknown_keys_costs_subscriptions_one_fetch_in_five_minutes() {
    let mut app = TestApp::start().await;
    accepted_everywhere(&mut app, sign).await;
    let n_fetches = app.provider.n_key_sets();
    for _ in 0..FLOOD.div_ceil(MAX_TOKENS) {
        let tokens: Vec<String> = (0..MAX_TOKENS).map(|_| unsigned_with_unknown_key(&app)).collect();
        refused_on_subscriptions(&mut app, &tokens, "jwt_kid_unknown").await;
    }
    assert_eq!(app.provider.n_key_sets(), n_fetches + 1);
    for (seconds, n_more) in [(299, 1), (1, 2)] {
        app.advance(seconds);
        let token = unknown_key(&app);
        refused_on_subscriptions(&mut app, &[token], "jwt_kid_unknown").await;
        assert_eq!(app.provider.n_key_sets(), n_fetches + n_more);
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_9_whatever_the_provider_answers_the_keys_that_are_known_stay() {
    let mut app = TestApp::start().await;
    let attackers = TcpListener::bind("127.0.0.1:0").unwrap();
    attackers.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/keys", attackers.local_addr().unwrap());
    accepted_everywhere(&mut app, sign).await;
    let key = app.graph.identity.stranger().unwrap().key_set()["keys"][0].clone();
    let too_many = json!({ "keys": vec![json!({ "kty": "RSA", "kid": "x" }); 1_001] }).to_string();
    let mut broken = key.clone();
    broken["n"] = json!("AAAA");
    for mode in [
        Mode::Status(500),
        Mode::Status(404),
        Mode::Status(204),
        Mode::KeySet("garbage".into()),
        Mode::KeySet("{\"keys\":[]}".into()),
        Mode::KeySet(too_many.into()),
        Mode::KeySet(json!({ "keys": [broken] }).to_string().into()),
        Mode::Document("<html>".into()),
        Mode::Document(json!({ "jwks_uri": "http://192.0.2.1/keys" }).to_string().into()),
        Mode::Document(json!({ "jwks_uri": "file:///etc/passwd" }).to_string().into()),
        Mode::Huge(100 * 1024 * 1024),
        Mode::Redirect(elsewhere),
    ] {
        let n_asked = app.provider.n_configurations();
        app.provider.set(mode.clone());
        learn_nothing_from_the_provider(&mut app).await;
        assert_eq!(app.provider.n_configurations(), n_asked + 2, "{mode:?}");
        accepted_everywhere(&mut app, sign).await;
    }
    assert!(attackers.accept().is_err(), "a redirect was followed");
    app.provider.stop().await;
    learn_nothing_from_the_provider(&mut app).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_9_a_provider_that_is_slow_delays_nobody_whose_key_is_known() {
    let mut app = TestApp::start().await;
    accepted_everywhere(&mut app, sign).await;
    app.provider.set(Mode::Slow(Duration::from_secs(60)));
    let token = unknown_key(&app);
    let unknown = app.graph.calls_with(&format!("Bearer {token}"), "{\"value\":[]}");
    let good = app.graph.calls(&[Recording::new(&mut app.seed).client_context("good").completed()]).unwrap();
    let began = Instant::now();
    let timed = async |post| (app.send(post).await.status, began.elapsed());
    let ((unknown, waited), (good, took)) = tokio::join!(timed(unknown), timed(good));
    assert_eq!((unknown, good), (503, 202));
    assert!(took < waited, "{took:?}, {waited:?}");
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_9_many_tokens_wait_for_a_slow_provider_no_longer_than_one() {
    let settings = Settings { provider: Mode::Slow(Duration::from_secs(60)), ..Settings::default() };
    let mut app = TestApp::start_with(settings).await;
    let tokens: Vec<String> = (0..MAX_TOKENS).map(|_| unknown_key(&app)).collect();
    let began = Instant::now();
    refused_on_subscriptions(&mut app, &tokens, "keys_unavailable").await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_9_a_provider_that_is_down_at_the_start_stops_neither_it_nor_basic_notifications() {
    for provider in [Mode::Status(503), Mode::KeySet("{\"keys\":[]}".into()), Mode::Document("garbage".into())] {
        let mut app = TestApp::start_with(Settings { provider, ..Settings::default() }).await;
        let item = Recording::new(&mut app.seed).client_context("too early").completed();
        let token = unknown_key(&app);
        for authorization in [format!("Bearer {}", sign(calls_token(&app))), format!("Bearer {token}")] {
            let post = app.graph.calls_with(&authorization, payload::comms(std::slice::from_ref(&item)));
            let (answer, counted) = app.send_counting(post).await;
            assert_eq!((answer.status, answer.body.as_ref()), (503, &b""[..]));
            assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
            assert_eq!(counted, [("calls".to_owned(), "keys_unavailable".to_owned(), 1)]);
        }
        // Its basic neighbour arrives.
        let tokens = [sign(validation_tokens(&app)[1].clone())];
        refused_on_subscriptions(&mut app, &tokens, "keys_unavailable").await;
        // What shows without a key that it proves nothing is refused for that.
        refused_everywhere(&mut app, "jwt_alg", |token| sign(token.unsigned("none"))).await;
        app.provider.set(Mode::Healthy);
        app.advance(300);
        assert_eq!(app.post_calls(&[item]).await.status, 202);
        // Three neighbours, the call that came again, and the rich item whose token can be judged at last.
        assert_eq!(app.first.wait_for(5).await.len(), 5);
        still_serves(app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_proves_at_once_and_a_removed_one_no_longer_than_the_next_fetch() {
    let mut app = TestApp::start().await;
    accepted_everywhere(&mut app, sign).await;
    let former = (sign(calls_token(&app)), validation_tokens(&app).map(sign));
    app.graph.identity.rotate().unwrap();
    accepted_everywhere(&mut app, sign).await;
    accepted_authorization(&mut app, &format!("Bearer {}", former.0)).await;
    for token in &former.1 {
        accepted_on_subscriptions(&mut app, std::slice::from_ref(token)).await;
    }
    app.graph.identity.retire_former();
    ask_the_provider_in_vain(&mut app).await;
    refused_on_calls(&mut app, &former.0, "jwt_kid_unknown").await;
    for token in &former.1 {
        refused_on_subscriptions(&mut app, std::slice::from_ref(token), "jwt_kid_unknown").await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_replaces_under_its_name_proves_nothing_more() {
    let mut app = TestApp::start().await;
    accepted_everywhere(&mut app, sign).await;
    let stranger = app.graph.identity.stranger().unwrap();
    let mut set = stranger.key_set();
    set["keys"][0]["kid"] = json!(app.graph.identity.kid());
    app.provider.set(Mode::KeySet(set.to_string().into()));
    ask_the_provider_in_vain(&mut app).await;
    refused_everywhere(&mut app, "jwt_signature", sign).await;
    app.stop().await;
}
