//! The kinds that deliver to a server, each held to one suite against a real one that the test itself starts: on a free port,
//! in a temporary folder, stopped by its process.

mod certificates;
mod gate;
#[cfg(feature = "kafka")]
mod kafka;
mod mqtt;
mod nats;
mod object;
pub mod postgres;
mod process;
mod pubsub;
mod rabbitmq;
mod redis;
mod relay;
mod service_account;
mod servicebus;
mod sqs;
mod suite;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::Value;

/// A user and a password.
pub const LOGIN: (&str, &str) = ("reelhook", "canary-password-5be1");

/// A secret in a file that outlives every sink.
fn secret(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // By another name first: another test may read it just now.
    let mut written = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::io::Write::write_all(&mut written, text.as_bytes()).unwrap();
    fs::set_permissions(written.path(), fs::Permissions::from_mode(0o600)).unwrap();
    written.persist(&file).unwrap();
    file
}

/// A server of a kind, and how a test looks into it.
#[async_trait]
pub trait Broker: Send + Sync + Sized + 'static {
    /// The kind.
    const KIND: &'static str;
    /// More bytes than the server takes in one message, and the words of the reason for it.
    const TOO_LARGE: (usize, &'static str);
    /// Whether a place that nobody made is made by the first delivery.
    const MAKES_PLACES: bool;
    /// Whether a probe sees that a place is not there.
    const PROBES_PLACES: bool = true;

    /// Starts a server; with `login`, it lets nobody else in.
    async fn start(login: Option<(&str, &str)>) -> Self;
    /// Where it listens.
    fn address(&self) -> SocketAddr;
    /// Makes a place: a stream, a table, a queue.
    async fn make(&self, place: &str);
    /// The keys of a sink that delivers to a place of a server.
    fn keys(address: SocketAddr, place: &str) -> String;
    /// The same, where the client context chooses the place within.
    fn keys_by_client_context(address: SocketAddr, place: &str) -> String;
    /// What is in a place, oldest first.
    async fn arrived(&self, place: &str) -> Vec<Arrived>;
    /// Stops the server.
    async fn stop(&mut self);
    /// Starts it again, at the same address and with what it had.
    async fn restart(&mut self);
}

/// A message at the far side.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// The id of the delivery, by which a repeat is known.
    pub id: String,
    /// The event.
    pub event: Value,
}

/// The kinds that the suite runs over.
pub const KINDS: &[&str] = &[
    #[cfg(feature = "kafka")]
    kafka::Kafka::KIND,
    mqtt::Mqtt::KIND,
    nats::Nats::KIND,
    object::KIND,
    postgres::Postgres::KIND,
    pubsub::KIND,
    rabbitmq::Rabbitmq::KIND,
    redis::Redis::KIND,
    servicebus::Servicebus::KIND,
    sqs::KIND,
];
