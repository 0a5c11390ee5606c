//! The queue: leases and outcomes, and what puts deliveries into it again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{DeliveryState, Resent, StoreError};
use crate::domain::{Budget, DeliveryId, EventId, Lease, NewDelivery, Outcome, SinkName};

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

/// Which dead letters to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetters {
    /// This one.
    One(DeliveryId),
    /// These, in this order. Those that are no dead letters are passed over.
    Some(Vec<DeliveryId>),
    /// All of one sink.
    OfSink(SinkName),
    /// All.
    All,
}

/// What became of an operator's wish to attempt one delivery now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeDue {
    /// This one is due now: the delivery itself, or the earlier one of its operation that it waits for.
    Due(DeliveryId),
    /// This one is being attempted: the delivery itself, or the one that it waits for.
    UnderWay(DeliveryId),
    /// It waits for nothing: it is delivered or a dead letter.
    Settled(DeliveryState),
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
    async fn settle(&self, outcomes: Arc<[Outcome]>) -> Result<(), StoreError>;

    /// Hands leases back unused: due again at `due_at` in steady time, no attempt counted.
    ///
    /// # Errors
    /// The leases expire by themselves.
    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError>;

    /// Makes the deliveries of a sink due that wait for their next attempt. Their attempts go on being counted. A
    /// delivery that waits behind an earlier one of its operation goes on waiting for it. Returns how many.
    ///
    /// # Errors
    /// Some may be due; the same may be asked for again.
    async fn make_due(&self, sink: &SinkName) -> Result<u64, StoreError>;

    /// The same for one delivery. If it waits behind an earlier one of its operation, that one is made due. `None`: no
    /// delivery has this id.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn make_one_due(&self, id: DeliveryId) -> Result<Option<MadeDue>, StoreError>;

    /// Makes dead letters due again, with the same ids: one, or all of a sink, or all. Returns how many. Their attempts
    /// are counted from 1 again, so the retry schedule starts from the beginning. Several of one operation keep their
    /// order.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError>;

    /// Has events delivered once more: for each of these deliveries that was delivered, makes a new one, to the same sink
    /// or to `to`. It has an id of its own, and names the first delivery of the event. Deliveries of one operation keep the
    /// order in which they are given. Those that were not delivered are passed over.
    ///
    /// # Errors
    /// Some may be sent again.
    async fn resend(&self, deliveries: Vec<DeliveryId>, to: Option<SinkName>) -> Result<Vec<Resent>, StoreError>;

    /// Adds deliveries to an event that matched no route. Returns how many were added.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<usize, StoreError>;

    /// Has what waits for a sink, and is not under way, wait for another one, under the same ids and in the same order.
    /// Returns how many.
    ///
    /// # Errors
    /// Some may have been moved; the same may be asked for again.
    async fn move_waiting(&self, from: &SinkName, to: &SinkName) -> Result<u64, StoreError>;

    /// Makes dead letters of what waits for a sink and is not under way. Returns how many.
    ///
    /// # Errors
    /// Some may be dead letters; the same may be asked for again.
    async fn drop_waiting(&self, sink: &SinkName) -> Result<u64, StoreError>;
}
