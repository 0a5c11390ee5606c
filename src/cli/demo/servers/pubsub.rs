//! Google Cloud Pub/Sub: Google's emulator.

use std::path::PathBuf;

use anyhow::Context;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{FarSide, PAUSE, Place, Program, Tell, web};
use crate::simulator::client::Post;

const PROJECT: &str = "demo-project";
/// The topic, and its subscription.
const TOPIC: &str = "recordings";
/// Where Google's package puts the emulator.
const FOLDER: &str = "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib";
/// So many messages at a time: an answer with them is not too long for the client.
const AT_A_TIME: u32 = 20;

pub(super) struct Pubsub(pub(super) Place);

impl Pubsub {
    async fn ask(&self, method: Method, what: &str, question: Value) -> anyhow::Result<Value> {
        let post = Post::new(format!("/v1/projects/{PROJECT}/{what}"), question.to_string());
        let post = Post { method, ..post.header("content-type", "application/json") };
        web::ask(self.0.address, post).await
    }
}

#[async_trait]
impl FarSide for Pubsub {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        let mut command = Command::new("java");
        command.arg("-jar").arg(emulator()?).arg("--host=127.0.0.1");
        command.arg(format!("--port={}", self.0.address.port()));
        Ok(Some(Program { command, installed_by: "Debian: apt-get install default-jre-headless" }))
    }

    fn keys(&self) -> String {
        format!("project = \"{PROJECT}\"\ntopic = \"{TOPIC}\"\nendpoint = \"http://{}\"\n", self.0.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        self.ask(Method::PUT, &format!("topics/{TOPIC}"), json!({})).await?;
        let subscription = json!({ "topic": format!("projects/{PROJECT}/topics/{TOPIC}") });
        self.ask(Method::PUT, &format!("subscriptions/{TOPIC}"), subscription).await?;
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        loop {
            let question = json!({ "maxMessages": AT_A_TIME, "returnImmediately": true });
            let answer = self.ask(Method::POST, &format!("subscriptions/{TOPIC}:pull"), question).await?;
            let received = answer["receivedMessages"].as_array().map(Vec::as_slice).unwrap_or_default();
            for message in received {
                let data = message["message"]["data"].as_str().unwrap_or_default();
                tell(TOPIC, &STANDARD.decode(data)?);
            }
            if received.is_empty() {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let ids: Vec<&Value> = received.iter().map(|message| &message["ackId"]).collect();
            let read = format!("subscriptions/{TOPIC}:acknowledge");
            self.ask(Method::POST, &read, json!({ "ackIds": ids })).await?;
        }
    }
}

/// The emulator's file.
fn emulator() -> anyhow::Result<PathBuf> {
    let files = std::fs::read_dir(FOLDER).into_iter().flatten().filter_map(Result::ok).map(|file| file.path());
    let file = files.into_iter().find(|file| file.extension().is_some_and(|it| it == "jar"));
    file.with_context(|| {
        format!(
            "no emulator is in {FOLDER}; from Google's repository: apt-get install google-cloud-cli-pubsub-emulator"
        )
    })
}
