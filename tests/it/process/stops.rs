//! SIGTERM and SIGINT: in order, and a second one at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::SinkName;
use reelhook::simulator::payload;
use reelhook::store::sqlite::SqliteStore;
use reelhook::store::{DeliveryState, Newest, Upkeep};

use super::site::Site;
use super::{Server, eventually, wait_until};
use crate::store::InState;

/// The status and the text of `/readyz`.
async fn readiness(server: &Server) -> (u16, String) {
    let answer = reqwest::get(server.admin_url("/readyz")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_readiness_goes_first_and_what_comes_meanwhile_is_taken() {
    let mut site = Site::new();
    site.write_for_all("shutdown_delay = \"1s\"", "");
    let mut server = site.serve();
    assert_eq!(readiness(&server).await, (200, "ready\n".into()));
    server.terminate();
    eventually("it is not ready", async || readiness(&server).await.0 == 503).await;
    assert_eq!(site.post(&server, "meanwhile").await.status, 202);
    assert_eq!(readiness(&server).await, (503, "not ready: stopping\n".into()));
    assert_eq!(server.ended().code(), Some(0));
    let server = site.serve();
    site.wait_for(&["meanwhile"]);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_answered_after_the_listener_has_closed() {
    let mut site = Site::new();
    let mut server = site.serve();
    let graph = site.graph(&server);
    let body = payload::comms(&[site.recording("in-flight").completed()]);
    let (first, second) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(server.public).unwrap();
    let head = format!(
        "POST /graph/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\n\r\n",
        graph.calls_token().unwrap(),
        body.len()
    );
    stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
    // The server has the connection in hand once it answers another one that came later on each worker.
    for _ in 0..8 {
        assert_eq!(site.post(&server, "other").await.status, 202);
    }
    server.interrupt();
    wait_until("the listener closed", || TcpStream::connect(server.public).is_err());
    stream.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer:?}");
    assert_eq!(server.ended().code(), Some(0));
    let server = site.serve();
    site.wait_for(&["in-flight"]);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_leased_but_not_attempted_is_handed_back() {
    let mut site = Site::new();
    let gate = site.hold_hook();
    site.write_for_all(
        "",
        "concurrency = 1\ntimeout = \"1s\"\nretry = [\"0s\", \"0s\", \"0s\", \"0s\", \"0s\", \"0s\"]",
    );
    let mut server = site.serve();
    for number in 0..10 {
        assert_eq!(site.post(&server, &format!("c-{number}")).await.status, 202);
    }
    wait_until("one is attempted", || !site.hook.requests().is_empty());
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));

    // Looked at as an operator's command does: what was not handed back would be held for another minute.
    let text = std::fs::read_to_string(site.config()).unwrap();
    let variables = [("TEST_CLIENT_STATE".to_owned(), crate::test_app::CLIENT_STATE.to_owned())];
    let settings = config::parse(&text, variables.into_iter()).unwrap().config.store;
    let store = SqliteStore::open_for_operator(&settings, Clock::system()).unwrap();
    let waiting =
        store.deliveries(DeliveryState::Open, Some(&SinkName::new("hook")), Newest::up_to(100)).await.unwrap();
    assert_eq!(waiting.len(), 10);
    assert!(waiting.iter().all(|delivery| delivery.at <= Clock::system().now()), "{waiting:?}");
    assert!(waiting.iter().filter(|delivery| delivery.n_attempts == 0).count() >= 5, "{waiting:?}");
    store.close().await;

    gate.open();
    let server = site.serve();
    let contexts: Vec<String> = (0..10).map(|number| format!("c-{number}")).collect();
    site.wait_for(&contexts.iter().map(String::as_str).collect::<Vec<_>>());
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    let mut site = Site::new();
    let gate = site.hold_hook();
    let mut server = site.serve();
    assert_eq!(site.post(&server, "held").await.status, 202);
    wait_until("it is attempted", || site.hook.requests().len() == 1);
    server.terminate();
    server.said("stopping: not ready any more");
    let began = std::time::Instant::now();
    server.interrupt();
    assert_eq!(server.ended().code(), Some(1));
    // The attempt under way would have held it for the 25 s of the grace.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    gate.open();
    let server = site.serve();
    wait_until("it is attempted again", || site.hook.requests().len() == 2);
    let arrived = site.arrived();
    assert_eq!(arrived["held"][0], arrived["held"][1]);
    server.kill();
}
