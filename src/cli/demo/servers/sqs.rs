//! Amazon SQS: moto, a server that acts as it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{FarSide, PAUSE, Place, Program, Tell, web};
use crate::simulator::client::Post;

/// The queue.
const QUEUE: &str = "recordings";
/// The account that moto acts for.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-north-1";

pub(super) struct Sqs(pub(super) Place);

impl Sqs {
    /// The server takes any, and a sink has a key only with its secret.
    fn secret(&self) -> PathBuf {
        self.0.folder.join("secret")
    }

    fn queue_url(&self) -> String {
        format!("http://{}/{ACCOUNT}/{QUEUE}", self.0.address)
    }

    async fn ask(&self, action: &str, question: Value) -> anyhow::Result<Value> {
        let scope = format!("Credential=demo/20261129/{REGION}/sqs/aws4_request");
        let post = Post::new("/", question.to_string())
            .header("x-amz-target", &format!("AmazonSQS.{action}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", &format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"));
        web::ask(self.0.address, post).await
    }
}

#[async_trait]
impl FarSide for Sqs {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.secret())?.write_all(b"any")?;
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &self.0.address.port().to_string()]);
        Ok(Some(Program { command, installed_by: "pip install 'moto[server]'" }))
    }

    fn keys(&self) -> String {
        let (url, secret) = (self.queue_url(), self.secret());
        let auth = format!("{{ access_key_id = \"demo\", secret_access_key = {{ file = {secret:?} }} }}");
        format!("queue_url = \"{url}\"\nregion = \"{REGION}\"\nauth = {auth}\n")
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        self.ask("CreateQueue", json!({ "QueueName": QUEUE })).await?;
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let queue = self.queue_url();
        loop {
            let question = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0 });
            let answer = self.ask("ReceiveMessage", question).await?;
            let messages = answer["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            for message in messages {
                tell(QUEUE, message["Body"].as_str().unwrap_or_default().as_bytes());
                let read = json!({ "QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"] });
                self.ask("DeleteMessage", read).await?;
            }
            if messages.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
