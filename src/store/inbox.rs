//! The inbox: what the intake makes durable, and what it remembers of its senders.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::{EventId, NewDelivery, Order, Quarantined, RepeatOf, Verified};

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

/// When a batch arrived and when it was accepted, in microseconds of the machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When the request arrived: what events tell, and what repeats are judged by.
    pub received_at: i64,
    /// When it was accepted, if it was in the quarantine until then.
    pub accepted_at: Option<i64>,
}

impl Arrival {
    /// When it became known: everything that follows from it begins then.
    pub fn known_at(self) -> i64 {
        self.accepted_at.unwrap_or(self.received_at)
    }
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

/// Where notifications are made durable.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Makes a batch durable and gives its deliveries to the memory queues
    /// ([`super::Queues`]).
    ///
    /// # Errors
    /// On any error, answer 503 with `Retry-After`. The batch may be durable all the same (a commit whose outcome is
    /// unknown). If nobody waits for the receipt any more, the events count as unanswered, so that the repeat is
    /// recognised.
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError>;

    /// Makes durable what was verified in a quarantine entry, and removes the entry in the same commit. The batch says when
    /// the entry was received, and its events keep that. All that follows from them begins now: deliveries, graces,
    /// retention.
    ///
    /// # Errors
    /// Nothing was changed; or, where the outcome of the commit is unknown, all of it.
    async fn accept_late(&self, entry: i64, batch: Batch) -> Result<Receipt, StoreError>;

    /// Notes that the POST of these events was not answered 2xx in time. Graph will probably repeat it; the first
    /// repeat of each event is recognised. Written with one of the next commits, or when the store closes.
    fn unanswered(&self, events: Vec<EventId>);

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
}
