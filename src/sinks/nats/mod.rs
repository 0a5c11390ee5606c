//! The `nats` sink: publishes events to a JetStream stream
//! (<https://docs.nats.io/nats-concepts/jetstream>), and waits for the server's confirmation of each.
//!
//! **Invariants**
//! 1. An event is delivered when the server confirmed that a stream has it. Without such a stream it is not.
//! 2. `Nats-Msg-Id` is the id of the delivery: a stream drops a repeat within its `duplicate_window`.
//! 3. A connection that was lost is given up, and with it every confirmation that it still owes.

#![cfg(feature = "nats")]

mod connection;
mod message;
mod probe;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::connection::Connection;
use super::address::address;
use super::auth::{Auth, Method, PASSWORD, TOKEN};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one};
use crate::config::Section;
use crate::domain::Delivery;

/// As many events as are sent before the first confirmation is waited for.
const BATCH_SIZE: usize = 256;
/// A key of its own kind, and a file with a token and such a key, as the servers' tools write it.
const NKEY: Method = Method { name: None, secret: "nkey" };
const CREDENTIALS: Method = Method { name: None, secret: "credentials" };

/// `kind = "nats"`
struct Settings {
    url: Url,
    subject: Template,
    shape: Shape,
    auth: Option<Auth>,
    tls: Option<Tls>,
}

/// Publishes events to a stream of NATS JetStream.
pub struct NatsSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl FromConfig for NatsSink {
    const KIND: &'static str = "nats";
    const SUMMARY: &'static str = "a message in a stream of NATS JetStream";
    const CONFIRMED: &'static str = "stored by the stream";
    const PAGE: &'static str = include_str!("../../../docs/sinks/nats.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let example = "nats://nats.example.com:4222";
        let url = section.need("url", "the address of a server", address(&["nats", "tls"], example));
        let subject = section.need("subject", "a subject, as \"recordings.{status}\"", message::subject());
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD, TOKEN, NKEY, CREDENTIALS]);
        let tls = Tls::read(section);
        let url = url?;
        let tls = tls.or_else(|| (url.scheme() == "tls").then(Tls::default));
        let settings = Settings { url, subject: subject?, shape, auth, tls };
        Some(Self { settings, connection: Shared::default() })
    }
}

#[async_trait]
impl Sink for NatsSink {
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
        let connection = Connection::open(&self.settings).await?;
        probe::stream(&connection, &self.settings.subject).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered is confirmed: nothing is left to send.
        drop(self.connection.close().await);
        Ok(())
    }
}
