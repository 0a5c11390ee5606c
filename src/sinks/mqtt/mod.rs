//! The `mqtt` sink: publishes events to a broker of MQTT 5
//! (<https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html>) at quality of service 1, and waits for the acknowledgement of
//! each.
//!
//! **Invariants**
//! 1. An event is delivered when the broker acknowledged it and did not say that nobody subscribes to its topic: it would
//!    drop such an event.
//! 2. The user property `delivery-id` is the id of the delivery: subscribers know a repeat by it.
//! 3. A connection that was lost is given up, and with it every acknowledgement that it still owes.
//! 4. A message is sent only if the broker takes one of its size: a larger one would cost the connection, and its neighbours.

#![cfg(feature = "mqtt")]

mod connection;
mod failure;
mod message;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::connection::Connection;
use super::address::address;
use super::auth::{Auth, PASSWORD};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one};
use crate::config::Section;
use crate::domain::Delivery;

/// As many events as are sent before the first acknowledgement is waited for.
const BATCH_SIZE: usize = 256;

/// `kind = "mqtt"`
struct Settings {
    url: Url,
    topic: Template,
    shape: Shape,
    auth: Option<Auth>,
    tls: Option<Tls>,
}

/// Publishes events to a broker of MQTT.
pub struct MqttSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl FromConfig for MqttSink {
    const KIND: &'static str = "mqtt";
    const SUMMARY: &'static str = "a message for the subscribers of a topic of MQTT 5";
    const CONFIRMED: &'static str = "taken by the broker for those who subscribe (quality of service 1)";
    const PAGE: &'static str = include_str!("../../../docs/sinks/mqtt.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let url = address(&["mqtt", "mqtts"], "mqtt://mqtt.example.com:1883");
        let url = section.need("url", "the address of a broker", url);
        let topic = section.need("topic", "a topic, as \"recordings/{status}\"", message::topic());
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD]);
        let tls = Tls::read(section);
        let url = url?;
        let tls = tls.or_else(|| (url.scheme() == "mqtts").then(Tls::default));
        let settings = Settings { url, topic: topic?, shape, auth, tls };
        Some(Self { settings, connection: Shared::default() })
    }
}

#[async_trait]
impl Sink for MqttSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let connect = async || Connection::open(&self.settings).await;
        let publish = async |connection: Arc<Connection>| connection.publish(&self.settings, deliveries).await;
        self.connection.attempt(deliveries.len(), connect, publish).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        Connection::open(&self.settings).await?;
        Ok(vec![
            "MQTT does not tell who subscribes to a topic, nor whether the broker keeps events on a disk: see the broker's \
             settings. If nobody subscribes, an event fails when it is published, if the broker tells so."
                .to_owned(),
        ])
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered is acknowledged: nothing is left to send.
        if let Some(connection) = self.connection.close().await {
            connection.farewell().await;
        }
        Ok(())
    }
}
