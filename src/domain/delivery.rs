//! The delivery: one notification for one sink, and the right to attempt it.
//!
//! **Invariants**
//! 1. A [`Lease`] is made by the store alone and consumed by settling it: an attempt has one outcome.
//! 2. A delivery keeps its [`DeliveryId`] over all attempts, restarts and replays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{DeliveryId, Event, RouteName, SinkName};

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

/// The right to attempt a delivery now, until it expires.
#[must_use = "a lease that is neither settled nor released blocks its delivery until it expires"]
#[derive(Debug)]
pub struct Lease {
    /// What may be delivered.
    pub delivery: Delivery,
    /// Until when. Do not start an attempt that could outlast it: after it the delivery may be leased again.
    pub expires_at: Timestamp,
    /// Tells this lease from later ones of the same delivery: an outcome that comes with an old token is ignored.
    pub token: i64,
    /// Whether it may be attempted only once the lease before it, of the same operation, is delivered or given up: the
    /// store hands out what waits behind a delivery together with it.
    pub follows: bool,
}

/// One attempt, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It has arrived.
    Delivered,
    /// Again, not before `at`.
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
