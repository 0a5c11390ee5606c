//! A standard queue, and what holds for both.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use reelhook::sinks::DeliveryError;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use super::KIND;
use super::server::{Server, keys, queue_url};
use crate::sinks::answering::Answering;
use crate::sinks::brokers::certificates::Certificates;
use crate::sinks::brokers::{Arrived, Broker, suite};
use crate::sinks::samples::{build, delivery, mistakes, retried};

pub struct Standard(Server);

#[async_trait]
impl Broker for Standard {
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
        self.0.make(place, json!({})).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        keys(address, place)
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        keys(address, place)
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        self.0.arrived(place).await
    }

    async fn stop(&mut self) {
        self.0.gate.close().await;
    }

    async fn restart(&mut self) {
        self.0.gate.open().await;
    }
}

// What differs from a FIFO queue; a standard queue promises no order.
suite::promises!(Standard:
    an_event_arrives_once_and_as_it_is,
    a_repeat_is_known_by_the_id_of_its_delivery,
    a_batch_has_a_result_for_each_event,
    a_place_that_is_not_there_is_a_retry_or_is_made,
    an_event_that_is_too_large_is_refused_with_the_limit_and_its_neighbours_arrive,
);

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn of_a_request_only_what_failed_is_tried_again() {
    let answered = json!({
        "Successful": [{ "Id": "0" }],
        "Failed": [
            { "Id": "1", "Code": "InternalError", "SenderFault": false, "Message": "later" },
            { "Id": "2", "Code": "InvalidMessageContents", "SenderFault": true, "Message": "never" },
        ],
    });
    let service = Answering::with(&answer("200 OK", &answered.to_string()));
    let sink = build(KIND, &keys(service.address, "a")).unwrap();
    let deliveries: Vec<_> = (0..4).map(delivery).collect();
    let results = sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    let [Ok(()), later, Err(DeliveryError::Reject { reason }), untold] = &results[..] else { panic!("{results:?}") };
    assert_eq!(reason, "InvalidMessageContents: never");
    assert_eq!(retried(later.clone()), ("InternalError: later".to_owned(), false, None));
    assert!(retried(untold.clone()).0.contains("did not tell"));
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn a_request_that_is_refused_for_one_message_is_made_again_for_each() {
    let server = Standard::start(None).await;
    // moto refuses a whole request for one message that is too large for the queue.
    server.0.make("small", json!({ "MaximumMessageSize": "4096" })).await;
    let sink = build(KIND, &keys(server.address(), "small")).unwrap();
    let mut large = delivery(1);
    Arc::make_mut(&mut large.event).data = json!({ "x": "y".repeat(5000) }).to_string();
    let results = sink.deliver_batch(&[&delivery(0), &large, &delivery(2)]).await;
    assert!(matches!(&results[..], [Ok(()), Err(DeliveryError::Reject { .. }), Ok(())]), "{results:?}");
    assert_eq!(server.arrived("small").await.len(), 2);
}

#[tokio::test]
async fn more_than_a_request_can_have_is_sent_in_several() {
    let server = Standard::start(None).await;
    server.make("large").await;
    let sink = build(KIND, &keys(server.address(), "large")).unwrap();
    let mut deliveries: Vec<_> = (0..16).map(delivery).collect();
    for delivery in &mut deliveries {
        Arc::make_mut(&mut delivery.event).data = json!({ "x": "y".repeat(200_000) }).to_string();
    }
    let results = sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(server.arrived("large").await.len(), 16);
}

#[tokio::test]
async fn characters_that_sqs_does_not_take_arrive_all_the_same() {
    let server = Standard::start(None).await;
    server.make("characters").await;
    let mut strange = delivery(1);
    let data = json!({ "x": "a\u{fffe}\u{ffff}\u{1}é😀" });
    Arc::make_mut(&mut strange.event).data = data.to_string();
    build(KIND, &keys(server.address(), "characters")).unwrap().deliver(&strange).await.unwrap();
    let [message] = &server.0.messages("characters").await[..] else { panic!("one message") };
    let body = message["Body"].as_str().unwrap();
    assert!(!body.contains(['\u{fffe}', '\u{ffff}', '\u{1}']), "{body}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["data"]["x"], data["x"]);
    let media_type = &message["MessageAttributes"]["content-type"]["StringValue"];
    assert_eq!(media_type, "application/cloudevents+json; charset=utf-8");
}

#[tokio::test]
async fn a_probe_tells_what_a_queue_keeps_and_takes() {
    let server = Standard::start(None).await;
    server.0.make("short", json!({ "MessageRetentionPeriod": "3600", "MaximumMessageSize": "2048" })).await;
    let remarks = build(KIND, &keys(server.address(), "short")).unwrap().probe().await.unwrap();
    assert!(remarks.len() == 2 && remarks[0].contains("3600 s") && remarks[1].contains("2048 bytes"), "{remarks:?}");
}

#[tokio::test]
async fn over_tls_only_the_named_authority_is_trusted() {
    let made = Certificates::make();
    let certificate = CertificateDer::pem_file_iter(made.path("local.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(made.path("local.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificate, key).unwrap();
    let server = Server::start(None, Some(TlsAcceptor::from(Arc::new(config)))).await;
    server.make("events", json!({})).await;
    let keys = keys(format!("localhost:{}", server.address().port()), "events").replace("http://", "https://");
    let (reason, pauses, _) = retried(build(KIND, &keys).unwrap().deliver(&delivery(1)).await);
    assert!(pauses && reason.contains("UnknownIssuer"), "{reason}");
    let tls = format!("tls = {{ ca = {:?} }}", made.path("authority.pem"));
    build(KIND, &(keys + &tls)).unwrap().deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.arrived("events").await.len(), 1);
}

#[tokio::test]
async fn a_service_that_answers_something_else_is_a_retry() {
    let service = Answering::with(&answer("200 OK", "<html>"));
    let sink = build(KIND, &keys(service.address, "a")).unwrap();
    for (answer, words) in [
        (answer("200 OK", "<html>"), "not one of SQS"),
        (answer("301 Moved", ""), "answered 301"),
        (answer("200 OK", &"x".repeat((1 << 20) + 1)), "more than 1 MiB"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned(), "not reached"),
    ] {
        service.answer(&answer);
        let (reason, ..) = retried(sink.deliver(&delivery(1)).await);
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn a_key_that_does_not_fit_the_queue_is_a_mistake() {
    let url = queue_url("sqs.eu-north-1.amazonaws.com", "a");
    for (keys, told) in [
        (
            "queue_url = 'https://sqs.eu-north-1.amazonaws.com'".to_owned(),
            "sinks.crm.queue_url: found an address without",
        ),
        ("queue_url = 'https://user:canary@host/1/a'".to_owned(), "sinks.crm.queue_url: found a user or a password"),
        ("queue_url = 'https://example.com/1/a'".to_owned(), "sinks.crm.region: found nothing"),
        (format!("queue_url = '{url}'\nregion = 'a/b'"), "sinks.crm.region: found \"a/b\""),
        (format!("queue_url = '{url}'\ngroup = 'a'"), "sinks.crm.group: found it beside a queue that is not FIFO"),
        (format!("queue_url = '{url}.fifo'\ngroup = 'a b'"), "sinks.crm.group: found \"a b\""),
        (format!("queue_url = '{url}'\ntls = {{}}"), "sinks.crm.tls: found it beside an endpoint of \"http\""),
        (format!("queue_url = '{url}'\nformat = 'cloudevents-binary'"), "sinks.crm.format: found"),
    ] {
        let found = mistakes(KIND, &keys);
        assert!(found.starts_with(told) && !found.contains("canary"), "{keys}: {found}");
    }
}
