//! What operators can see and do. The API, the console and the commands parse a request, call this module, and show the
//! result. So each action exists once.
//!
//! **Invariants**
//! 1. Every change is logged with the name of the person or token that asked for it.
//! 2. The caller has already checked that this is allowed: this module checks no scopes.

mod action;
mod action_words;
mod attempts;
mod body;
mod bounds;
mod counts;
mod dead_letters;
mod deliveries;
mod error;
pub mod explain;
mod jobs;
mod logs;
mod probe;
mod quarantine;
mod resends;
mod search;
mod since;
mod sinks;
mod token;
mod unmatched;
pub mod words;

pub use action::Action;
pub use action_words::{of_action, why_gone};
pub use attempts::{AllDue, OneDue};
pub use body::{Body, Sight};
pub use bounds::{Bounds, Count};
pub use dead_letters::{MOST_COUNTED, ReplayRound};
pub use deliveries::{DeliveryOfEvent, Redirected};
pub use error::OperatorError;
pub use explain::Story;
pub use jobs::{JobState, Jobs, Progress};
pub use probe::{probed, tried};
pub use quarantine::{Entries, VerifyRound};
pub use resends::{Resend, ResendRound};
pub use search::Found;
pub use since::since;
pub use sinks::{SinkState, SinkSummary};
pub use token::{Explained, TokenChannel};
pub use unmatched::Routed;

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::SinkName;
use crate::routing::Router;
use crate::running::Running;
use crate::store::{DeliveryView, Operations, Store, Verdicts};

/// The instant at which something is told, with what is true then and no view knows.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// The instant.
    pub now: Timestamp,
    /// Which sinks operators paused.
    pauses: &'a Pauses,
    /// Which sinks reelhook pauses.
    conditions: &'a Conditions,
    /// Which sinks there are.
    running: &'a Running,
}

/// Why a delivery that is not under way is not attempted when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The config does not have its sink.
    Removed,
    /// An operator paused its sink.
    ByOperator,
    /// reelhook pauses its sink until this instant, because most of the last attempts failed.
    Until(Timestamp),
}

impl Present<'_> {
    /// What holds back a delivery to a sink, if anything does.
    pub fn held(&self, sink: &SinkName) -> Option<Held> {
        if self.running.now().sink(sink.as_str()).is_none() {
            return Some(Held::Removed);
        }
        if self.pauses.is_paused(sink) {
            return Some(Held::ByOperator);
        }
        self.conditions.of(sink).paused_until.filter(|until| *until > self.now).map(Held::Until)
    }

    /// Whether an attempt of a delivery is in progress in this process.
    pub fn is_attempted(&self, delivery: &DeliveryView) -> bool {
        self.conditions.is_attempted(&delivery.sink, delivery.id)
    }

    /// When a delivery that is open is attempted next; `None`: somebody has to do something first.
    pub fn next_attempt(&self, delivery: &DeliveryView) -> Option<Timestamp> {
        match self.held(&delivery.sink) {
            Some(Held::Removed | Held::ByOperator) => None,
            Some(Held::Until(until)) => Some(delivery.at.max(until)),
            None => Some(delivery.at),
        }
    }
}

impl Operator {
    /// The present.
    pub fn present(&self) -> Present<'_> {
        Present { now: self.clock.now(), pauses: &self.pauses, conditions: &self.conditions, running: &self.running }
    }
}

/// The operator's actions.
pub struct Operator {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The stored operations.
    pub operations: Arc<dyn Operations>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// What is known of each sink.
    pub conditions: Arc<Conditions>,
    /// The router: it chooses the sinks of an event.
    pub routes: Arc<Router>,
    /// The current config and its sinks.
    pub running: Arc<Running>,
    /// Actions that go on after their request was answered.
    pub jobs: Arc<Jobs>,
    /// How the quarantine entries of those were judged.
    pub verdicts: Arc<Verdicts>,
    /// The clock.
    pub clock: Clock,
}
