//! A fact that an operator event tells.

use crate::domain::{OperatorData, OperatorEvent};

/// A fact that an operator event tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) event: OperatorEvent,
    /// What it is about, as a path.
    pub(super) subject: String,
    pub(super) data: OperatorData,
}

/// The path of a sink.
pub(super) fn of_sink(sink: &str) -> String {
    format!("reelhook/sinks/{sink}")
}
