//! NATS with JetStream.

use async_nats::jetstream::{self, consumer, stream};
use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::process::Command;

use super::{FarSide, Place, Program, Tell};

/// The stream, and the first word of its subjects.
const STREAM: &str = "recordings";

pub(super) struct Nats(pub(super) Place);

impl Nats {
    async fn jetstream(&self) -> anyhow::Result<jetstream::Context> {
        Ok(jetstream::new(async_nats::connect(self.0.address.to_string()).await?))
    }
}

#[async_trait]
impl FarSide for Nats {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        let mut command = Command::new("nats-server");
        command.args([
            "--addr",
            "127.0.0.1",
            "--port",
            &self.0.address.port().to_string(),
            "--jetstream",
            "--store_dir",
        ]);
        command.arg(&self.0.folder);
        Ok(Some(Program { command, installed_by: "Debian: apt-get install nats-server" }))
    }

    fn keys(&self) -> String {
        format!("url = \"nats://{}\"\nsubject = \"{STREAM}.{{call_id}}\"\n", self.0.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let subjects = vec![format!("{STREAM}.>")];
        let config = stream::Config { name: STREAM.to_owned(), subjects, ..stream::Config::default() };
        self.jetstream().await?.create_stream(config).await?;
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let stream = self.jetstream().await?.get_stream(STREAM).await?;
        let consumer = stream.create_consumer(consumer::pull::OrderedConfig::default()).await?;
        let mut messages = consumer.messages().await?;
        while let Some(message) = messages.next().await {
            let message = message?;
            tell(message.subject.as_str(), &message.payload);
        }
        Ok(())
    }
}
