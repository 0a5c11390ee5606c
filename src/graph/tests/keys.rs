//! The keys against a provider that rotates, fails and lies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::domain::{Channel, Reason};
use crate::graph::keys::{ASK_EVERY, Keys, KeysError};
use crate::graph::testing::Graph;
use crate::graph::testing::identity::{Identity, Provider};
use crate::telemetry::Metrics;

fn refreshes(graph: &Graph, result: &str) -> String {
    let text = graph.metrics.render(graph.clock.now());
    let line = format!("reelhook_jwks_refresh_total{{channel=\"calls\",result=\"{result}\"}} ");
    text.lines().find_map(|it| it.strip_prefix(&line)).unwrap_or("0").to_owned()
}

async fn knows(graph: &Graph, kid: &str) -> Result<(), Reason> {
    graph.keys.find(kid).await.map(|_| ())
}

#[actix_web::test]
async fn a_flood_of_unknown_keys_costs_one_fetch_in_five_minutes() {
    let graph = Graph::start();
    assert_eq!(knows(&graph, "key-1").await, Ok(()));
    let before = graph.provider.n_fetches();
    let flood = (0..200).map(|n| {
        let keys = Arc::clone(&graph.keys);
        async move { keys.find(&format!("random-{n}")).await.map(|_| ()) }
    });
    let answers = futures_util::future::join_all(flood).await;
    assert!(answers.iter().all(|answer| *answer == Err(Reason::JwtKidUnknown)));
    assert_eq!(graph.provider.n_fetches(), before + 1);
    graph.clock.advance(ASK_EVERY - SignedDuration::from_secs(1));
    assert_eq!(knows(&graph, "another").await, Err(Reason::JwtKidUnknown));
    assert_eq!(graph.provider.n_fetches(), before + 1);
    assert_ne!(refreshes(&graph, "throttled"), "0");
    graph.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(knows(&graph, "another").await, Err(Reason::JwtKidUnknown));
    assert_eq!(graph.provider.n_fetches(), before + 2);
}

#[actix_web::test]
async fn a_rotated_key_is_known_after_one_fetch_and_the_old_one_is_gone() {
    let graph = Graph::start();
    assert_eq!(knows(&graph, "key-1").await, Ok(()));
    graph.provider.publish(&[Identity::fresh("key-2").jwk(json!({}))]);
    assert_eq!(knows(&graph, "key-2").await, Ok(()));
    assert_eq!(knows(&graph, "key-1").await, Err(Reason::JwtKidUnknown));
}

#[actix_web::test]
async fn of_requests_that_meet_a_new_key_at_the_same_time_none_is_turned_away() {
    const AT_ONCE: usize = 8;
    let graph = Graph::start();
    assert_eq!(knows(&graph, "key-1").await, Ok(()));
    for n in 0..300 {
        let kid = format!("new-{n}");
        graph.provider.publish(&[graph.identity.jwk(json!({ "kid": kid }))]);
        graph.clock.advance(ASK_EVERY);
        let all_there = Arc::new(std::sync::Barrier::new(AT_ONCE));
        let requests = (0..AT_ONCE).map(|_| {
            let (keys, kid, all_there) = (Arc::clone(&graph.keys), kid.clone(), Arc::clone(&all_there));
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || {
                all_there.wait();
                runtime.block_on(keys.find(&kid)).map(|_| ())
            })
        });
        for answer in futures_util::future::join_all(requests).await {
            assert_eq!(answer.unwrap(), Ok(()), "{kid}");
        }
    }
}

#[actix_web::test]
async fn good_keys_outlive_whatever_the_provider_says_later() {
    let graph = Graph::start();
    assert_eq!(knows(&graph, "key-1").await, Ok(()));
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
    for document in ["{\"keys\":[]}", "garbage", "{\"keys\":[{\"kty\":\"EC\"}]}", &huge] {
        *graph.provider.published.jwks.lock() = document.into();
        graph.clock.advance(ASK_EVERY);
        assert_eq!(knows(&graph, "other").await, Err(Reason::KeysUnavailable));
        assert_eq!(knows(&graph, "key-1").await, Ok(()));
    }
    assert_eq!(refreshes(&graph, "invalid"), "4");
    graph.provider.answer_with(500);
    graph.clock.advance(ASK_EVERY);
    assert_eq!(knows(&graph, "other").await, Err(Reason::KeysUnavailable));
    assert_eq!((knows(&graph, "key-1").await, refreshes(&graph, "failed")), (Ok(()), "1".into()));
}

