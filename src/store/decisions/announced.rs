//! The part of an announcement that decides where notifications go, and how it ends.

use crate::domain::{ExpectationState, NewDelivery, SinkName};

/// The part of an announcement that decides where notifications go.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The expectation's state.
    pub state: ExpectationState,
    /// The metadata that the events carry.
    pub metadata: Option<String>,
    /// The sinks that it names.
    pub sinks: Vec<SinkName>,
}

impl Announced {
    /// The same without its sinks.
    pub fn without_sinks(mut self) -> Self {
        self.sinks.clear();
        self
    }

    /// The deliveries to the sinks that it names; `None` if it leaves that to the routes.
    pub fn deliveries(&self) -> Option<Vec<NewDelivery>> {
        (!self.sinks.is_empty()).then(|| NewDelivery::by_expectation(&self.sinks))
    }
}

/// The state of an expectation once its operation has ended; `None`: it stays as it is. `recovers`: whether that end makes
/// an overdue or lost operation `recovered`.
pub fn ended(state: ExpectationState, recovers: bool) -> Option<ExpectationState> {
    match state {
        ExpectationState::Waiting => Some(ExpectationState::Met),
        ExpectationState::Overdue | ExpectationState::Lost if recovers => Some(ExpectationState::Recovered),
        ExpectationState::Overdue | ExpectationState::Lost => None,
        ExpectationState::Met | ExpectationState::Recovered => None,
    }
}
