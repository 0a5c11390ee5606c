//! The emulator, or the stub. They keep everything in memory, so the tests cut the way to them instead of ending them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::KIND;
use super::stub::Stub;
use crate::sinks::brokers::gate::Gate;
use crate::sinks::brokers::process::{Process, free_address};
use crate::sinks::brokers::{Arrived, Broker, suite};
use crate::sinks::samples::{build, delivery, with_client_context};

const PROJECT: &str = "reelhook";
/// Where Google's package puts it.
const FOLDER: &str = "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib";

pub struct Pubsub {
    gate: Gate,
    address: SocketAddr,
    /// What was read, as a reader does: a message that was acknowledged does not come again.
    read: Mutex<Vec<(String, Value)>>,
    _server: Server,
}

#[allow(dead_code, reason = "it lives as long as the test")]
enum Server {
    Emulator(Process),
    Stub(Stub),
}

fn program() -> Option<PathBuf> {
    let files = fs::read_dir(FOLDER).ok()?.map(|file| file.unwrap().path());
    files.into_iter().find(|file| file.extension().is_some_and(|it| it == "jar"))
}

impl Pubsub {
    async fn ask(&self, method: Method, path: &str, question: Value) -> Value {
        let tls = reelhook::tls::client_config().unwrap();
        let client = Client::builder().tls_backend_preconfigured(tls).build().unwrap();
        // A percent sign is a part of a name.
        let path = path.replace('%', "%25");
        let request = client.request(method, format!("http://{}/v1/projects/{PROJECT}/{path}", self.address));
        let request = request.header("content-type", "application/json").body(question.to_string());
        let text = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn make_topic(&self, topic: &str) {
        self.ask(Method::PUT, &format!("topics/{topic}"), json!({})).await;
    }

    /// Makes a topic, and a subscription that keeps the order.
    async fn make_both(&self, topic: &str) {
        self.make_topic(topic).await;
        let of = format!("projects/{PROJECT}/topics/{topic}");
        let subscription = json!({ "topic": of, "enableMessageOrdering": true });
        self.ask(Method::PUT, &format!("subscriptions/of-{topic}"), subscription).await;
    }

    /// The messages of a topic, as the service gives them.
    async fn messages(&self, topic: &str) -> Vec<Value> {
        let subscription = format!("subscriptions/of-{topic}");
        loop {
            let question = json!({ "maxMessages": 1000, "returnImmediately": true });
            let answer = self.ask(Method::POST, &format!("{subscription}:pull"), question).await;
            let Some(received) = answer["receivedMessages"].as_array().filter(|it| !it.is_empty()) else { break };
            let ids: Vec<&Value> = received.iter().map(|it| &it["ackId"]).collect();
            self.ask(Method::POST, &format!("{subscription}:acknowledge"), json!({ "ackIds": ids })).await;
            self.read.lock().unwrap().extend(received.iter().map(|it| (topic.to_owned(), it["message"].clone())));
        }
        let read = self.read.lock().unwrap();
        read.iter().filter(|(name, _)| name == topic).map(|(_, message)| message.clone()).collect()
    }
}

fn body_of(message: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(message["data"].as_str().unwrap()).unwrap()).unwrap()
}

fn keys(address: SocketAddr, topic: &str) -> String {
    format!("project = '{PROJECT}'\ntopic = '{topic}'\nendpoint = 'http://{address}'\n")
}

