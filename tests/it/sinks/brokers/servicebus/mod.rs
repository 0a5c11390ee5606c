//! Brokers of AMQP 1.0. The suite runs over RabbitMQ with its plugin; what only Service Bus has is tested with a small broker
//! of the tests' own. Nothing here talks to Azure.

mod entra;
mod peer;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fe2o3_amqp::types::definitions::{AmqpError, Error, LinkError};
use fe2o3_amqp::types::messaging::{Data, Message, MessageId};
use fe2o3_amqp::types::primitives::SimpleValue;
use jiff::SignedDuration;
use reelhook::clock::Clock;
use reelhook::config::Section;
use reelhook::domain::Delivery;
use reelhook::sinks::servicebus::ServicebusSink;
use reelhook::sinks::{Context, DeliveryError, Sink};

use self::peer::{Door, MAX_BYTES, Peer};
use super::certificates::Certificates;
use super::gate::Gate;
use super::process::free_address;
use super::rabbitmq::Rabbitmq;
use super::{Arrived, Broker, secret};
use crate::process::eventually;
use crate::process::site::Site;
use crate::sinks::samples::{build, delivery, mistakes, retried, table, with_client_context};

const PLUGIN: &str = "[rabbitmq_amqp1_0].";

/// RabbitMQ, where `/exchange/NAME` is an exchange that must exist, and the subject is the routing key, without which the
/// plugin fails. It ends a session without a word when a message is too large: so the config says the limit.
pub struct Servicebus(Rabbitmq);

