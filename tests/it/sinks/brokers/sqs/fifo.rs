//! A FIFO queue.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::KIND;
use super::server::{Server, keys};
use crate::sinks::brokers::{Arrived, Broker, suite};
use crate::sinks::samples::{build, delivery, resource, with_client_context};

pub struct Fifo(Server);

fn name(place: &str) -> String {
    format!("{place}.fifo")
}

#[async_trait]
impl Broker for Fifo {
    const KIND: &'static str = KIND;
    const TOO_LARGE: (usize, &'static str) = (1 << 20, "1048576");
    const MAKES_PLACES: bool = false;

    async fn start(_login: Option<(&str, &str)>) -> Self {
        Self(Server::start(None, None).await)
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn make(&self, place: &str) {
        self.0.make(&name(place), json!({})).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        keys(address, &name(place)) + "group = '{operation_id}'\n"
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        keys(address, &name(place)) + "group = 'of-{client_context}'\n"
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        self.0.arrived(&name(place)).await
    }

    async fn stop(&mut self) {
        self.0.gate.close().await;
    }

    async fn restart(&mut self) {
        self.0.gate.open().await;
    }
}

// `login` has what there is to say about logins: SQS knows no user and password. moto takes minutes for 2,000 messages in a
// FIFO queue, so the order is tested with the 200 that a server away leaves.
suite::of_any_kind!(Fifo);
suite::promises!(Fifo: an_event_that_is_too_large_is_refused_with_the_limit_and_its_neighbours_arrive);

#[tokio::test]
async fn a_repeat_is_kept_once_and_the_order_holds_within_a_group() {
    let server = Fifo::start(None).await;
    server.make("events").await;
    let sink = build(KIND, &keys(server.address(), "events.fifo")).unwrap();
    // Of two calls, in turns, each event twice.
    let mut deliveries: Vec<_> = (0..20).map(delivery).collect();
    for (n, delivery) in deliveries.iter_mut().enumerate() {
        Arc::make_mut(&mut delivery.event).envelope.carried.call_id = Some(format!("call-{}", n % 2));
    }
    for delivery in &deliveries {
        sink.deliver(delivery).await.unwrap();
        sink.deliver(delivery).await.unwrap();
    }
    let messages = server.0.messages("events.fifo").await;
    assert_eq!(messages.len(), 20);
    for call in ["call-0", "call-1"] {
        let of_call = messages.iter().filter(|it| it["Attributes"]["MessageGroupId"] == call);
        let found: Vec<_> =
            of_call.map(|it| it["Attributes"]["MessageDeduplicationId"].as_str().unwrap().to_owned()).collect();
        let sent = deliveries.iter().filter(|it| it.event.partition_key() == Some(call));
        assert_eq!(found, sent.map(|it| it.id.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_group_has_only_what_sqs_takes_and_equal_ones_stay_equal() {
    let server = Fifo::start(None).await;
    server.make("groups").await;
    let by_context = build(KIND, &Fifo::keys_by_client_context(server.address(), "groups")).unwrap();
    let emoji = "😀".repeat(256);
    for (n, context) in (0..).zip(["a b", "a%20b", &emoji, &emoji]) {
        by_context.deliver(&with_client_context(n, context)).await.unwrap();
    }
    // An event that belongs to nothing is a group of its own.
    let mut alone = resource("{}");
    let event = Arc::make_mut(&mut alone.event);
    (event.subject, event.envelope.carried.call_id, event.envelope.carried.operation_id) = (None, None, None);
    alone.id = delivery(100).id;
    build(KIND, &keys(server.address(), "groups.fifo")).unwrap().deliver(&alone).await.unwrap();
    let messages = server.0.messages("groups.fifo").await;
    let groups: Vec<_> = messages.iter().map(|it| it["Attributes"]["MessageGroupId"].as_str().unwrap()).collect();
    assert_eq!(groups[..2], ["of-a%20b", "of-a%2520b"]);
    assert_eq!((groups[2], groups[2].len()), (groups[3], 64));
    assert_eq!(groups[4], alone.event.id.to_string());
}
