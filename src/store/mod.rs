//! The store: what makes a notification durable, and where the two halves of the house meet.
//!
//! **Invariants**, which the conformance suite holds every implementation to:
//! 1. When `accept` returns, everything in its batch is durable (fsynced); when it fails, the caller answers 503.
//! 2. An item whose bytes were accepted within the deduplication window is a [`Stored::Duplicate`], no event and no
//!    delivery, where it is identified as a repeat ([`RepeatOf`]); where not, it is news, and marked as possibly a repeat.
//! 3. A delivery is held by at most one unexpired lease. An outcome that comes with an old token changes nothing.
//! 4. For one sink, deliveries of one operation are leased in the order of their arrival; a later one waits until the
//!    earlier one is delivered or dead, or is leased to the same holder right behind it ([`Lease::follows`]).
//! 5. A terminal status of an operation never changes ([`crate::domain::Order`]), unless weaker proof established it; what
//!    stronger proof established is never changed by weaker proof ([`crate::domain::Proof`]).
//! 6. Raw items, events' data, quarantined bodies and tokens are sealed (AES-256-GCM); searched columns hold no secret.
//! 7. A token is wiped, and the raw item with it, when every delivery of its event is settled and its retention is over.
//! 8. The quarantine is bounded, with a part for each class of senders: the oldest entries of a class make room. What waits
//!    for keys is not removed. Nothing undelivered is ever removed by retention; what
//!    matched nothing stays for the retention from its arrival, a dead letter from the day it was given up.
//! 9. `accept` refuses with [`StoreError::Full`] below the disk reserve; leasing and settling go on.

mod changes;
mod disk;
mod error;
pub mod health;
mod mailbox;
pub mod operations;
mod reception;
mod seal;
mod shown;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
mod unanswered;
mod waiting;
pub mod wishes;

pub use changes::{Changes, Waiter};
pub use error::StoreError;
pub use health::Health;
pub use operations::{Operations, Raised};
pub use reception::Reception;
pub use shown::{
    Backlog, DeliveryState, DeliveryView, EventView, FailedAttempt, Newest, Oldest, OperationView, QuarantineView,
    Success,
};
pub use waiting::{WAITS_AT_MOST, Waiting};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::domain::{
    Channel, DeliveryId, EventId, Lease, NewDelivery, Order, Outcome, Quarantined, Raw, Reason, RepeatOf, Room,
    SinkName, Verified,
};

/// A proven notification with the deliveries that routing asked for.
#[derive(Debug)]
pub struct Accepted {
    /// The notification.
    pub notification: Verified,
    /// One for each sink; empty where nothing matched.
    pub deliveries: Vec<NewDelivery>,
}

/// What one request asks the store to make durable: all of it, in one commit.
#[derive(Debug, Default)]
pub struct Batch {
    /// When the request arrived.
    pub received_at: Timestamp,
    /// The proven ones.
    pub accepted: Vec<Accepted>,
    /// The others.
    pub quarantined: Vec<Quarantined>,
}

/// What became of one accepted notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is a new event.
    New {
        /// Its id.
        event: EventId,
        /// For operations: how it stood to what was known.
        order: Option<Order>,
        /// Whether its Graph id was seen before with other bytes.
        id_conflict: bool,
        /// Whether the same bytes were accepted before, and nothing tells whether this is a repeat of them.
        possible_repeat: bool,
        /// Whether its client context is shared with another operation that has not ended.
        ambiguous: bool,
        /// Whether it has no deliveries: neither a route nor an expectation wants it.
        unmatched: bool,
    },
    /// It was accepted before.
    Duplicate {
        /// As this event.
        of: EventId,
        /// By what that is known.
        by: RepeatOf,
    },
}

impl Stored {
    /// The event that it became, or that it repeats.
    pub fn event(&self) -> EventId {
        match self {
            Self::New { event, .. } | Self::Duplicate { of: event, .. } => *event,
        }
    }
}

/// What became of a batch: one entry for each of its items, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// In the order of [`Batch::accepted`].
    pub stored: Vec<Stored>,
    /// The numbers of the quarantine entries, in the order of [`Batch::quarantined`].
    pub quarantined: Vec<i64>,
}

/// What an operator asks the running server to do again; the server finds the wish in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayWish {
    /// The quarantine entry.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// The tenant that its sender proved, where it proved one.
    pub tenant_id: Option<String>,
    /// The bytes.
    pub raw: Raw,
    /// Whether the operator vouches for its origin, so that proof that cannot be had again is not asked for.
    pub vouched: bool,
}

