//! A broker of AMQP 1.0: RabbitMQ with its plugin. Azure Service Bus itself is a service of the network.

use async_trait::async_trait;
use tokio::process::Command;

use super::rabbitmq::{QUEUE, Rabbitmq};
use super::{FarSide, Place, Program, Tell};

pub(super) struct Servicebus {
    address: std::net::SocketAddr,
    broker: Rabbitmq,
}

impl Servicebus {
    pub(super) fn at(place: Place) -> Self {
        Self { address: place.address, broker: Rabbitmq::at(place, "[rabbitmq_amqp1_0].") }
    }
}

#[async_trait]
impl FarSide for Servicebus {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        self.broker.program()
    }

    fn companion(&self) -> Option<Command> {
        self.broker.companion()
    }

    fn keys(&self) -> String {
        // The plugin's address of a queue that is there.
        format!("url = \"amqp://{}\"\nqueue = \"/amq/queue/{QUEUE}\"\n", self.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        self.broker.prepare().await
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        self.broker.read(tell).await
    }
}
