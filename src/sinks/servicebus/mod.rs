//! The `servicebus` sink: sends events to a queue or a topic of Azure Service Bus, or of another broker that speaks AMQP 1.0
//! (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide>), and waits for the outcome of
//! each.
//!
//! **Invariants**
//! 1. An event is delivered when the broker settled its message as accepted. No other outcome counts.
//! 2. `message-id` is the id of the delivery: a queue that detects duplicates drops a repeat.
//! 3. `group-id` is the partition key of the event: a queue with sessions keeps the events of a call in order.
//! 4. A connection that was lost, or whose login is old, is used by no new attempt.

#![cfg(feature = "servicebus")]

mod connection;
mod entra;
mod failure;
mod link;
mod login;
mod message;
mod outcome;

use std::sync::Arc;

use async_trait::async_trait;
use bytesize::ByteSize;
use jiff::SignedDuration;
use url::Url;

use self::connection::Connection;
use self::entra::Entra;
use super::address::address;
use super::auth::{Auth, PASSWORD, TOKEN};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one};
use crate::clock::Clock;
use crate::config::Section;
use crate::config::value::{name, size};
use crate::domain::Delivery;

/// As many events as are sent before the first outcome is waited for.
const BATCH_SIZE: usize = 256;
/// How long a connection is used. Then another is made, with the login as it is then: before what Service Bus was told of
/// the login expires.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(30);
/// The longest path of a queue, by Service Bus.
const MAX_QUEUE_CHARS: usize = 260;

/// `kind = "servicebus"`
struct Settings {
    url: Url,
    /// The address of a queue or a topic.
    queue: String,
    /// The longest message, in bytes. What the broker tells counts too.
    max_bytes: Option<u64>,
    subject: Option<Template>,
    shape: Shape,
    auth: Option<Auth>,
    entra: Option<Entra>,
    tls: Option<Tls>,
    clock: Clock,
}

/// Sends events to a queue or a topic of Azure Service Bus.
pub struct ServicebusSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl ServicebusSink {
    /// As [`FromConfig::read`], with a clock.
    pub fn with_clock(section: &mut Section<'_>, context: &Context, clock: Clock) -> Option<Self> {
        let example = "amqps://example.servicebus.windows.net";
        let url = address(&["amqps", "sb", "amqp"], example).check(|url| match url.path() {
            "" | "/" => Ok(()),
            _ => Err("found a path after the host, expected none: write the name of the queue in queue".to_owned()),
        });
        let url = section.need("url", "the address of a namespace", url);
        let queue = section.need("queue", "the name of a queue or a topic", name(MAX_QUEUE_CHARS));
        let sizes = ByteSize::b(512)..=ByteSize::gib(1);
        let max_bytes = section.read("max_bytes", size(sizes));
        let subject = section.read("subject", Template::reading());
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD, login::KEY, TOKEN]);
        let tls = Tls::read(section);
        let is_plain = !section.has("tls") && url.as_ref().is_none_or(|url| url.scheme() == "amqp");
        let entra = Entra::read(section, is_plain, &clock);
        let tls = tls.or_else(|| (!is_plain).then(Tls::default));
        let settings = Settings { url: url?, queue: queue?, max_bytes, subject, shape, auth, entra, tls, clock };
        Some(Self { settings, connection: Shared::default() })
    }
}

impl FromConfig for ServicebusSink {
    const KIND: &'static str = "servicebus";
    const SUMMARY: &'static str =
        "a message in a queue or a topic of Azure Service Bus, or of another broker with AMQP 1.0";
    const CONFIRMED: &'static str = "accepted by the broker; Service Bus has it on disks then";
    const PAGE: &'static str = include_str!("../../../docs/sinks/servicebus.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        Self::with_clock(section, context, Clock::system())
    }
}

#[async_trait]
impl Sink for ServicebusSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let connect = async || Connection::open(&self.settings).await;
        let send = async |connection: Arc<Connection>| connection.send(&self.settings, deliveries).await;
        self.connection.attempt(deliveries.len(), connect, send).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        // The link is attached only if the queue is there and the login may send to it.
        Connection::open(&self.settings).await?.farewell().await;
        Ok(Vec::new())
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered was accepted: nothing is left to send.
        if let Some(connection) = self.connection.close().await.and_then(std::sync::Arc::into_inner) {
            connection.farewell().await;
        }
        Ok(())
    }
}
