//! The current routes. A reload replaces all of them at once, and no reader waits for that.

use arc_swap::ArcSwap;

use super::Routes;
use crate::domain::{EventKind, NewDelivery, RoutingKey, SinkName};

/// Holds the current routes.
#[derive(Debug)]
pub struct Router(ArcSwap<Routes>);

impl Router {
    /// Starts with these routes.
    pub fn new(routes: Routes) -> Self {
        Self(ArcSwap::from_pointee(routes))
    }

    /// Uses these routes from now on. Lookups in progress end with the old ones.
    pub fn replace(&self, routes: Routes) {
        self.0.store(routes.into());
    }

    /// See [`Routes::matches`].
    pub fn matches(&self, key: &RoutingKey<'_>) -> Vec<NewDelivery> {
        self.0.load().matches(key)
    }

    /// See [`Routes::takes`].
    pub fn takes(&self, sink: &SinkName, kind: &str) -> bool {
        self.0.load().takes(sink, EventKind::parse(kind))
    }
}
