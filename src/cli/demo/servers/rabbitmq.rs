//! RabbitMQ; and with its plugin, a broker of AMQP 1.0.

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::process::Command;

use super::{FarSide, Place, Program, Tell};

/// The queue.
const QUEUE: &str = "recordings";
/// The program itself: Debian's wrapper would change the user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

pub(super) struct Rabbitmq {
    place: Place,
    /// The plugins that run, as a list of Erlang's.
    plugins: &'static str,
    /// Where the servers of a machine look each other up.
    names_port: u16,
}

impl Rabbitmq {
    /// By its own protocol.
    pub(super) fn at(place: Place) -> Self {
        Self::with(place, "[].")
    }

    fn with(place: Place, plugins: &'static str) -> Self {
        let names_port = super::free_address().map_or(place.address.port() ^ 1, |free| free.port());
        Self { place, plugins, names_port }
    }

    async fn channel(&self) -> anyhow::Result<(Connection, Channel)> {
        let address = format!("amqp://guest:guest@{}/%2f", self.place.address);
        let connection = Connection::connect(&address, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }
}

#[async_trait]
impl FarSide for Rabbitmq {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        let (folder, port) = (&self.place.folder, self.place.address.port());
        let config = folder.join("rabbitmq.conf");
        std::fs::write(&config, format!("listeners.tcp.default = {}\n", self.place.address))?;
        std::fs::write(folder.join("plugins"), self.plugins)?;
        let mut command = Command::new(PROGRAM);
        command.env("HOME", folder).env("RABBITMQ_CONFIG_FILE", config);
        command.env("RABBITMQ_MNESIA_BASE", folder.join("mnesia")).env("RABBITMQ_LOG_BASE", folder.join("log"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins")).env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_NODENAME", format!("reelhook-{port}@localhost"));
        command.env("RABBITMQ_NODE_PORT", port.to_string()).env("ERL_EPMD_PORT", self.names_port.to_string());
        command.env("RABBITMQ_DIST_PORT", super::free_address()?.port().to_string());
        // So it is one process, which a signal reaches.
        command.env("RABBITMQ_ALLOW_INPUT", "1").env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-noinput");
        Ok(Some(Program { command, installed_by: "Debian: apt-get install rabbitmq-server" }))
    }

    fn companion(&self) -> Option<Command> {
        let mut names = Command::new("epmd");
        names.args(["-address", "127.0.0.1", "-port", &self.names_port.to_string()]);
        Some(names)
    }

    fn keys(&self) -> String {
        format!("url = \"amqp://{}\"\nrouting_key = \"{QUEUE}\"\n", self.place.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let (_connection, channel) = self.channel().await?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let (_connection, channel) = self.channel().await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumed = channel.basic_consume(QUEUE.into(), "demo".into(), options, FieldTable::default());
        let mut messages = consumed.await?;
        while let Some(message) = messages.next().await {
            tell(QUEUE, &message?.data);
        }
        Ok(())
    }
}

/// RabbitMQ as a broker of AMQP 1.0: Azure Service Bus itself is a service of the network.
#[cfg(feature = "servicebus")]
pub(super) struct Servicebus(Rabbitmq);

#[cfg(feature = "servicebus")]
impl Servicebus {
    pub(super) fn at(place: Place) -> Self {
        Self(Rabbitmq::with(place, "[rabbitmq_amqp1_0]."))
    }
}

#[cfg(feature = "servicebus")]
#[async_trait]
impl FarSide for Servicebus {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        self.0.program()
    }

    fn companion(&self) -> Option<Command> {
        self.0.companion()
    }

    fn keys(&self) -> String {
        // The plugin's address of a queue that is there.
        format!("url = \"amqp://{}\"\nqueue = \"/amq/queue/{QUEUE}\"\n", self.0.place.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        self.0.prepare().await
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        self.0.read(tell).await
    }
}
