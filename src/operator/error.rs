//! Why an operator's action was not done.

use crate::domain::{DeliveryId, SinkName};
use crate::store::StoreError;

/// Why an action was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Nothing has this id or name.
    #[error("there is nothing with this id or name")]
    Missing,
    /// The delivery is not a dead letter, or not any more.
    #[error("the delivery is not a dead letter (any more): nothing to replay")]
    NotDead,
    /// The delivery, or the one that it waits for, is being attempted.
    #[error("delivery {0} is being attempted: wait for the result")]
    UnderWay(DeliveryId),
    /// The delivery is delivered.
    #[error("found a delivery that was delivered, expected a waiting one")]
    Delivered,
    /// The delivery is a dead letter.
    #[error("found a dead letter, expected a waiting delivery; a replay attempts it again")]
    IsDead,
    /// The delivery is not delivered.
    #[error(
        "found a delivery that is not delivered, expected a delivered one; a waiting one can be attempted now, and a dead letter replayed"
    )]
    NotDelivered,
    /// Too many jobs wait.
    #[error("too many jobs wait: try again when some are done")]
    TooManyJobs,
    /// The number of dead letters differs from the number in the request.
    #[error("count: found {found}, expected {n}, the present number; nothing was replayed")]
    CountDiffers {
        /// The number in the request.
        found: u64,
        /// The present number.
        n: u64,
    },
    /// No route matches the event.
    #[error("no route matches the event: correct the routes, run `reelhook reload`, and try again")]
    NoRouteMatches,
    /// The event already has deliveries.
    #[error("the event already has deliveries; `reelhook explain` shows them")]
    AlreadyRouted,
    /// The config has the sink, so its waiting deliveries belong to its dispatcher.
    #[error(
        "found sink \"{0}\" in the config, expected a removed one: remove it from the config and run `reelhook reload` first"
    )]
    Configured(SinkName),
    /// The config does not have the sink.
    #[error("found no sink \"{0}\" in the config, expected one of its sinks")]
    NotConfigured(SinkName),
    /// The sink does not take the event.
    #[error("found an event of the type \"{kind}\", expected one that sink \"{sink}\" takes: see sinks.{sink}.events")]
    NotTaken {
        /// The sink.
        sink: SinkName,
        /// The event's type.
        kind: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
