//! MQTT: mosquitto.

use async_trait::async_trait;
use rumqttc::{AsyncClient, Broker, BrokerSessionResumePolicy, Event, EventLoop, Incoming, MqttOptions, QoS};
use tokio::process::Command;

use super::{FarSide, Place, Program, Tell};

/// What every topic begins with.
const TOPIC: &str = "recordings";

pub(super) struct Mqtt(pub(super) Place);

impl Mqtt {
    /// The demo's own client. Its session lasts: so the broker keeps events for it while it is not connected.
    fn client(&self) -> anyhow::Result<(AsyncClient, EventLoop)> {
        let (host, port) = (self.0.address.ip().to_string(), self.0.address.port());
        let mut options = MqttOptions::new("demo", Broker::tcp(host, port));
        options.set_clean_start(false).set_session_expiry_interval(Some(u32::MAX));
        options.set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly);
        options.set_unlimited_incoming_packet_size();
        Ok(AsyncClient::builder(options).try_build()?)
    }
}

#[async_trait]
impl FarSide for Mqtt {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        let config = self.0.folder.join("mosquitto.conf");
        let listener = format!("listener {} 127.0.0.1\nallow_anonymous true\n", self.0.address.port());
        std::fs::write(&config, listener + "max_queued_messages 0\n")?;
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(config);
        Ok(Some(Program { command, installed_by: "Debian: apt-get install mosquitto" }))
    }

    fn keys(&self) -> String {
        format!("url = \"mqtt://{}\"\ntopic = \"{TOPIC}/{{call_id}}\"\n", self.0.address)
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let (client, mut events) = self.client()?;
        client.subscribe(format!("{TOPIC}/#"), QoS::AtLeastOnce).await?;
        while !matches!(events.poll().await?, Event::Incoming(Incoming::SubAck(_))) {}
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let (_client, mut events) = self.client()?;
        loop {
            if let Event::Incoming(Incoming::Publish(message)) = events.poll().await? {
                tell(&String::from_utf8_lossy(&message.topic), &message.payload);
            }
        }
    }
}
