//! What operators' commands ask of the server that has the store. A command writes its wish beside the store, and never to
//! it: whoever stops it in the middle (Ctrl-Z, a debugger) keeps no lock that the server would wait for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{NewDelivery, RouteName, SinkName};

/// A wish, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "camelCase")]
pub enum Wish {
    /// A dead letter is due again.
    ReplayOne {
        /// The delivery.
        delivery: Uuid,
    },
    /// All dead letters of a sink are due again.
    ReplayOfSink {
        /// The sink.
        sink: String,
    },
    /// All dead letters are due again.
    ReplayAll,
    /// Events that matched nothing get deliveries.
    Route {
        /// The events, the oldest first.
        events: Vec<Routed>,
    },
    /// A quarantine entry is judged again.
    JudgeAgain {
        /// Its number.
        entry: i64,
        /// Whether the operator vouches for its origin.
        vouched: bool,
    },
    /// Deliveries that wait for one sink go to another.
    Move {
        /// The sink that they wait for.
        from: String,
        /// The sink that they go to.
        to: String,
    },
    /// Deliveries that wait for a sink become dead letters.
    Drop {
        /// The sink.
        sink: String,
    },
}

/// An event with the deliveries that it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The event.
    pub event: Uuid,
    /// Its deliveries.
    pub deliveries: Vec<Asked>,
}

/// A delivery, as a wish asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    sink: String,
    route: String,
    captures: BTreeMap<String, String>,
}

/// What a wish came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// Dead letters, events, entries or deliveries that it was done to.
    pub n: u64,
    /// Deliveries that were added.
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
