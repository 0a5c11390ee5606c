//! The expectation: an operation that a client announced.
//!
//! **Invariants**
//! 1. An expectation is met once. If its operation ends after `overdue` or `lost`, it becomes `recovered` and stays so;
//!    a failure without a recording does not recover it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{OperationEvent, SinkName};

/// The state of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpectationState {
    /// Its operation has not ended, but may still end in time.
    Waiting,
    /// Its operation ended in time.
    Met,
    /// The deadline passed before its operation ended.
    Overdue,
    /// Its call ended, and no notification followed in time.
    Lost,
    /// Its operation ended after it was overdue or lost, completed or with a recording.
    Recovered,
}

impl ExpectationState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Met, Self::Overdue, Self::Lost, Self::Recovered];

    /// The states of those that are not met, or not yet.
    pub const UNMET: [Self; 3] = [Self::Waiting, Self::Overdue, Self::Lost];

    /// The text used in the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Met => "met",
            Self::Overdue => "overdue",
            Self::Lost => "lost",
            Self::Recovered => "recovered",
        }
    }

    /// The event that reports the change to this state, if there is one.
    pub fn event(self) -> Option<OperationEvent> {
        match self {
            Self::Waiting | Self::Met => None,
            Self::Overdue => Some(OperationEvent::Overdue),
            Self::Lost => Some(OperationEvent::Lost),
            Self::Recovered => Some(OperationEvent::Recovered),
        }
    }

    /// Reads [`ExpectationState::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The announcement of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The id that its operation had before Graph gave it one. It remains valid.
    pub id: String,
    /// Its state.
    pub state: ExpectationState,
    /// When it was announced; `None`: nobody announced it, and only its state is stored.
    pub announced_at: Option<Timestamp>,
    /// When its operation is overdue; `None`: it has no deadline.
    pub expected_by: Option<Timestamp>,
    /// The metadata that every event carries: a JSON object as text.
    pub metadata: Option<String>,
    /// The sinks for its events; empty: the routes decide.
    pub sinks: Vec<SinkName>,
}

impl Expectation {
    /// The metadata as JSON; `null` where there is none.
    pub fn metadata_as_json(&self) -> serde_json::Value {
        self.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// Why the watch reports an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// Its deadline passed.
    Overdue,
    /// Its call ended some time ago.
    Lost,
}

impl Watch {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Overdue, Self::Lost];

    /// The event that reports it.
    pub fn event(self) -> OperationEvent {
        match self {
            Self::Overdue => OperationEvent::Overdue,
            Self::Lost => OperationEvent::Lost,
        }
    }
}
