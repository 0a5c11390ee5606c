//! The delivery: one notification for one sink, and the right to attempt it.
//!
//! **Invariants**
//! 1. Only the store makes a [`Lease`], and settling consumes it: an attempt has one outcome.
//! 2. A delivery keeps its [`DeliveryId`] over all attempts, restarts and replays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Budget, DeliveryId, Event, Exchanged, Held, RouteName, SinkName};

/// A delivery that routing asks for; the store gives it its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The destination.
    pub sink: SinkName,
    /// The route that asked for it.
    pub route: RouteName,
    /// What the route's regex captured by name.
    pub captures: BTreeMap<String, String>,
}

impl NewDelivery {
    /// The deliveries to the sinks that an announcement names. They have a route name, although no route of the config
    /// made them.
    pub fn by_expectation(sinks: &[SinkName]) -> Vec<Self> {
        let to = |sink: &SinkName| Self {
            sink: sink.clone(),
            route: RouteName::of_announcement(),
            captures: BTreeMap::new(),
        };
        sinks.iter().map(to).collect()
    }
}

/// The rough size of a delivery in memory, without its event's text.
const DELIVERY_BYTES: usize = 1024;

/// One notification for one sink.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same in every attempt.
    pub id: DeliveryId,
    /// The destination.
    pub sink: SinkName,
    /// The route that asked for it.
    pub route: RouteName,
    /// What the route's regex captured by name.
    pub captures: BTreeMap<String, String>,
    /// The event to deliver.
    pub event: Arc<Event>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The first delivery of the event, if an operator had the event sent again.
    pub resend_of: Option<DeliveryId>,
}

impl Delivery {
    /// The rough size in memory of a delivery with this data. An event that goes to several sinks counts for each,
    /// although it is held once.
    pub fn n_bytes_with(data: &str) -> usize {
        data.len().saturating_add(DELIVERY_BYTES)
    }
}

/// The right to attempt a delivery now, until it expires.
#[must_use = "a lease that is neither settled nor released blocks its delivery until it expires"]
#[derive(Debug)]
pub struct Lease {
    /// The delivery.
    pub delivery: Delivery,
    /// When it ends, in steady time. Do not start an attempt that could last longer: after that the delivery may be
    /// leased again.
    pub expires_at: Timestamp,
    /// Identifies this lease among those of the same delivery: an outcome with an old token is ignored.
    pub token: i64,
    /// Whether it may be attempted only after the lease before it, of the same operation, is delivered or dead: the
    /// store leases the deliveries that wait behind a delivery together with it.
    pub follows: bool,
    /// Its share of the sink's memory.
    pub held: Held,
}

/// The room in a sink's memory queue.
#[derive(Clone, Debug)]
pub struct Room {
    /// The most deliveries in the queue.
    pub n: usize,
    /// The most bytes of deliveries in the queue, leased from the store and being attempted together.
    pub budget: Arc<Budget>,
}

/// One attempt, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began, by the machine's clock.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What it tells of its exchange.
    pub exchange: Exchanged,
}

/// The outcome of an attempt for its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It was delivered.
    Delivered,
    /// It will be attempted again.
    RetryAt {
        /// Not before this instant, in steady time.
        at: Timestamp,
        /// The reason, for the operator. Holds no secret.
        reason: String,
    },
    /// It is a dead letter, until the operator replays it.
    Dead {
        /// The reason, for the operator. Holds no secret.
        reason: String,
    },
}

/// A lease with its outcome: the argument of `settle`.
#[derive(Debug)]
pub struct Outcome {
    /// The lease, consumed.
    pub lease: Lease,
    /// The attempt made under it.
    pub attempt: Attempt,
    /// The outcome.
    pub settlement: Settlement,
}
