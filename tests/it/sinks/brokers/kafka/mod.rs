//! Kafka: the broker `tansu`, and librdkafka's own mock of a cluster for what that cannot do.

mod mock;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::Message;
use reelhook::sinks::DeliveryError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use self::server::{Server, header};
use super::certificates::Certificates;
use super::{Arrived, Broker};
use crate::sinks::samples::{build, delivery, mistakes, retried, with_client_context};

pub struct Kafka(Server);

#[async_trait]
impl Broker for Kafka {
    const KIND: &'static str = "kafka";
    const TOO_LARGE: (usize, &'static str) = (1_000_000, "1000000");
    const MAKES_PLACES: bool = true;

    async fn start(login: Option<(&str, &str)>) -> Self {
        assert!(login.is_none(), "no test asks for one");
        Self(Server::start("127.0.0.1", None).await)
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn make(&self, place: &str) {
        self.0.make(place).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("brokers = '{address}'\ntopic = '{place}'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        format!("brokers = '{address}'\ntopic = '{place}.of.{{client_context}}'\n")
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let (place, of) = (place.to_owned(), format!("{place}.of."));
        let is_one =
            move |topic: &str| *topic == place || topic.strip_prefix(&of).is_some_and(|rest| !rest.contains('.'));
        let arrived = self.0.messages(is_one).await;
        let arrived = arrived.iter().map(|message| Arrived {
            id: header(message, "delivery-id").unwrap(),
            event: serde_json::from_slice(message.payload().unwrap()).unwrap(),
        });
        arrived.collect()
    }

    async fn stop(&mut self) {
        self.0.gate.close().await;
    }

    async fn restart(&mut self) {
        self.0.gate.open().await;
    }
}

// Without the promise about a wrong password: the broker knows logins, but not how librdkafka shows them.
super::suite::without_passwords!(Kafka);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_the_call_or_what_the_config_says() {
    let server = Kafka::start(None).await;
    server.make("keys").await;
    let keys = Kafka::keys(server.address(), "keys");
    build("kafka", &keys).unwrap().deliver(&delivery(1)).await.unwrap();
    build("kafka", &format!("{keys}key = 'of-{{client_context}}'")).unwrap().deliver(&delivery(2)).await.unwrap();
    let messages = server.0.messages(|topic| topic == "keys").await;
    let found: Vec<_> = messages.iter().map(|it| it.key().map(String::from_utf8_lossy)).collect();
    let expected = delivery(1).event.partition_key().map(str::to_owned);
    assert!(expected.is_some());
    assert_eq!(found, [expected.map(Into::into), Some("of-support-2".into())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_binary_mode_the_attributes_are_headers_and_the_body_is_never_empty() {
    let server = Kafka::start(None).await;
    server.make("binary").await;
    let keys = format!("{}format = 'cloudevents-binary'", Kafka::keys(server.address(), "binary"));
    build("kafka", &keys).unwrap().deliver(&with_client_context(1, "a é%")).await.unwrap();
    let message = server.0.messages(|topic| topic == "binary").await.remove(0);
    assert_eq!(header(&message, "content-type").as_deref(), Some("application/json"));
    assert_eq!(header(&message, "ce_clientcontext").as_deref(), Some("a é%"));
    assert_eq!(header(&message, "ce_type").as_deref(), Some("recordOperation.completed"));
    let body = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
    assert!(body.starts_with('{') && !body.contains("specversion"), "{body}");
}

/// Encryption for `localhost`, for clients with a certificate of the authority.
fn acceptor(made: &Certificates) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = |file| CertificateDer::from_pem_file(made.path(file)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("authority.pem")).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(made.path("local.key")).unwrap();
    let config = config.with_client_cert_verifier(clients).with_single_cert(vec![certificate("local.pem")], key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_the_named_authority_is_trusted_and_reelhook_shows_its_certificate() {
    let made = Certificates::make();
    let server = Server::start("localhost", Some(acceptor(&made))).await;
    let attempt = async |host: &str, tls: &str| {
        let brokers = format!("{host}:{}", server.address().port());
        let sink = build("kafka", &format!("brokers = '{brokers}'\ntopic = 'tls'\ntls = {{ {tls} }}")).unwrap();
        sink.deliver(&delivery(1)).await
    };
    let ca = format!("ca = {:?}", made.path("authority.pem"));
    let [certificate, key] = ["client.pem", "client.key"].map(|file| made.path(file));
    let all = format!("{ca}, certificate = {certificate:?}, key = {{ file = {key:?} }}");
    for (host, tls, words) in [
        ("localhost", "", "certificate verify failed"),
        ("127.0.0.1", all.as_str(), "certificate verify failed"),
        ("localhost", ca.as_str(), "certificate required"),
    ] {
        let (reason, pauses, _) = retried(attempt(host, tls).await);
        assert!(pauses && reason.contains(words), "{host}, {tls}: {reason}");
    }
    assert_eq!(attempt("localhost", &all).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_would_be_too_long_is_refused() {
    let server = Kafka::start(None).await;
    let keys = Kafka::keys_by_client_context(server.address(), "long");
    let result = build("kafka", &keys).unwrap().deliver(&with_client_context(1, &"x".repeat(250))).await;
    assert!(matches!(&result, Err(DeliveryError::Reject { reason }) if reason.contains("249")), "{result:?}");
}

#[test]
fn keys_that_are_none_are_mistakes() {
    for (keys, start) in [
        ("brokers = 'kafka://h:9092'\ntopic = 'a'", "sinks.crm.brokers: found \"kafka://h:9092\", expected a host"),
        ("brokers = ['h:9092', 'h']\ntopic = 'a'", "sinks.crm.brokers[1]: found \"h\", expected a host"),
        ("brokers = 'h:0'\ntopic = 'a'", "sinks.crm.brokers: found "),
        ("brokers = []\ntopic = 'a'", "sinks.crm.brokers: found "),
        ("brokers = 'h:9092'\ntopic = 'a b'", "sinks.crm.topic: found \"a b\""),
        ("brokers = 'h:9092'\ntopic = '..'", "sinks.crm.topic: found \"..\""),
        ("brokers = 'h:9092'\ntopic = 'a'\nmechanism = 'plain'", "sinks.crm.mechanism: found it without auth"),
        ("brokers = 'h:9092'\ntopic = 'a'\ntls = { server_name = 'b' }", "sinks.crm.tls.server_name: found a name"),
    ] {
        let told = mistakes("kafka", keys);
        assert!(told.starts_with(start), "{keys}: {told}");
    }
}
