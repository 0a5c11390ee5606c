//! The expectation: an operation that a client announced.
//!
//! **Invariants**
//! 1. An expectation is met once. What comes after `overdue` or `lost` makes it `recovered`, and that stays; a failure
//!    without a recording recovers nothing, and leaves it as it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{OperationEvent, SinkName};

/// Where an expectation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpectationState {
    /// Its operation has not ended, and may still do so in time.
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

    /// Reads [`ExpectationState::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a client announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The id that its operation had before Graph gave it one; it goes on naming the operation.
    pub id: String,
    /// Where it stands.
    pub state: ExpectationState,
    /// When it was announced; `None`: nobody announced it, and its state alone is kept.
    pub announced_at: Option<Timestamp>,
    /// When its operation is overdue; `None`: never.
    pub expected_by: Option<Timestamp>,
    /// What the client wants to find again in every event: a JSON object as text.
    pub metadata: Option<String>,
    /// Where its events go; empty: where the routes say.
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
    /// The event that reports it.
    pub fn event(self) -> OperationEvent {
        match self {
            Self::Overdue => OperationEvent::Overdue,
            Self::Lost => OperationEvent::Lost,
        }
    }
}