#[actix_web::test]
async fn a_key_is_called_unknown_only_after_a_fetch_that_succeeded() {
    let graph = Graph::start();
    assert_eq!(knows(&graph, "key-1").await, Ok(()));
    graph.provider.answer_with(503);
    assert_eq!(knows(&graph, "key-2").await, Err(Reason::KeysUnavailable));
    assert_eq!(knows(&graph, "key-2").await, Err(Reason::KeysUnavailable), "not asked for again, and still not known");
    graph.provider.answer_with(200);
    graph.clock.advance(ASK_EVERY);
    assert_eq!(knows(&graph, "key-2").await, Err(Reason::JwtKidUnknown));
}

#[actix_web::test]
async fn while_there_are_no_keys_nothing_can_be_decided_and_they_are_tried_for_again() {
    let identity = Identity::shared("key-1");
    let provider = Provider::start(&[identity.jwk(json!({}))]);
    provider.answer_with(503);
    let graph = Graph::at(identity, provider);
    assert_eq!(knows(&graph, "key-1").await, Err(Reason::KeysUnavailable));
    graph.provider.answer_with(200);
    tokio::time::timeout(Duration::from_secs(30), graph.keys.next_fetch()).await.unwrap();
    assert_eq!(knows(&graph, "key-1").await, Ok(()));
}

#[actix_web::test]
async fn a_silent_provider_keeps_requests_waiting_for_two_seconds_at_most() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let identity = Identity::shared("key-1");
    let provider = Provider { url, ..Provider::start(&[]) };
    let graph = Graph::at(identity, provider);
    let began = Instant::now();
    assert_eq!(knows(&graph, "key-1").await, Err(Reason::KeysUnavailable));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

async fn probe(provider: &Provider) -> Result<usize, KeysError> {
    let metrics = Arc::new(Metrics::new());
    Keys::new(Channel::Calls, provider.url.clone(), metrics, Clock::system()).unwrap().probe().await
}

#[actix_web::test]
async fn a_probe_says_what_it_found() {
    let provider = Provider::start(&[Identity::shared("key-1").jwk(json!({}))]);
    assert_eq!(probe(&provider).await.unwrap(), 1);
    for status in [301, 302, 307, 404, 204] {
        provider.answer_with(status);
        assert!(matches!(probe(&provider).await, Err(KeysError::Unreachable { .. })), "{status}");
    }
    provider.answer_with(200);
    let says = |configuration: Value| *provider.published.configuration.lock() = configuration.to_string();
    for address in ["http://192.0.2.1/keys", "file:///etc/passwd", "ftp://localhost/", "data:,x"] {
        says(json!({ "jwks_uri": address }));
        assert!(matches!(probe(&provider).await, Err(KeysError::Address(_))), "{address}");
    }
    for configuration in [json!({}), json!([]), json!({ "jwks_uri": 7 }), json!({ "jwks_uri": "keys" })] {
        says(configuration.clone());
        assert!(matches!(probe(&provider).await, Err(KeysError::Invalid { .. })), "{configuration}");
    }
}

#[test]
fn keys_come_over_https_or_from_loopback() {
    let made = |url: &str| Keys::new(Channel::Calls, url.parse().unwrap(), Arc::new(Metrics::new()), Clock::system());
    for good in ["https://login.microsoftonline.com/x", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:9/"]
    {
        assert!(made(good).is_ok(), "{good}");
    }
    for bad in ["http://example.com/", "http://127.0.0.1.example.com/", "http://localhost.example/", "ftp://127.0.0.1/"]
    {
        assert!(matches!(made(bad), Err(KeysError::Address(_))), "{bad}");
    }
}
