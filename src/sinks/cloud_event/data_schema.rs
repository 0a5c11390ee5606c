//! Which schema the data of an event has. The attribute `dataschema` names it.

use crate::domain::{Event, Origin};

/// The schema of an event's data. Its name has a version, which changes if a receiver that goes by the old one could fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataSchema {
    /// A notification of a record operation.
    Operation,
    /// reelhook's own report about a record operation.
    Report,
    /// An event about reelhook itself.
    Operator,
    /// Every other resource: it is as Graph sent it.
    Resource,
}

impl DataSchema {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Operation, Self::Report, Self::Operator, Self::Resource];

    /// That of an event.
    pub fn of(event: &Event) -> Self {
        match event.origin {
            // Data that cannot be opened any more is `null`.
            _ if !event.data.trim_end().ends_with('}') => Self::Resource,
            Origin::Reelhook if event.is_for_operators() => Self::Operator,
            Origin::Reelhook => Self::Report,
            Origin::Graph if event.order.is_some() => Self::Operation,
            Origin::Graph => Self::Resource,
        }
    }

    /// The name of its file, by which it is served.
    pub fn file(self) -> &'static str {
        match self {
            Self::Operation => "recordOperation.v1.json",
            Self::Report => "recordOperationReport.v1.json",
            Self::Operator => "operatorEvent.v1.json",
            Self::Resource => "resource.v1.json",
        }
    }
}
