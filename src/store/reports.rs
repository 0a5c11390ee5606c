//! Events about reelhook itself, for those who run it.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{EventId, NewDelivery, OperatorData, OperatorEvent};

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

/// Makes events about reelhook itself durable.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Stores an event with its deliveries; it is about no operation, and waits for none.
    ///
    /// # Errors
    /// Nothing was stored.
    async fn report(&self, report: Report, deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError>;
}