/// The durable heart of the house. Two implementations, one conformance suite.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a batch durable and gives its deliveries to whoever listens ([`Store::fresh`]).
    ///
    /// # Errors
    /// Any error means: answer 503 with `Retry-After`. The batch may be durable all the same (a commit whose outcome is
    /// unknown). Where nobody waits for the receipt any more, the events count as unanswered, so that the repeat is
    /// recognised.
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError>;

    /// Notes that the POST of these events was not answered 2xx in time: Graph has reason to repeat it, and the first
    /// repeat of each is recognised. Written with one of the next commits, or when the store closes.
    fn unanswered(&self, events: Vec<EventId>);

    /// Opens the memory queue of a sink: from now on, new deliveries arrive here already leased for `ttl`, as many at a
    /// time as it has room for; the others wait in the store for [`Store::lease`]. Call it for each sink before intake
    /// starts, and
    /// again once that queue was closed.
    fn fresh(&self, sink: &SinkName, room: &Room, ttl: Duration) -> mpsc::Receiver<Lease>;

    /// Leases up to `limit` due deliveries of a sink for `ttl`, the longest due first, and as far as the limit goes those of
    /// the same operations that wait behind them, each right after the one that it follows. They fit what is left of the
    /// sink's [`Room`]; the first one always does where nothing is held.
    ///
    /// # Errors
    /// Nothing was leased; try again later.
    async fn lease(&self, sink: &SinkName, limit: usize, ttl: Duration) -> Result<Vec<Lease>, StoreError>;

    /// When the next delivery of a sink that is not leased falls due in steady time, `None` where nothing waits.
    ///
    /// # Errors
    /// The database could not be read.
    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError>;

    /// Resolves when deliveries of a sink may have become due in the store other than by time: one did not fit the memory
    /// queue, was unblocked, released, or replayed in this process. May resolve without cause.
    async fn woken(&self, sink: &SinkName);

    /// Records outcomes.
    ///
    /// # Errors
    /// None was recorded. Try again until the leases end: then the deliveries are attempted again.
    async fn settle(&self, outcomes: Arc<[Outcome]>) -> Result<(), StoreError>;

    /// Hands leases back unused: due again at `due_at` in steady time, no attempt counted.
    ///
    /// # Errors
    /// The leases expire by themselves.
    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError>;

    /// Whether a commit goes through now, for readiness.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk reserve, [`StoreError::Damaged`] once damage was met; others as they come.
    async fn ready(&self) -> Result<(), StoreError>;

    /// What waits for each sink that has deliveries.
    ///
    /// # Errors
    /// The database could not be read.
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError>;

    /// An operation by its id (any spelling), with its events and deliveries. More than one where calls share an id.
    ///
    /// # Errors
    /// The database could not be read.
    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError>;

    /// Deliveries in a state, newest first, of one sink or of all.
    ///
    /// # Errors
    /// The database could not be read.
    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError>;

    /// A delivery by its id, in whatever state.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError>;

    /// An event by its id.
    ///
    /// # Errors
    /// The database could not be read.
    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError>;

    /// Events that matched no route and have not been routed since, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched(&self, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError>;

    /// A page of the same events, oldest first: those that arrived after `after`, or the first ones.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError>;

    /// Adds deliveries to an event that matched nothing before. Returns how many were added.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<usize, StoreError>;

    /// Makes dead letters due again, keeping their ids: one, or all of a sink, or all. Returns how many. Their attempts
    /// are numbered from 1 again, so that the retry schedule begins anew; where several are of one operation, they
    /// keep their order.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError>;

    /// Quarantine entries, newest first; with bytes only for `with_raw`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine(&self, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError>;

    /// One quarantine entry with its bytes.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError>;

    /// Writes down the wish to judge a quarantine entry again. Returns whether there is such an entry.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError>;

    /// The wishes that wait, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError>;

    /// Ends a wish: removes the entry (it was accepted), or keeps it with a further reason (it was refused again).
    ///
    /// # Errors
    /// Nothing was changed.
    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError>;

    /// The subscriptions of which it was written down that they send encrypted content, the longest known first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn rich_subscriptions(&self) -> Result<Vec<String>, StoreError>;

    /// Writes down that subscriptions send encrypted content. The longest known make room.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn remember_rich(&self, ids: Vec<String>) -> Result<(), StoreError>;

    /// The items that wait for the provider's keys, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Ends the waiting of an entry that was refused, and wipes its tokens. One that was accepted ends with
    /// [`Store::end_wish`].
    ///
    /// # Errors
    /// Nothing was changed.
    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError>;

    /// What it noticed of itself.
    fn health(&self) -> Arc<Health>;

    /// The sinks that an operator paused, and since when.
    ///
    /// # Errors
    /// The database could not be read.
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError>;

    /// Writes down that a sink is paused; tells since when it is.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError>;

    /// Writes down that a sink is paused no longer.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError>;

    /// Carries out what operators' commands asked for ([`wishes`]), some of it. Returns how many wishes; call again at once
    /// while that is not 0.
    ///
    /// # Errors
    /// What was not carried out waits; try again later.
    async fn carry_out_wishes(&self) -> Result<usize, StoreError>;

    /// Writes down how steady time and the machine's clock stand to each other, after that one was set.
    ///
    /// # Errors
    /// It is written down by the next round of housekeeping, or at the stop.
    async fn note_time(&self) -> Result<(), StoreError>;

    /// One round of housekeeping, bounded in time: wipes tokens, removes what retention lets go, frees the quarantine's tail.
    /// Returns how many rows it touched; call again at once while that is not 0.
    ///
    /// # Errors
    /// Try again later.
    async fn sweep(&self) -> Result<u64, StoreError>;

    /// Finishes what waits and closes. Everything asked for later fails with [`StoreError::Closed`].
    async fn close(&self);
}

/// Which dead letters to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetters {
    /// This one.
    One(DeliveryId),
    /// All of one sink.
    OfSink(SinkName),
    /// All.
    All,
}
