//! What operators see and do, each thing once. The API, the console and the commands read what they are asked, call this,
//! and show what it answers.
//!
//! **Invariants**
//! 1. Every change is logged with the name of who asked for it.
//! 2. Whether somebody may ask is decided before: the faces check scopes, this room does not.

mod dead_letters;
mod deliveries;
mod error;
pub mod explain;
mod probe;
mod quarantine;
mod search;
mod sinks;
mod unmatched;
pub mod words;

pub use deliveries::DeliveryOfEvent;
pub use error::OperatorError;
pub use explain::Story;
pub use probe::{probed, tried};
pub use quarantine::{Body, Sight};
pub use search::Found;
pub use sinks::SinkSummary;
pub use unmatched::{Place, Routed};

use std::sync::Arc;

use crate::clock::Clock;
use crate::dispatch::Pauses;
use crate::routing::Router;
use crate::running::Running;
use crate::store::{Operations, Store};

/// Does what operators ask for.
pub struct Operator {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The operations in it.
    pub operations: Arc<dyn Operations>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// The sinks of an event.
    pub routes: Arc<Router>,
    /// The config that runs, and its sinks.
    pub running: Arc<Running>,
    /// The time.
    pub clock: Clock,
}
