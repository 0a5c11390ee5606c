//! The `rabbitmq` sink: publishes events to an exchange of RabbitMQ (<https://www.rabbitmq.com/docs/confirms>), and waits
//! for the server's confirmation of each.
//!
//! **Invariants**
//! 1. An event is delivered when the server confirmed it and did not return it: then a queue has it.
//! 2. `message_id` is the id of the delivery: queues keep repeats, and a reader knows them by it.
//! 3. Whether a message came back is judged by its id, after all of its batch were confirmed.
//! 4. A connection that was lost is given up, and with it every confirmation that it still owes.

#![cfg(feature = "rabbitmq")]

mod batch;
mod connection;
mod failure;
mod message;
mod probe;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use url::Url;

use self::connection::Connection;
use super::address::address;
use super::auth::{Auth, PASSWORD};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one};
use crate::config::Section;
use crate::config::value::name;
use crate::domain::Delivery;

/// As many events as are sent before the first confirmation is waited for.
const BATCH_SIZE: usize = 256;
/// The longest name of an exchange, by AMQP, in bytes.
const MAX_EXCHANGE_CHARS: usize = 127;

/// `kind = "rabbitmq"`
struct Settings {
    url: Url,
    /// `None`: the default exchange.
    exchange: Option<String>,
    routing_key: Template,
    shape: Shape,
    auth: Option<Auth>,
    tls: Option<Tls>,
    /// The longest message. The server tells it only when it refuses one.
    max_bytes: AtomicUsize,
}

/// Publishes events to an exchange of RabbitMQ.
pub struct RabbitmqSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl FromConfig for RabbitmqSink {
    const KIND: &'static str = "rabbitmq";
    const SUMMARY: &'static str = "a message in the queues of an exchange of RabbitMQ";
    const CONFIRMED: &'static str = "in every queue that takes it; on the disk if the queue is durable";
    const PAGE: &'static str = include_str!("../../../docs/sinks/rabbitmq.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let url = address(&["amqp", "amqps"], "amqp://rabbitmq.example.com:5672");
        let url = section.need("url", "the address of a server", url);
        let exchange = section.read("exchange", name(MAX_EXCHANGE_CHARS));
        let routing_key = section.need("routing_key", "a routing key, as \"recordings.{status}\"", Template::reading());
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD]);
        let tls = Tls::read(section);
        let url = url?;
        let tls = tls.or_else(|| (url.scheme() == "amqps").then(Tls::default));
        let max_bytes = AtomicUsize::new(usize::MAX);
        let settings = Settings { url, exchange, routing_key: routing_key?, shape, auth, tls, max_bytes };
        Some(Self { settings, connection: Shared::default() })
    }
}

impl Settings {
    /// Notes the longest message that the server takes.
    fn note_limit(&self, n_bytes: usize) {
        self.max_bytes.store(n_bytes, Ordering::Relaxed);
    }
}

#[async_trait]
impl Sink for RabbitmqSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let connect = async || Connection::open(&self.settings).await;
        let publish = async |connection: Arc<Connection>| batch::publish(&connection, &self.settings, deliveries).await;
        self.connection.attempt(deliveries.len(), connect, publish).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let connection = Connection::open(&self.settings).await?;
        probe::exchange(&connection, &self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered is confirmed: nothing is left to send.
        drop(self.connection.close().await);
        Ok(())
    }
}
