//! The delivery: one notification for one sink, and the right to attempt it.
//!
//! **Invariants**
//! 1. A [`Lease`] is made by the store alone and consumed by settling it: an attempt has one outcome.
//! 2. A delivery keeps its [`DeliveryId`] over all attempts, restarts and replays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Budget, DeliveryId, Event, Held, RouteName, SinkName};

/// A delivery that routing asks for; the store gives it its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Where to.
    pub sink: SinkName,
    /// The route that asked for it.
    pub route: RouteName,
    /// What the route's regex captured by name.
    pub captures: BTreeMap<String, String>,
}

impl NewDelivery {
    /// What goes to the sinks that an expectation names, as by a route of its own: it is matched before the routes.
    pub fn by_expectation(sinks: &[SinkName]) -> Vec<Self> {
        let to = |sink: &SinkName| Self {
            sink: sink.clone(),
            route: RouteName::new("expectation"),
            captures: BTreeMap::new(),
        };
        sinks.iter().map(to).collect()
    }
}

/// What a delivery takes in memory beside its event's text, roughly.
const DELIVERY_BYTES: usize = 1024;

/// One notification for one sink.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same in every attempt.
    pub id: DeliveryId,
    /// Where to.
    pub sink: SinkName,
    /// The route that asked for it.
    pub route: RouteName,
    /// What the route's regex captured by name.
    pub captures: BTreeMap<String, String>,
    /// What to deliver.
    pub event: Arc<Event>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
}

impl Delivery {
    /// What a delivery takes in memory whose event has so much data, roughly. An event that goes to several sinks is
    /// counted for each, although it is held once.
    pub fn n_bytes_with(data: &str) -> usize {
        data.len().saturating_add(DELIVERY_BYTES)
    }
}

/// The right to attempt a delivery now, until it expires.
#[must_use = "a lease that is neither settled nor released blocks its delivery until it expires"]
#[derive(Debug)]
pub struct Lease {
    /// What may be delivered.
    pub delivery: Delivery,
    /// Until when, in steady time. Do not start an attempt that could outlast it: after it the delivery may be leased again.
    pub expires_at: Timestamp,
    /// Tells this lease from later ones of the same delivery: an outcome that comes with an old token is ignored.
    pub token: i64,
    /// Whether it may be attempted only once the lease before it, of the same operation, is delivered or given up: the
    /// store hands out what waits behind a delivery together with it.
    pub follows: bool,
    /// Its share of the sink's memory.
    pub held: Held,
}

/// How much of a sink's fresh deliveries its memory queue takes.
#[derive(Clone, Debug)]
pub struct Room {
    /// The most deliveries in the queue.
    pub n: usize,
    /// The most bytes, of what is in the queue, leased from the store and under way together.
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
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It has arrived.
    Delivered,
    /// Again, not before `at` in steady time.
    RetryAt {
        /// Not before this instant.
        at: Timestamp,
        /// What went wrong, for the operator. Holds no secret.
        reason: String,
    },
    /// Given up: a dead letter, until the operator replays it.
    Dead {
        /// What went wrong, for the operator. Holds no secret.
        reason: String,
    },
}

/// A lease together with what came of it: what `settle` takes.
#[derive(Debug)]
pub struct Outcome {
    /// The lease, consumed.
    pub lease: Lease,
    /// The attempt made under it.
    pub attempt: Attempt,
    /// What becomes of the delivery.
    pub settlement: Settlement,
}
