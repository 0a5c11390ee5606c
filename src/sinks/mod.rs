//! Sinks: where events go. A sink says *whether* a delivery arrived, never *when* to try again: no sink holds a retry
//! loop, a sleep or a backoff.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::Delivery;

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

    /// A cheap look at the far side, for `check --probe` and the console. Sends nothing.
    ///
    /// # Errors
    /// What stands in the way of a delivery.
    async fn probe(&self) -> Result<(), DeliveryError>;
}

/// Why a delivery did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A later attempt may succeed.
    #[error("{reason}")]
    Retry {
        /// What went wrong, for the operator. Holds no secret.
        reason: String,
        /// The far side's own word on when: the dispatcher pauses the whole sink and caps it.
        after: Option<Duration>,
        /// Whether the far side asked to be left alone (429, 503): the dispatcher pauses the whole sink.
        pause: bool,
    },
    /// No attempt will succeed: a dead letter at once.
    #[error("{reason}")]
    Reject {
        /// What went wrong, for the operator. Holds no secret.
        reason: String,
    },
}
