//! The queue: leases and outcomes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SinkCondition, StoreError};
use crate::domain::{Budget, Lease, Outcome, SinkName};

/// How much is leased at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most deliveries.
    pub n: usize,
    /// The most bytes of events, as they are stored.
    pub n_bytes: usize,
    /// Whether the first one is leased however large it is.
    pub takes_any: bool,
}

impl Limit {
    /// So many deliveries of any size.
    pub const fn of(n: usize) -> Self {
        Self { n, n_bytes: usize::MAX, takes_any: true }
    }

    /// So many deliveries, and no more bytes than a sink's memory has left.
    pub fn within(n: usize, budget: &Budget) -> Self {
        Self { n, n_bytes: budget.left(), takes_any: budget.is_free() }
    }

    /// How many of the first deliveries fit, whose events take so much each.
    pub fn fit(&self, sizes: impl Iterator<Item = usize>) -> usize {
        let (mut left, mut n) = (self.n_bytes, 0);
        for n_bytes in sizes {
            match left.checked_sub(n_bytes) {
                Some(rest) => left = rest,
                None if n == 0 && self.takes_any => left = 0,
                None => break,
            }
            n += 1;
        }
        n
    }
}

/// The deliveries that wait, under leases. The memory queues of a process stand before it ([`super::process`]).
#[async_trait]
pub trait Queue: Send + Sync {
    /// Leases due deliveries of a sink for `ttl`, the longest due first. As far as the limit allows, it also leases the
    /// deliveries of the same operations that wait behind them, each right after the one that it follows.
    ///
    /// # Errors
    /// Nothing was leased; try again later.
    async fn lease(&self, sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Lease>, StoreError>;

    /// When the next unleased delivery of a sink falls due, in steady time; `None` if nothing waits.
    ///
    /// # Errors
    /// The database could not be read.
    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError>;

    /// Records outcomes.
    ///
    /// # Errors
    /// Nothing was recorded. Try again until the leases end; after that the deliveries are attempted again.
    async fn settle(&self, outcomes: Arc<[Outcome]>) -> Result<(), StoreError> {
        self.settle_noting(outcomes, None).await
    }

    /// Records outcomes, and in the same commit what they say about their sink, unless something newer is stored of it.
    ///
    /// # Errors
    /// As [`Queue::settle`].
    async fn settle_noting(&self, outcomes: Arc<[Outcome]>, condition: Option<SinkCondition>)
    -> Result<(), StoreError>;

    /// Hands leases back unused: due again at `due_at` in steady time, no attempt counted.
    ///
    /// # Errors
    /// The leases expire by themselves.
    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError>;
}
