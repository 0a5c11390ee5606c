//! The store makes notifications durable. The intake writes to it, dispatch reads from it.
//!
//! **Invariants**, which the conformance suite holds every implementation to:
//! 1. When `accept` returns, everything in its batch is durable (fsynced). When it fails, the caller answers 503.
//! 2. An item whose bytes were accepted within the deduplication window is a [`Stored::Duplicate`] if it is identified
//!    as a repeat ([`RepeatOf`]): no event and no delivery. If it is not identified, it is a new event, marked as
//!    possibly a repeat.
//! 3. At most one unexpired lease holds a delivery. An outcome with an old lease token changes nothing.
//! 4. For one sink, deliveries of one operation are leased in the order of their arrival; a later one waits until the
//!    earlier one is delivered or dead, or is leased to the same holder right behind it ([`Lease::follows`]).
//! 5. A terminal status of an operation never changes ([`crate::domain::Order`]), unless weaker proof established it.
//!    Weaker proof never changes what stronger proof established ([`crate::domain::Proof`]).
//! 6. Raw items, events' data, quarantined bodies and tokens are sealed (AES-256-GCM); searched columns hold no secret.
//! 7. A token is wiped, and the raw item with it, when every delivery of its event is settled and its retention is over.
//! 8. The quarantine is bounded, with a share for each class of senders: the oldest entries of a class make room.
//!    Entries that wait for keys are not removed. Retention never removes anything undelivered: unmatched events are
//!    kept for the retention from their arrival, dead letters from the day on which they became dead letters.
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

/// A verified notification and the deliveries that its routes ask for.
#[derive(Debug)]
pub struct Accepted {
    /// The notification.
    pub notification: Verified,
    /// One for each sink; empty if no route matched.
    pub deliveries: Vec<NewDelivery>,
}

/// The part of one request that the store makes durable, in one commit.
#[derive(Debug, Default)]
pub struct Batch {
    /// When the request arrived.
    pub received_at: Timestamp,
    /// The verified notifications.
    pub accepted: Vec<Accepted>,
    /// The others.
    pub quarantined: Vec<Quarantined>,
}

/// The result for one accepted notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is a new event.
    New {
        /// Its id.
        event: EventId,
        /// For operations: how it compares with the stored state.
        order: Option<Order>,
        /// Whether its Graph id was seen before with other bytes.
        id_conflict: bool,
        /// Whether the same bytes were accepted before, and it is not known whether this is a repeat of them.
        possible_repeat: bool,
        /// Whether another unfinished operation has the same client context.
        ambiguous: bool,
        /// Whether it has no deliveries: neither a route nor an expectation matched.
        unmatched: bool,
    },
    /// It was accepted before.
    Duplicate {
        /// The event that it repeats.
        of: EventId,
        /// What identifies it as a repeat.
        by: RepeatOf,
    },
}

impl Stored {
    /// The event that was made, or that was repeated.
    pub fn event(&self) -> EventId {
        match self {
            Self::New { event, .. } | Self::Duplicate { of: event, .. } => *event,
        }
    }
}

/// The result for a batch: one entry for each of its items, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// In the order of [`Batch::accepted`].
    pub stored: Vec<Stored>,
    /// The numbers of the quarantine entries, in the order of [`Batch::quarantined`].
    pub quarantined: Vec<i64>,
}

/// An operator's request that the running server verifies a quarantine entry again. The server finds it in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayWish {
    /// The quarantine entry.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// The tenant that its sender verifiably belongs to, if known.
    pub tenant_id: Option<String>,
    /// The bytes.
    pub raw: Raw,
    /// Whether the operator vouches for its origin. Then proof that was not stored is not required.
    pub vouched: bool,
}

