//! moto. It keeps everything in memory, so the tests cut the way to it instead of ending it.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;

use reqwest::Client;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::sinks::brokers::gate::Gate;
use crate::sinks::brokers::process::{Process, free_address};
use crate::sinks::brokers::{Arrived, secret};

/// The account that moto acts for.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-north-1";

pub struct Server {
    pub gate: Gate,
    address: SocketAddr,
    /// What was read from its queues, as a reader does: a message that was read is not in a queue any more.
    read: Mutex<Vec<(String, Value)>>,
    _process: Process,
}

/// The address of a queue.
pub fn queue_url(address: impl std::fmt::Display, queue: &str) -> String {
    format!("http://{address}/{ACCOUNT}/{queue}")
}

/// The keys of a sink that sends to a queue. moto takes any login here.
pub fn keys(address: impl std::fmt::Display, queue: &str) -> String {
    let key = secret("moto-key", "canary-secret-of-the-key");
    format!(
        "queue_url = '{}'\nregion = '{REGION}'\n\
         auth = {{ access_key_id = 'reelhook', secret_access_key = {{ file = {key:?} }} }}\n",
        queue_url(address, queue)
    )
}

impl Server {
    /// Starts it. From the request with this number on it wants signatures.
    pub async fn start(n_unsigned: Option<usize>, tls: Option<TlsAcceptor>) -> Self {
        let (address, way) = (free_address(), free_address());
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        if let Some(n) = n_unsigned {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", n.to_string());
        }
        let process = Process::start(&mut command, address).await;
        Self { gate: Gate::to(address, way, tls).await, address, read: Mutex::default(), _process: process }
    }

    pub fn address(&self) -> SocketAddr {
        self.gate.address
    }

    /// Asks SQS.
    pub async fn ask(&self, action: &str, question: Value) -> Value {
        let request = self.request("sqs").header("x-amz-target", format!("AmazonSQS.{action}"));
        let request = request.header("content-type", "application/x-amz-json-1.0").body(question.to_string());
        let text = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Asks IAM, which answers in XML.
    pub async fn ask_iam(&self, question: &[(&str, &str)]) -> String {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(question).finish();
        let request = self.request("iam").header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// From the request with this number on it wants signatures again.
    pub async fn want_signatures_after(&self, n_unsigned: usize) {
        let reset = client().post(format!("http://{}/moto-api/reset-auth", self.address));
        reset.body(n_unsigned.to_string()).send().await.unwrap().error_for_status().unwrap();
    }

    fn request(&self, service: &str) -> reqwest::RequestBuilder {
        let scope = format!("Credential=test/20261129/{REGION}/{service}/aws4_request");
        let login = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none");
        client().post(format!("http://{}/", self.address)).header("authorization", login)
    }

    /// Makes a queue.
    pub async fn make(&self, queue: &str, mut attributes: Value) {
        if queue.ends_with(".fifo") {
            attributes["FifoQueue"] = json!("true");
        }
        self.ask("CreateQueue", json!({ "QueueName": queue, "Attributes": attributes })).await;
    }

    /// The messages that were in a queue, as SQS gives them.
    pub async fn messages(&self, queue: &str) -> Vec<Value> {
        let url = queue_url(self.address, queue);
        loop {
            let question = json!({
                "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0,
                "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
            });
            let answer = self.ask("ReceiveMessage", question).await;
            let Some(messages) = answer["Messages"].as_array().filter(|it| !it.is_empty()) else { break };
            let entry = |(n, it): (usize, &Value)| json!({ "Id": n.to_string(), "ReceiptHandle": it["ReceiptHandle"] });
            let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
            self.ask("DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
            self.read.lock().unwrap().extend(messages.iter().map(|it| (queue.to_owned(), it.clone())));
        }
        let read = self.read.lock().unwrap();
        read.iter().filter(|(name, _)| name == queue).map(|(_, message)| message.clone()).collect()
    }

    pub async fn arrived(&self, queue: &str) -> Vec<Arrived> {
        let arrived = |it: Value| Arrived {
            id: it["MessageAttributes"]["delivery-id"]["StringValue"].as_str().unwrap().to_owned(),
            event: serde_json::from_str(it["Body"].as_str().unwrap()).unwrap(),
        };
        self.messages(queue).await.into_iter().map(arrived).collect()
    }
}

fn client() -> Client {
    let tls = reelhook::tls::client_config().unwrap();
    Client::builder().tls_backend_preconfigured(tls).build().unwrap()
}
