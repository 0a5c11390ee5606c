//! Which schema the data of an event has. The attribute `dataschema` names it.

use crate::domain::{Event, Origin};

/// The schema of an event's data. Its name has a version, which changes if a receiver that goes by the old one could fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataSchema {
    /// A notification of a record operation.
    Operation,
    /// reelhook's own report about a record operation.
    Report,
    /// Every other resource: it is as Graph sent it.
    Resource,
}

impl DataSchema {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Operation, Self::Report, Self::Resource];

    /// That of an event.
    pub fn of(event: &Event) -> Self {
        match event.origin {
            // Data that cannot be opened any more is `null`.
            _ if !event.data.trim_end().ends_with('}') => Self::Resource,
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
            Self::Resource => "resource.v1.json",
        }
    }
}
