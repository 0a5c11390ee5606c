//! Events about reelhook itself, for those who run it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::{EventId, NewDelivery, OperatorData, OperatorEvent, SinkName};

/// An event about reelhook itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What happened.
    pub event: OperatorEvent,
    /// What it happened to, as a path: `reelhook/sinks/crm`.
    pub subject: String,
    /// The facts, without any secret.
    pub data: OperatorData,
}

/// What operators were told last of something that goes on, as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it is about, as the subject of its events.
    pub subject: String,
    /// How it was, in a word of whoever tells it.
    pub state: String,
    /// The sinks that it was told to.
    pub to: BTreeSet<SinkName>,
    /// When its last beginning was told, in steady time.
    pub at: Timestamp,
}

/// Makes events about reelhook itself durable.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Stores an event with its deliveries; it is about no operation, and waits for none.
    ///
    /// # Errors
    /// Nothing was stored.
    async fn report(&self, report: Report, deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError>;

    /// Keeps what was told last of something, and stores the event that tells it, if there is one: both or neither.
    ///
    /// # Errors
    /// Nothing was stored.
    async fn tell(&self, told: Told, event: Option<(Report, Vec<NewDelivery>)>) -> Result<(), StoreError>;

    /// What is kept, in the order of the subjects.
    ///
    /// # Errors
    /// The database could not be read.
    async fn told(&self) -> Result<Vec<Told>, StoreError>;

    /// Forgets what was told of these subjects.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn forget_told(&self, subjects: Vec<String>) -> Result<(), StoreError>;
}
