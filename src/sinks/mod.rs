//! Sinks: where events go. A sink says *whether* a delivery arrived, never *when* to try again: no sink holds a retry
//! loop, a sleep or a backoff. One that sends several events together may wait for them.
//!
//! **Invariants**
//! 1. `Ok` means that the destination has the event; for files, that it is on the disk.
//! 2. A failed delivery damages no other, and its reason contains no secret and at most [`MAX_REASON_CHARS`]
//!    characters.
//! 3. A recording's token is sent only where the sink's table says `include_access_token = true`.
//! 4. An exchange that a sink notes contains no secret that was sent, wherever the answer repeats it.
//! 5. Every mistake in a sink's table is reported at once, by its key path.
//!
//! Each kind is a folder and a Cargo feature: a build has the kinds that it asks for. This file registers them: a new kind
//! is a `mod` line and a line in `kinds!`. A program that uses reelhook as a library brings others: `own`.
//!
//! What several kinds share stands once: `shape` (what is sent, and how it is written), `template` (texts with
//! placeholders), `auth` and `tls` (tables of the config), `connection` (a connection that deliveries share), `lost` (why it
//! is of no more use), `socket` (what one is made over), `web_service` and `credentials` (services of clouds), `google` (its
//! tokens), `client_credentials` and `token_cache` (tokens of OAuth 2.0), `reason`, `masks` (secrets in texts from outside).

mod address;
mod auth;
mod background;
mod client_credentials;
pub mod cloud_event;
mod connection;
mod context;
mod credentials;
#[cfg(any(feature = "rabbitmq", feature = "servicebus"))]
mod cuttable;
mod folder;
mod google;
#[macro_use]
mod kinds;
mod lost;
mod masks;
mod note;
mod own;
mod payload;
mod reason;
mod shape;
pub mod signature;
mod socket;
mod template;
mod tls;
mod token_cache;
mod web_service;

pub mod exec;
pub mod file;
pub mod http;
pub mod kafka;
pub mod mqtt;
pub mod nats;
pub mod object;
pub mod postgres;
pub mod pubsub;
pub mod rabbitmq;
pub mod redis;
pub mod servicebus;
pub mod sqs;
pub mod stdout;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::Section;
use crate::domain::Delivery;

pub use context::Context;
pub use kinds::{Built, BuiltSinks, Kind, build, build_all, effective, left_out};
pub use note::{Note, Seen};
pub use own::{NotRegistered, kinds, register};
pub use reason::MAX_REASON_CHARS;
pub use shape::{Format, Message, Shape, WITH_HEADERS, WITHOUT_HEADERS};
pub use template::Template;

kinds! {
    "exec": exec::ExecSink;
    "file": file::FileSink;
    "http": http::HttpSink;
    "kafka": kafka::KafkaSink;
    "mqtt": mqtt::MqttSink;
    "nats": nats::NatsSink;
    "object": object::ObjectSink;
    "postgres": postgres::PostgresSink;
    "pubsub": pubsub::PubsubSink;
    "rabbitmq": rabbitmq::RabbitmqSink;
    "redis": redis::RedisSink;
    "servicebus": servicebus::ServicebusSink;
    "sqs": sqs::SqsSink;
    "stdout": stdout::StdoutSink;
}

