//! Sinks: where events go. A sink says *whether* a delivery arrived, never *when* to try again: no sink holds a retry
//! loop, a sleep or a backoff.
//!
//! **Invariants**
//! 1. `Ok` means that the destination has the event; for files, that it is on the disk.
//! 2. A failed delivery damages no other, and its reason contains no secret and at most [`MAX_REASON_CHARS`]
//!    characters.
//! 3. A recording's token is sent only where the sink's table says `include_access_token = true`.
//! 4. Every mistake in a sink's table is reported at once, by its key path.

mod background;
pub mod cloud_event;
pub mod file;
pub mod http;
mod reason;
pub mod stdout;
mod table;
mod units;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::config;
use crate::domain::Delivery;

pub use reason::MAX_REASON_CHARS;
pub use table::{Mistakes, SinkConfigError};

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
        let mut results = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            results.push(self.deliver(delivery).await);
        }
        results
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

    /// A cheap test of the connection, for `check --probe` and the console. Sends no event.
    ///
    /// # Errors
    /// Why a delivery would fail.
    async fn probe(&self) -> Result<(), DeliveryError>;
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

/// A sink that is built from its table in the config.
pub trait FromConfig: Sink + Sized + 'static {
    /// The value of `kind` in the config.
    const KIND: &'static str;
    /// Its purpose in one line; README's table of sinks repeats it word for word.
    const SUMMARY: &'static str;
    /// The table's keys; derived with `deny_unknown_fields`.
    type Config: DeserializeOwned;

    /// Builds the sink. Nothing is connected to, nothing is created; secrets are read.
    ///
    /// # Errors
    /// Every mistake in the table.
    fn from_config(config: Self::Config) -> Result<Self, Mistakes>;
}

/// A kind of sink in this build.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The value of `kind` in the config.
    pub name: &'static str,
    /// Its purpose in one line.
    pub summary: &'static str,
    keys: fn() -> &'static [&'static str],
    build: fn(&toml::Table) -> Result<Arc<dyn Sink>, Mistakes>,
}

/// Every kind of sink, by name.
pub const KINDS: &[Kind] = &[kind::<file::FileSink>(), kind::<http::HttpSink>(), kind::<stdout::StdoutSink>()];

impl Kind {
    /// The keys of its table, without those that every sink has.
    pub fn keys(&self) -> &'static [&'static str] {
        (self.keys)()
    }
}

const fn kind<S: FromConfig>() -> Kind {
    Kind { name: S::KIND, summary: S::SUMMARY, keys: table::keys_of::<S::Config>, build: build_kind::<S> }
}

fn build_kind<S: FromConfig>(table: &toml::Table) -> Result<Arc<dyn Sink>, Mistakes> {
    Ok(Arc::new(S::from_config(table::read::<S::Config>(table)?)?))
}

/// Builds a sink as configured.
///
/// # Errors
/// Every mistake in its table, each with its key path.
pub fn build(sink: &config::Sink) -> Result<Arc<dyn Sink>, SinkConfigError> {
    let built = match KINDS.iter().find(|kind| kind.name == sink.kind) {
        Some(kind) => (kind.build)(&sink.table),
        None => Err(unknown_kind(&sink.kind)),
    };
    built.map_err(|mistakes| SinkConfigError::new(sink.name.clone(), mistakes))
}

fn unknown_kind(kind: &str) -> Mistakes {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    Mistakes::one("kind", format!("found {kind:?}, expected one of {}", names.join(", ")))
}
