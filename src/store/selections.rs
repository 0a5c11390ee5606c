//! Which dead letters, quarantine entries or unmatched events an operator means.

use jiff::Timestamp;

use crate::domain::{Reason, SinkName};

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Those of this sink.
    pub sink: Option<SinkName>,
    /// Those whose last reason contains this text, in any case.
    pub reason: Option<String>,
    /// Those that became dead letters from this instant on.
    pub since: Option<Timestamp>,
    /// Those that became dead letters until this instant.
    pub until: Option<Timestamp>,
}

/// Which quarantine entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// Those that were refused last for this reason.
    pub reason: Option<Reason>,
    /// Those that arrived from this instant on.
    pub since: Option<Timestamp>,
    /// Those that nobody wants verified again, and that were not verified again after this instant.
    pub unchecked_since: Option<Timestamp>,
}

/// Which unmatched events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnmatchedFilter {
    /// Those of this type.
    pub kind: Option<String>,
    /// Those that arrived from this instant on.
    pub since: Option<Timestamp>,
}

impl UnmatchedFilter {
    /// Whether an event of this type, that arrived at this instant, is meant.
    pub fn means(&self, kind: &str, received_at: Timestamp) -> bool {
        self.kind.as_deref().is_none_or(|it| it == kind) && self.since.is_none_or(|since| since <= received_at)
    }
}