#[async_trait]
impl Broker for Servicebus {
    const KIND: &'static str = "servicebus";
    const TOO_LARGE: (usize, &'static str) = (2 << 20, "1048576");
    const MAKES_PLACES: bool = false;

    async fn start(login: Option<(&str, &str)>) -> Self {
        Self(Rabbitmq::with_plugins(PLUGIN, "", login).await)
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn make(&self, place: &str) {
        self.0.make(place).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 'amqp://{address}'\nqueue = '/exchange/{place}'\nsubject = 'recordings'\nmax_bytes = '1MiB'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        Self::keys(address, place).replace("'recordings'", "'{client_context}'")
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        self.0.arrived(place).await
    }

    async fn stop(&mut self) {
        self.0.stop().await;
    }

    async fn restart(&mut self) {
        self.0.restart().await;
    }
}

super::suite::suite!(Servicebus);

fn properties(message: &Message<Data>) -> &fe2o3_amqp::types::messaging::Properties {
    message.properties.as_ref().unwrap()
}

#[tokio::test]
async fn the_call_is_the_session_and_the_delivery_s_id_is_the_message_s() {
    let peer = Peer::start(Door::Open).await;
    let sink = build("servicebus", &peer.keys()).unwrap();
    for attempt in 1..=2 {
        sink.deliver(&Delivery { attempt, ..delivery(7) }).await.unwrap();
    }
    let binary = build("servicebus", &(peer.keys() + "format = 'cloudevents-binary'")).unwrap();
    binary.deliver(&with_client_context(8, "a é")).await.unwrap();
    let messages = peer.state.messages.lock().clone();
    assert_eq!(messages.len(), 2, "the repeat was known by its id");
    for (n, message) in [(7, &messages[0]), (8, &messages[1])] {
        let id = MessageId::String(delivery(n).id.to_string());
        assert_eq!(
            (properties(message).message_id.as_ref(), message.header.as_ref().unwrap().durable),
            (Some(&id), true)
        );
        assert_eq!(properties(message).group_id.as_deref(), Some(format!("call-{n}").as_str()));
    }
    assert_eq!(properties(&messages[0]).subject.as_deref(), Some("support-7"));
    let types = messages.iter().map(|message| properties(message).content_type.as_ref().unwrap().as_str());
    assert_eq!(types.collect::<Vec<_>>(), ["application/cloudevents+json; charset=utf-8", "application/json"]);
    assert!(messages[0].application_properties.is_none());
    let attributes = &messages[1].application_properties.as_ref().unwrap().0;
    assert_eq!(attributes.get("cloudEvents_specversion"), Some(&SimpleValue::String("1.0".into())));
    assert_eq!(attributes.get("cloudEvents_clientcontext"), Some(&SimpleValue::String("a é".into())));
}

#[tokio::test]
async fn only_an_accepted_message_is_delivered_and_each_has_its_own_outcome() {
    let peer = Peer::start(Door::Open).await;
    let sink = build("servicebus", &peer.keys()).unwrap();
    let expected = [
        ("first", None),
        ("released", Some(("the broker released the message", false))),
        ("modified", Some(("(modified)", false))),
        ("rejected", Some(("the broker rejected the message", false))),
        ("odd", Some(("com.example:odd: told by the peer", false))),
        ("full", Some(("amqp:resource-limit-exceeded", true))),
        ("busy", Some(("com.microsoft:server-busy: told by the peer", true))),
        ("last", None),
    ];
    let deliveries: Vec<_> = (0..).zip(expected).map(|(n, (subject, _))| with_client_context(n, subject)).collect();
    let results = sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    for (result, (subject, told)) in results.into_iter().zip(expected) {
        match told {
            None => assert_eq!(result, Ok(()), "{subject}"),
            Some((words, all)) => {
                let (reason, pauses, _) = retried(result);
                assert!(reason.contains(words) && pauses == all, "{subject}: {reason}");
            }
        }
    }
    let refused = sink.deliver(&with_client_context(9, "too large")).await;
    assert!(
        matches!(&refused, Err(DeliveryError::Reject { reason }) if reason.contains("size-exceeded")),
        "{refused:?}"
    );
    assert_eq!((peer.state.messages.lock().len(), peer.n_connections()), (2, 1));
}

#[tokio::test]
async fn an_event_above_the_limit_that_the_broker_tells_is_refused_with_it() {
    let peer = Peer::start(Door::Open).await;
    let sink = build("servicebus", &peer.keys()).unwrap();
    let mut large = delivery(2);
    Arc::make_mut(&mut large.event).data = format!(r#"{{"id":"op-2","x":"{}"}}"#, "y".repeat(MAX_BYTES as usize));
    let results = sink.deliver_batch(&[&delivery(1), &large, &delivery(3)]).await;
    let [Ok(()), Err(DeliveryError::Reject { reason }), Ok(())] = &results[..] else { panic!("{results:?}") };
    assert!(reason.contains("262144 (max-message-size)"), "{reason}");
    assert_eq!(peer.state.messages.lock().len(), 2);
}

#[tokio::test]
async fn a_key_signs_a_token_that_the_broker_verifies_and_a_new_key_needs_no_restart() {
    let peer = Peer::start(Door::Tokens).await;
    let file = secret("servicebus-key", "canary-another-key");
    let auth = format!("auth = {{ key_name = '{}', key = {{ file = {file:?} }} }}\n", tokens::POLICY.0);
    let sink = build("servicebus", &(peer.keys() + &auth)).unwrap();
    for (reason, pauses, _) in [retried(sink.deliver(&delivery(1)).await), retried(sink.probe().await)] {
        assert!(pauses && reason.contains("401") && reason.contains("the signature is wrong"), "{reason}");
        assert!(!reason.contains("canary") && !reason.contains("sig="), "{reason}");
    }
    secret("servicebus-key", tokens::POLICY.1);
    sink.deliver(&delivery(1)).await.unwrap();
    sink.deliver(&delivery(2)).await.unwrap();
    sink.probe().await.unwrap();
    let taken = peer.state.tokens.lock().clone();
    assert_eq!((taken.len(), peer.state.messages.lock().len()), (2, 2), "one for the sink, one for the probe");
    assert!(taken.iter().all(|(_, token)| !token.contains("canary")));
}

#[tokio::test]
async fn a_bearer_token_is_put_as_its_file_has_it() {
    let peer = Peer::start(Door::Tokens).await;
    let file = secret("servicebus-token", "canary.old.token");
    let sink = build("servicebus", &format!("{}auth = {{ token = {{ file = {file:?} }} }}", peer.keys())).unwrap();
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(pauses && reason.contains("another token: (the token)") && !reason.contains("canary"), "{reason}");
    secret("servicebus-token", tokens::WEB_TOKEN);
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(peer.state.tokens.lock()[..], [("jwt".to_owned(), tokens::WEB_TOKEN.to_owned())]);
}

#[tokio::test]
async fn a_link_that_the_broker_refuses_is_told_with_its_reason() {
    let (open, closed) = (Peer::start(Door::Open).await, Peer::start(Door::Tokens).await);
    let elsewhere = open.keys().replace(peer::QUEUE, "elsewhere");
    let nobody = closed.keys();
    for (keys, words) in [(elsewhere, "amqp:not-found: there is no elsewhere"), (nobody, "amqp:unauthorized-access")] {
        let sink = build("servicebus", &keys).unwrap();
        for (reason, pauses, _) in [retried(sink.deliver(&delivery(1)).await), retried(sink.probe().await)] {
            assert!(pauses && reason.contains(words), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_link_that_ended_between_two_attempts_costs_none() {
    let peer = Peer::start(Door::Open).await;
    let sink = build("servicebus", &peer.keys()).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    // As Service Bus does when nothing was sent for ten minutes, and when a token expires.
    peer.end_links(Error::from(LinkError::DetachForced)).await;
    sink.deliver(&delivery(2)).await.unwrap();
    peer.end_links(Error::from(AmqpError::UnauthorizedAccess)).await;
    sink.deliver(&delivery(3)).await.unwrap();
    assert_eq!((peer.state.messages.lock().len(), peer.n_connections()), (3, 3));
}

#[tokio::test]
async fn a_connection_is_made_anew_long_before_its_token_expires() {
    let (peer, clock) = (Peer::start(Door::Tokens).await, Clock::manual(Clock::system().now()));
    let file = secret("servicebus-young-key", tokens::POLICY.1);
    let auth = format!("auth = {{ key_name = '{}', key = {{ file = {file:?} }} }}\n", tokens::POLICY.0);
    let read = |section: &mut Section<'_>| ServicebusSink::with_clock(section, &Context::default(), clock.clone());
    let sink = table(&(peer.keys() + &auth)).read("sinks.crm", read).unwrap().0;
    for (n, minutes, n_connections) in [(1, 0, 1), (2, 29, 1), (3, 2, 2), (4, 29, 2), (5, 29, 3)] {
        clock.advance(SignedDuration::from_mins(minutes));
        sink.deliver(&delivery(n)).await.unwrap();
        assert_eq!(peer.n_connections(), n_connections, "{n}");
    }
    let expires = |(_, token): &(String, String)| token.rsplit_once("&se=").unwrap().1[..10].parse::<i64>().unwrap();
    let taken: Vec<i64> = peer.state.tokens.lock().iter().map(expires).collect();
    assert_eq!([taken[1] - taken[0], taken[2] - taken[1]], [31 * 60, 58 * 60]);
}

#[tokio::test]
async fn a_message_that_is_never_settled_ends_with_its_attempt_and_no_other_uses_the_connection() {
    let peer = Peer::start(Door::Open).await;
    let sink = build("servicebus", &peer.keys()).unwrap();
    let silent = with_client_context(1, "silence");
    let attempt = tokio::time::timeout(Duration::from_millis(500), sink.deliver(&silent)).await;
    assert!(attempt.is_err(), "{attempt:?}");
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!((peer.state.messages.lock().len(), peer.n_connections()), (1, 2));
    tokio::time::timeout(Duration::from_secs(10), sink.close()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_broker_that_falls_silent_costs_one_attempt_and_the_next_one_makes_a_connection() {
    let peer = Peer::start(Door::Open).await;
    let gate = Gate::to(peer.address, free_address(), None).await;
    let keys = peer.keys().replace(&peer.address.to_string(), &gate.address.to_string());
    let mut site = Site::new();
    let sink = format!("[sinks.queue]\nkind = \"servicebus\"\n{keys}timeout = '500ms'\nretry = ['0s', '1s', '1h']\n");
    site.write(("", ""), &format!("{sink}[[routes]]\nname = \"all\"\nsinks = [\"queue\"]\n"));
    let receiver = site.serve();
    let n_arrived = async |n: usize| {
        eventually("the event arrived", async || peer.state.messages.lock().len() == n).await;
    };
    site.post(&receiver, "first").await;
    n_arrived(1).await;
    // The link is attached. From now on not a byte comes back, and nobody closes anything.
    gate.fall_silent();
    site.post(&receiver, "second").await;
    n_arrived(2).await;
    site.post(&receiver, "third").await;
    n_arrived(3).await;
    assert_eq!(peer.n_connections(), 2);
    let failed: Vec<String> = receiver.log.try_iter().filter(|line| line.contains("attempt failed")).collect();
    assert!(matches!(&failed[..], [one] if one.contains("no answer within 500ms")), "{failed:#?}");
}

#[tokio::test]
async fn over_tls_only_the_named_authority_is_trusted_and_reelhook_shows_its_certificate() {
    let certificates = Certificates::make();
    let (server, tls) = Rabbitmq::with_tls(PLUGIN, &certificates).await;
    server.make("events").await;
    let keys = format!("url = 'amqps://{tls}'\nqueue = '/exchange/events/recordings'\n");
    let sink = certificates.tried("servicebus", &keys, "could not connect").await;
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.arrived("events").await.len(), 1);
}

#[test]
fn a_mistake_in_the_keys_is_told_without_what_may_be_a_secret() {
    let told = mistakes("servicebus", "url = 'amqps://policy:canary@h'\nqueue = 'a'");
    assert!(told.starts_with("sinks.crm.url: found a user or a password") && !told.contains("canary"), "{told}");
    let told = mistakes("servicebus", "url = 'sb://h/;SharedAccessKey=canary'\nqueue = 'a'");
    assert!(told.starts_with("sinks.crm.url: found a path after the host") && !told.contains("canary"), "{told}");
    let told = mistakes("servicebus", "url = 'https://h'\nauth = { key_name = 'a' }");
    let [url, queue, key] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(url.contains("another scheme than amqps or sb or amqp") && queue.starts_with("sinks.crm.queue"), "{told}");
    assert!(key.starts_with("sinks.crm.auth.key") && key.contains("expected key_name and key"), "{told}");
}
