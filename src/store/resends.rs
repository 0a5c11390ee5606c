//! Resends: an event that was delivered is delivered once more, by a new delivery that names the first one.

use jiff::Timestamp;

use crate::domain::{DeliveryId, RouteName, SinkName};

/// Which delivered deliveries are meant. Resends are not among them: an event is meant once for each sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Those to this sink; `None`: to any.
    pub sink: Option<SinkName>,
    /// Those that this route asked for.
    pub route: Option<RouteName>,
    /// Those of events of this type; ASCII letters in any case.
    pub kind: Option<String>,
    /// Those of events that arrived from this instant on.
    pub since: Timestamp,
    /// Those that were made until this instant.
    pub until: Timestamp,
    /// Those that were delivered until this instant.
    pub delivered_until: Timestamp,
}

impl Delivered {
    /// Whether a delivery to a sink, by a route, of an event of a type is meant.
    pub fn means(&self, sink: &str, route: &str, kind: &str) -> bool {
        self.sink.as_ref().is_none_or(|it| it.as_str() == sink)
            && self.route.as_ref().is_none_or(|it| it.as_str() == route)
            && self.kind.as_ref().is_none_or(|it| it.eq_ignore_ascii_case(kind))
    }
}

/// What a look at a part of the deliveries found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The deliveries that are meant, in the order of their events.
    pub found: Vec<Found>,
    /// How many deliveries were looked at.
    pub n_seen: usize,
    /// The last one that was looked at, if there may be more.
    pub last: Option<DeliveryId>,
}

/// A delivery that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: DeliveryId,
    /// The sink that got it.
    pub sink: SinkName,
    /// The type of its event.
    pub kind: String,
}

/// A delivery that sends an event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resent {
    /// The delivery that was asked for.
    pub of: DeliveryId,
    /// The new one.
    pub id: DeliveryId,
}