/// A configured destination.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Delivers once. May be called again with the same delivery id. Cancelled by the dispatcher at its timeout.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] where a later attempt may succeed, [`DeliveryError::Reject`] where none will.
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError>;

    /// Delivers several, one result for each, in order. Sinks that can do better than one by one override it.
    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        one_by_one(self, deliveries).await
    }

    /// As [`Sink::deliver_batch`], and notes each exchange as it goes: there is a note for each delivery. Sinks that speak
    /// no protocol note nothing.
    async fn deliver_noting(&self, deliveries: &[&Delivery], _notes: &[Note]) -> Vec<Result<(), DeliveryError>> {
        self.deliver_batch(deliveries).await
    }

    /// How many deliveries one call of [`Sink::deliver_batch`] takes at most.
    fn batch_size(&self) -> usize {
        1
    }

    /// Whether a batch arrives whole or not at all. Then it may hold several deliveries of one operation, in their order.
    fn is_all_or_nothing(&self) -> bool {
        false
    }

    /// How many calls at a time are useful; the configured `concurrency` is limited to it.
    fn most_at_a_time(&self) -> usize {
        usize::MAX
    }

    /// How many calls there may be beside those, which only wait until their deliveries have company. They wait within their
    /// attempts: for less than the sink's timeout.
    fn waiting_at_a_time(&self) -> usize {
        0
    }

    /// The end is near: deliveries that wait for company wait no longer, and no later one does. [`Sink::close`] follows when
    /// the calls have ended.
    fn hurry(&self) {}

    /// The file that it writes, if it writes one. No other sink may write it. The key `path` names it.
    fn own_path(&self) -> Option<PathBuf> {
        None
    }

    /// A cheap test of the connection, for `check --probe` and the console. Sends no event. Returns what an operator should
    /// know although deliveries work, a sentence each: that the far side confirms what it has not kept, for example.
    ///
    /// # Errors
    /// Why a delivery would fail.
    async fn probe(&self) -> Result<Vec<String>, DeliveryError>;

    /// Ends it: writes out what it holds, gives back what it has open. Called once, after the last delivery, within the
    /// grace of the stop; one that takes longer is left alone.
    ///
    /// # Errors
    /// What could not be ended well, for the log. Everything that was told as delivered has arrived all the same.
    async fn close(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// A sink that is made of its section in the config.
pub trait FromConfig: Sink + Sized + 'static {
    /// The value of `kind` in the config.
    const KIND: &'static str;
    /// Its purpose in one line; README's table of sinks repeats it word for word.
    const SUMMARY: &'static str;
    /// What has happened to an event when it counts as delivered, as "synced to disk"; README's table repeats it word for
    /// word.
    const CONFIRMED: &'static str;
    /// Its page, as Markdown. The table of keys in it describes them; reelhook's own are in docs/sinks/.
    const PAGE: &'static str;

    /// Reads the keys, and makes the sink: each key is asked for, whatever is wrong with the others. Nothing is connected
    /// to, nothing is created; secrets are read. `None` where a mistake was noted.
    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self>;
}

/// Delivers one after another.
async fn one_by_one(sink: &(impl Sink + ?Sized), deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
    let mut results = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        results.push(sink.deliver(delivery).await);
    }
    results
}

/// The result of a batch of one, for sinks that deliver in batches only. Without a result nothing is known to have arrived.
pub(crate) fn result_of_one(results: Vec<Result<(), DeliveryError>>) -> Result<(), DeliveryError> {
    results.into_iter().next().unwrap_or_else(|| Err(reason::retry("the sink gave no result")))
}

/// The results of messages that were sent, in their order, each once `confirm` has told it. What was not sent keeps its reason.
#[cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]
pub(crate) async fn results_of<S, F: Future<Output = Result<(), DeliveryError>>>(
    sent: Vec<Result<S, DeliveryError>>,
    confirm: impl Fn(S) -> F,
) -> Vec<Result<(), DeliveryError>> {
    let mut results = Vec::with_capacity(sent.len());
    for message in sent {
        results.push(match message {
            Ok(message) => confirm(message).await,
            Err(error) => Err(error),
        });
    }
    results
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A later attempt may succeed.
    #[error("{reason}")]
    Retry {
        /// The reason, for the operator. Contains no secret.
        reason: String,
        /// The time that the server asked for; the dispatcher obeys it, up to a limit.
        after: Option<Duration>,
        /// Whether every other delivery would fail for the same reason (429, 503, no connection, disk full). Then the
        /// dispatcher pauses the whole sink.
        pause: bool,
    },
    /// No attempt can succeed: it becomes a dead letter at once.
    #[error("{reason}")]
    Reject {
        /// The reason, for the operator. Contains no secret.
        reason: String,
    },
}

impl DeliveryError {
    /// Whether every other delivery would fail for the same reason.
    pub fn pauses(&self) -> bool {
        matches!(self, Self::Retry { pause: true, .. })
    }
}
