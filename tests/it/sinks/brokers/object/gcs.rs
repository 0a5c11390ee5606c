//! Google Cloud Storage: a stub of its XML API.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use reelhook::sinks::DeliveryError;

use super::batched::Service;
use super::stub::Stub;
use super::{KIND, arrived};
use crate::sinks::answering::Answering;
use crate::sinks::brokers::gate::Gate;
use crate::sinks::brokers::process::free_address;
use crate::sinks::brokers::service_account::{account, scope_of, write};
use crate::sinks::brokers::{Arrived, Broker, secret, suite};
use crate::sinks::samples::{build, delivery, mistakes, retried, with_client_context};

/// The token that it takes.
const TOKEN: &str = "canary-token-of-google";

pub struct Gcs {
    stub: Stub,
    /// The stub keeps everything in memory, so the tests cut the way to it instead of ending it.
    gate: Gate,
}

fn keys_with(login: &str, address: SocketAddr, place: &str) -> String {
    format!("url = 'gs://{place}/kept'\nendpoint = 'http://{address}'\n{login}\n")
}

fn service_account(file: &Path) -> String {
    format!("auth = {{ service_account = {{ file = {file:?} }} }}")
}

#[async_trait]
impl Broker for Gcs {
    const KIND: &'static str = KIND;
    const TOO_LARGE: (usize, &'static str) = (0, "");
    const MAKES_PLACES: bool = false;

    async fn start(_login: Option<(&str, &str)>) -> Self {
        let stub = Stub::start(Some(TOKEN));
        let gate = Gate::to(stub.address(), free_address(), None).await;
        Self { stub, gate }
    }

    fn address(&self) -> SocketAddr {
        self.gate.address
    }

    async fn make(&self, place: &str) {
        self.stub.make(place);
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        let token = secret("google-token", TOKEN);
        keys_with(&format!("auth = {{ token = {{ file = {token:?} }} }}"), address, place)
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        Self::keys(address, place) + "path = 'of/{client_context}/{delivery_id}.json'\n"
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        self.texts(place).await.into_iter().map(arrived).collect()
    }

    async fn stop(&mut self) {
        self.gate.close().await;
    }

    async fn restart(&mut self) {
        self.gate.open().await;
    }
}

#[async_trait]
impl Service for Gcs {
    async fn texts(&self, place: &str) -> Vec<(String, String)> {
        self.stub.objects(place).into_iter().map(|(name, _, text)| (name, text)).collect()
    }
}

// A bucket has no order, and no limit that an event could reach.
suite::of_any_kind!(Gcs);

#[tokio::test]
async fn a_service_account_s_token_is_for_objects_and_is_asked_for_again_only_when_it_is_refused() {
    let stub = Stub::start(Some("one"));
    stub.make("events");
    let uri = format!("http://{}/token", stub.address());
    let (_folder, file, public) = account(&uri);
    let sink = build(KIND, &keys_with(&service_account(&file), stub.address(), "events")).unwrap();
    for n in 0..3 {
        sink.deliver(&delivery(n)).await.unwrap();
    }
    let [asked] = &stub.requests("/token")[..] else { panic!("one token for three objects") };
    assert_eq!(scope_of(asked, &public, &uri), "https://www.googleapis.com/auth/devstorage.read_write");
    stub.take("two");
    let (reason, pauses, _) = retried(sink.deliver(&delivery(3)).await);
    assert!(pauses && reason.starts_with("the service refused the login: AuthenticationRequired: "), "{reason}");
    sink.deliver(&delivery(3)).await.unwrap();
    assert_eq!((stub.requests("/token").len(), stub.objects("events").len()), (2, 4));
}

#[tokio::test]
async fn a_token_that_is_not_given_is_told_as_it_is() {
    let google = Answering::with("HTTP/1.1 400 No\r\ncontent-length: 25\r\n\r\n{\"error\":\"invalid_grant\"}\n");
    let (_folder, file, _public) = account(&format!("http://{}/token", google.address));
    let sink = build(KIND, &keys_with(&service_account(&file), google.address, "events")).unwrap();
    for result in [sink.deliver(&delivery(1)).await, sink.probe().await.map(drop)] {
        let (reason, pauses, _) = retried(result);
        assert!(pauses && reason.starts_with("no token: answered 400: invalid_grant"), "{reason}");
    }
    assert!(google.requests().iter().all(|it| it.head.starts_with("POST /token")), "no object without a token");
}

#[tokio::test]
async fn a_machine_s_own_token_is_used_and_without_a_login_none_is_sent() {
    let stub = Stub::start(Some("of-the-machine"));
    stub.make("events");
    let machine = format!("metadata_server = 'http://{}'", stub.address());
    build(KIND, &keys_with(&machine, stub.address(), "events")).unwrap().deliver(&delivery(1)).await.unwrap();
    let [asked] = &stub.requests("/computeMetadata/")[..] else { panic!("one token") };
    assert_eq!(asked.header("metadata-flavor"), Some("Google"));

    let open = Stub::start(None);
    open.make("events");
    let sink = build(KIND, &keys_with("", open.address(), "events")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(sink.probe().await, Ok(Vec::new()));
    let requests = open.requests("/events/");
    assert!(requests.iter().all(|it| it.header("authorization").is_none()), "{requests:?}");
    assert_eq!(requests[0].header("x-goog-if-generation-match"), Some("0"));
    let [(name, content_type, _)] = &open.objects("events")[..] else { panic!("one object") };
    assert_eq!(*name, format!("kept/2026-11-24/{}.json", delivery(1).id));
    assert_eq!(content_type, "application/cloudevents+json; charset=utf-8");
}

#[tokio::test]
async fn an_object_is_never_overwritten_and_the_other_delivery_is_refused() {
    let server = Gcs::start(None).await;
    server.make("events").await;
    let keys = Gcs::keys(server.address(), "events") + "path = '{client_context}.json'";
    let sink = build(KIND, &keys).unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    let result = sink.deliver(&with_client_context(2, "same")).await;
    assert!(
        matches!(&result, Err(DeliveryError::Reject { reason }) if reason.contains("found another object") && reason.ends_with("kept/same.json")),
        "{result:?}"
    );
    let [(name, _, text)] = &server.stub.objects("events")[..] else { panic!("one object") };
    assert!(name == "kept/same.json" && text.contains(&with_client_context(1, "same").event.id.to_string()));
}

#[tokio::test]
async fn a_probe_tells_a_service_that_ignores_conditions_and_a_login_that_may_not_read() {
    let empty = "content-length: 0\r\nconnection: close\r\n\r\n";
    let service = Answering::with(&format!("HTTP/1.1 200 OK\r\netag: \"1\"\r\n{empty}"));
    let sink = build(KIND, &keys_with("", service.address, "events")).unwrap();
    let remarks = sink.probe().await;
    // The answer to what it reads afterwards is no object's.
    let (reason, ..) = retried(remarks);
    assert!(!reason.is_empty());
    assert!(service.requests().iter().any(|it| it.head.starts_with("DELETE /events/kept%2F%2Ereelhook%2Dprobe ")));
    service.answer_each(move |request| {
        let status = if request.head.starts_with("PUT") { "412 No" } else { "403 No" };
        format!("HTTP/1.1 {status}\r\n{empty}")
    });
    let remarks = sink.probe().await.unwrap();
    assert!(remarks.len() == 1 && remarks[0].contains("may not read objects"), "{remarks:?}");
}

#[test]
fn a_key_that_is_none_is_a_mistake_that_does_not_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    write(&file, "{\"client_email\":\"a\",\"private_key\":\"canary\",\"token_uri\":\"https://a\"}");
    let found = mistakes(KIND, &format!("url = 'gs://events'\n{}", service_account(&file)));
    assert!(
        found.starts_with("sinks.crm.auth.service_account: found no RSA key") && !found.contains("canary"),
        "{found}"
    );
    let both = format!("url = 'gs://events'\nmetadata_server = 'http://a'\nauth = {{ token = {{ file = {file:?} }} }}");
    assert!(mistakes(KIND, &both).starts_with("sinks.crm.metadata_server: found it beside auth"));
}
