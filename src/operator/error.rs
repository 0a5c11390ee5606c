//! Why an operator's action was not done.

use crate::domain::SinkName;
use crate::store::StoreError;

/// Why an action was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Nothing has this id or name.
    #[error("there is nothing with this id or name")]
    Missing,
    /// The delivery is no dead letter, or no longer.
    #[error("the delivery is not a dead letter (any more): nothing to replay")]
    NotDead,
    /// There is another number of dead letters than was named.
    #[error("count: found {found}, expected {n}, the present number; nothing was replayed")]
    CountDiffers {
        /// How many were named.
        found: u64,
        /// How many there are.
        n: u64,
    },
    /// No route matches the event.
    #[error("no route matches the event; fix the routes and restart")]
    NoRouteMatches,
    /// The event has deliveries already.
    #[error("the event was routed before: its deliveries tell the outcome")]
    AlreadyRouted,
    /// Deliveries of a sink that the config has belong to its dispatcher.
    #[error(
        "found sink \"{0}\" in the config, expected a removed one: remove it from the config and restart the server first"
    )]
    Configured(SinkName),
    /// The config has no such sink.
    #[error("found no sink \"{0}\" in the config, expected one of its sinks")]
    NotConfigured(SinkName),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
