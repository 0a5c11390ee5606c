//! The `kafka` sink: sends events to a topic of Kafka (<https://kafka.apache.org/documentation/#design>) with librdkafka,
//! and waits for the confirmation of each.
//!
//! **Invariants**
//! 1. An event is delivered when all replicas that are in sync have it (`acks=all`). A repeat within one producer is
//!    written once (`enable.idempotence`).
//! 2. The header `delivery-id` is the id of the delivery: a topic keeps repeats, and a reader knows them by it.
//! 3. What an attempt that was given up has not sent yet is never sent: it would come after what follows it.
//! 4. A producer that has no broker left, whose login was refused, or that failed for good is replaced, with the login and
//!    the certificates as they are then.

#![cfg(feature = "kafka")]

mod client;
mod connection;
mod failure;
mod login;
mod message;
mod probe;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytesize::ByteSize;

use self::connection::Connection;
use self::login::Mechanism;
use super::auth::{Auth, PASSWORD};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one};
use crate::config::Section;
use crate::config::value::size;
use crate::domain::Delivery;

/// As many events as are sent before the first confirmation is waited for.
const BATCH_SIZE: usize = 256;
/// The largest message of a broker that nobody configured has some bytes more.
const MAX_BYTES: usize = 1_000_000;

/// `kind = "kafka"`
#[derive(Clone)]
struct Settings {
    /// Brokers to ask for the others.
    brokers: Vec<String>,
    topic: Template,
    /// `None`: the partition key of the event.
    key: Option<Template>,
    max_bytes: usize,
    mechanism: Mechanism,
    shape: Shape,
    auth: Option<Auth>,
    tls: Option<Tls>,
    /// How long an attempt may take.
    timeout: Duration,
}

/// Sends events to a topic of Kafka.
pub struct KafkaSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl FromConfig for KafkaSink {
    const KIND: &'static str = "kafka";
    const SUMMARY: &'static str = "a message in a topic of Kafka, or of Azure Event Hubs";
    const CONFIRMED: &'static str = "held by all replicas in sync (`acks=all`)";
    const PAGE: &'static str = include_str!("../../../docs/sinks/kafka.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let brokers = section.need_one_or_more("brokers", "brokers, as \"kafka.example.com:9092\"", client::broker());
        let topic = section.need("topic", "a topic, as \"recordings\"", message::topic());
        let key = section.read("key", Template::reading());
        let sizes = ByteSize::b(1000)..=ByteSize::b(1_000_000_000);
        let max_bytes = section.or("max_bytes", MAX_BYTES, size(sizes));
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD]);
        let mechanism = Mechanism::read(section);
        let tls = Tls::read(section);
        if tls.as_ref().is_some_and(Tls::has_server_name) {
            section
                .mistake("tls.server_name", "found a name, expected nothing: each broker must have that of its host");
        }
        let (brokers, topic, timeout) = (brokers?, topic?, context.timeout);
        let settings = Settings { brokers, topic, key, max_bytes, mechanism, shape, auth, tls, timeout };
        Some(Self { settings, connection: Shared::default() })
    }
}

#[async_trait]
impl Sink for KafkaSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let connect = async || Connection::open(client::config(&self.settings)?).await;
        let publish = async |connection: Arc<Connection>| connection.publish(&self.settings, deliveries).await;
        self.connection.attempt(deliveries.len(), connect, publish).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let mut client = client::config(&self.settings)?;
        // A question must not make the topic.
        client.set("allow.auto.create.topics", "false");
        let connection = Connection::open(client).await?;
        probe::topic(&connection, &self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered is confirmed: nothing is left to send.
        drop(self.connection.close().await);
        Ok(())
    }
}
