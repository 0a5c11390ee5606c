//! Requests of operators' commands to the server that has the store ("wishes"). A command writes its wish beside the
//! store and never into it: a command that is stopped in the middle (Ctrl-Z, a debugger) holds no lock that the server
//! would wait for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{NewDelivery, RouteName, SinkName};

/// A wish, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "camelCase")]
pub enum Wish {
    /// Make a dead letter due again.
    ReplayOne {
        /// The delivery.
        delivery: Uuid,
    },
    /// Make all dead letters of a sink due again.
    ReplayOfSink {
        /// The sink.
        sink: String,
    },
    /// Make all dead letters due again.
    ReplayAll,
    /// Add deliveries to events that matched no route.
    Route {
        /// The events, the oldest first.
        events: Vec<Routed>,
    },
    /// Verify a quarantine entry again.
    JudgeAgain {
        /// Its number.
        entry: i64,
        /// Whether the operator vouches for its origin.
        vouched: bool,
    },
    /// Move the deliveries that wait for one sink to another sink.
    Move {
        /// The sink that they wait for now.
        from: String,
        /// The sink that gets them.
        to: String,
    },
    /// Make the deliveries that wait for a sink dead letters.
    Drop {
        /// The sink.
        sink: String,
    },
}

/// An event and the deliveries that it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The event.
    pub event: Uuid,
    /// Its deliveries.
    pub deliveries: Vec<Asked>,
}

/// A delivery in a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    sink: String,
    route: String,
    captures: BTreeMap<String, String>,
}

/// The result of a wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// The number of dead letters, events, entries or deliveries that were changed.
    pub n: u64,
    /// The number of deliveries that were added.
    pub n_deliveries: u64,
}

impl From<&NewDelivery> for Asked {
    fn from(new: &NewDelivery) -> Self {
        let (sink, route) = (new.sink.to_string(), new.route.as_str().to_owned());
        Self { sink, route, captures: new.captures.clone() }
    }
}

impl From<&Asked> for NewDelivery {
    fn from(asked: &Asked) -> Self {
        let (sink, route) = (SinkName::new(&asked.sink), RouteName::new(&asked.route));
        Self { sink, route, captures: asked.captures.clone() }
    }
}
