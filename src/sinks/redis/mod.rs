//! The `redis` sink: adds events to a stream of Redis (<https://redis.io/docs/latest/develop/data-types/streams/>), and
//! waits for the server's answer to each.
//!
//! **Invariants**
//! 1. An event is delivered when the server answered with the id of its entry; with `wait_aof`, when it is on the disks too.
//! 2. The field `id` is the id of the delivery: a stream keeps repeats, and a reader knows them by it.
//! 3. Nothing is added before it is known that the server has the commands that the config asks for.

#![cfg(feature = "redis")]

mod connection;
mod entry;
mod failure;
mod probe;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::connection::Connection;
use super::address::address;
use super::auth::{Auth, PASSWORD, PASSWORD_ALONE};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one};
use crate::config::value::count;
use crate::config::{Reading, Section};
use crate::domain::Delivery;

/// As many events as are sent before the first answer is waited for.
const BATCH_SIZE: usize = 256;

/// `kind = "redis"`
struct Settings {
    url: Url,
    database: i64,
    stream: Template,
    max_length: Option<u64>,
    /// How many replicas must have an event on their disks, beside the server itself.
    wait_aof: Option<u32>,
    shape: Shape,
    auth: Option<Auth>,
    tls: Option<Tls>,
}

/// Adds events to a stream of Redis.
pub struct RedisSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl FromConfig for RedisSink {
    const KIND: &'static str = "redis";
    const SUMMARY: &'static str = "an entry in a stream of Redis";
    const CONFIRMED: &'static str = "in the stream; with `wait_aof`, on the disks";
    const PAGE: &'static str = include_str!("../../../docs/sinks/redis.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let url = section.need("url", "the address of a server", server());
        let stream = section.need("stream", "the key of a stream, as \"recordings\"", Template::reading());
        let max_length = section.read("max_length", count(1..=1_000_000_000_000));
        let wait_aof = section.read("wait_aof", count(0..=100));
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD, PASSWORD_ALONE]);
        let tls = Tls::read(section);
        let url = url?;
        let database = database(&url)?;
        let tls = tls.or_else(|| (url.scheme() == "rediss").then(Tls::default));
        let settings = Settings { url, database, stream: stream?, max_length, wait_aof, shape, auth, tls };
        Some(Self { settings, connection: Shared::default() })
    }
}

#[async_trait]
impl Sink for RedisSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let connect = async || Connection::open(&self.settings).await;
        let add = async |connection: Arc<Connection>| connection.add(&self.settings, deliveries).await;
        self.connection.attempt(deliveries.len(), connect, add).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let connection = Connection::open(&self.settings).await?;
        probe::stream(&connection, &self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered was answered: nothing is left to send.
        drop(self.connection.close().await);
        Ok(())
    }
}

/// Reads the address of a server, whose path is the number of a database.
fn server() -> Reading<Url> {
    address(&["redis", "rediss"], "redis://redis.example.com:6379").check(|url| match database(url) {
        Some(_) => Ok(()),
        None => Err(format!("found {:?} after the host, expected the number of a database, as \"/0\"", url.path())),
    })
}

fn database(url: &Url) -> Option<i64> {
    match url.path().trim_start_matches('/') {
        "" => Some(0),
        number => number.parse::<u32>().ok().map(i64::from),
    }
}