#[async_trait]
impl Broker for Pubsub {
    const KIND: &'static str = KIND;
    const TOO_LARGE: (usize, &'static str) = (10_000_000, "10000000");
    const MAKES_PLACES: bool = false;

    async fn start(_login: Option<(&str, &str)>) -> Self {
        let (address, server) = match program() {
            Some(program) => {
                let address = free_address();
                let mut command = Command::new("java");
                command.arg("-jar").arg(program).arg("--host=127.0.0.1").arg(format!("--port={}", address.port()));
                (address, Server::Emulator(Process::start(&mut command, address).await))
            }
            None => {
                let stub = Stub::start().await;
                (stub.address, Server::Stub(stub))
            }
        };
        let gate = Gate::to(address, free_address(), None).await;
        Self { gate, address, read: Mutex::default(), _server: server }
    }

    fn address(&self) -> SocketAddr {
        self.gate.address
    }

    async fn make(&self, place: &str) {
        self.make_both(place).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        keys(address, place) + "ordering_key = '{operation_id}'\n"
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        keys(address, place) + "ordering_key = 'of-{client_context}'\n"
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let arrived = |it: Value| Arrived {
            id: it["attributes"]["delivery-id"].as_str().unwrap().to_owned(),
            event: body_of(&it),
        };
        self.messages(place).await.into_iter().map(arrived).collect()
    }

    async fn stop(&mut self) {
        self.gate.close().await;
    }

    async fn restart(&mut self) {
        self.gate.open().await;
    }
}

// `login` has what there is to say about logins.
suite::without_passwords!(Pubsub);

#[tokio::test]
async fn in_binary_mode_the_attributes_are_those_of_google_s_binding_and_the_key_is_the_call() {
    let server = Pubsub::start(None).await;
    server.make("events").await;
    let keys = keys(server.address(), "events");
    build(KIND, &(keys.clone() + "format = 'cloudevents-binary'")).unwrap().deliver(&delivery(1)).await.unwrap();
    build(KIND, &(keys + "ordering = false")).unwrap().deliver(&with_client_context(2, "é")).await.unwrap();
    let messages = server.messages("events").await;
    let (binary, plain) = match &messages[..] {
        [one, other] if one["attributes"]["ce-id"].is_string() => (one, other),
        [one, other] => (other, one),
        other => panic!("{other:?}"),
    };
    assert_eq!(binary["attributes"]["content-type"], "application/json");
    assert_eq!(binary["attributes"]["ce-specversion"], "1.0");
    assert_eq!(binary["attributes"]["ce-clientcontext"], "support-1");
    assert_eq!(binary["orderingKey"], "call-1");
    assert!(body_of(binary).get("specversion").is_none() && body_of(binary)["id"] == "op-1");
    assert_eq!(plain["attributes"]["content-type"], "application/cloudevents+json; charset=utf-8");
    assert!(plain.get("orderingKey").is_none(), "{plain}");
}

#[tokio::test]
async fn a_batch_for_several_topics_arrives_where_each_belongs() {
    let server = Pubsub::start(None).await;
    // A value that no topic can have is percent-encoded.
    let topics = ["of-a", "of-b%2Fc"];
    for topic in topics {
        server.make_both(topic).await;
    }
    let sink = build(KIND, &keys(server.address(), "of-{client_context}")).unwrap();
    let deliveries: Vec<_> = (0..20).map(|n| with_client_context(n, ["a", "b/c"][usize::from(n % 3 == 0)])).collect();
    let mut batch: Vec<_> = deliveries.iter().collect();
    let missing = with_client_context(100, "missing");
    batch.push(&missing);
    let results = sink.deliver_batch(&batch).await;
    assert!(results[..20].iter().all(Result::is_ok) && results[20].is_err(), "{results:?}");
    assert_eq!((server.arrived(topics[0]).await.len(), server.arrived(topics[1]).await.len()), (13, 7));
    assert!(sink.probe().await.unwrap()[0].contains("depends on the event"));
}

#[tokio::test]
async fn a_probe_tells_a_topic_that_keeps_nothing() {
    let server = Pubsub::start(None).await;
    server.make_topic("nobody").await;
    let remarks = build(KIND, &keys(server.address(), "nobody")).unwrap().probe().await.unwrap();
    assert!(remarks.len() == 1 && remarks[0].contains("has no subscription"), "{remarks:?}");
}