/// The durable store. Every implementation passes the conformance suite; today SQLite is the only one.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a batch durable and gives its deliveries to the memory queues ([`Store::fresh`]).
    ///
    /// # Errors
    /// On any error, answer 503 with `Retry-After`. The batch may be durable all the same (a commit whose outcome is
    /// unknown). If nobody waits for the receipt any more, the events count as unanswered, so that the repeat is
    /// recognised.
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError>;

    /// Notes that the POST of these events was not answered 2xx in time. Graph will probably repeat it; the first
    /// repeat of each event is recognised. Written with one of the next commits, or when the store closes.
    fn unanswered(&self, events: Vec<EventId>);

    /// Opens the memory queue of a sink. From now on new deliveries arrive there, already leased for `ttl`, as far as
    /// it has room; the others wait in the store for [`Store::lease`]. Call it for each sink before the intake starts,
    /// and again after that queue was closed.
    fn fresh(&self, sink: &SinkName, room: &Room, ttl: Duration) -> mpsc::Receiver<Lease>;

    /// Leases up to `limit` due deliveries of a sink for `ttl`, the longest due first. As far as the limit allows, it
    /// also leases the deliveries of the same operations that wait behind them, each right after the one that it
    /// follows. Together they fit the free part of the sink's [`Room`]; the first delivery always fits if nothing is
    /// held.
    ///
    /// # Errors
    /// Nothing was leased; try again later.
    async fn lease(&self, sink: &SinkName, limit: usize, ttl: Duration) -> Result<Vec<Lease>, StoreError>;

    /// When the next unleased delivery of a sink falls due, in steady time; `None` if nothing waits.
    ///
    /// # Errors
    /// The database could not be read.
    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError>;

    /// Resolves when deliveries of a sink may have become due other than by time: one did not fit the memory queue, or
    /// was unblocked, released or replayed in this process. May resolve without a cause.
    async fn woken(&self, sink: &SinkName);

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

    /// Whether a commit goes through now, for readiness.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk reserve, [`StoreError::Damaged`] once damage was met; other errors as they
    /// occur.
    async fn ready(&self) -> Result<(), StoreError>;

    /// The backlog of each sink that has deliveries.
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

    /// A delivery by its id, in any state.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError>;

    /// An event by its id.
    ///
    /// # Errors
    /// The database could not be read.
    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError>;

    /// Events that matched no route and were not routed since, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched(&self, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError>;

    /// A page of the same events, oldest first: those that arrived after `after`, or the first ones if it is `None`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError>;

    /// Adds deliveries to an event that matched no route. Returns how many were added.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<usize, StoreError>;

    /// Makes dead letters due again, with the same ids: one, or all of a sink, or all. Returns how many. Their attempts
    /// are counted from 1 again, so the retry schedule starts from the beginning. Several of one operation keep their
    /// order.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError>;

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

    /// Quarantine entries without their bytes, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine(&self, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError>;

    /// One quarantine entry with its bytes.
    ///
    /// # Errors
    /// The database could not be read.
    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError>;

    /// Writes an operator's request to verify a quarantine entry again. Returns whether the entry exists.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError>;

    /// The requests that wait, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError>;

    /// Ends a request: removes the entry if it was accepted, or keeps it with a further reason if it was refused again.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError>;

    /// The subscriptions that are known to send encrypted content, the longest known first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn rich_subscriptions(&self) -> Result<Vec<String>, StoreError>;

    /// Stores that subscriptions send encrypted content. The longest known make room.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn remember_rich(&self, ids: Vec<String>) -> Result<(), StoreError>;

    /// The items that wait for the provider's keys, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Ends the waiting of an entry that was refused, and wipes its tokens. For one that was accepted, call
    /// [`Store::end_wish`].
    ///
    /// # Errors
    /// Nothing was changed.
    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError>;

    /// The store's health: what it noticed about itself.
    fn health(&self) -> Arc<Health>;

    /// The sinks that an operator paused, each with the time of the pause.
    ///
    /// # Errors
    /// The database could not be read.
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError>;

    /// Stores that a sink is paused. Returns since when it is.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError>;

    /// Stores that a sink is not paused any more.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError>;

    /// Stores the offset between steady time and the machine's clock, after that clock was set.
    ///
    /// # Errors
    /// The offset is stored by the next round of housekeeping, or at the stop.
    async fn note_time(&self) -> Result<(), StoreError>;

    /// One round of housekeeping, bounded in time: wipes tokens, removes what is past its retention, trims the
    /// quarantine. Returns how many rows it touched; call it again at once while that is not 0.
    ///
    /// # Errors
    /// Try again later.
    async fn sweep(&self) -> Result<u64, StoreError>;

    /// Finishes the waiting work and closes. Later calls fail with [`StoreError::Closed`].
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
