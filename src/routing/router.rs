//! The routes that hold now. A reload replaces them as a whole, and nobody who asks waits for that.

use arc_swap::ArcSwap;

use super::Routes;
use crate::domain::{NewDelivery, RoutingKey};

/// Asks the routes that hold now.
#[derive(Debug)]
pub struct Router(ArcSwap<Routes>);

impl Router {
    /// Begins with these routes.
    pub fn new(routes: Routes) -> Self {
        Self(ArcSwap::from_pointee(routes))
    }

    /// From now on these routes hold. Questions that were asked before are answered by the old ones.
    pub fn replace(&self, routes: Routes) {
        self.0.store(routes.into());
    }

    /// As [`Routes::matches`].
    pub fn matches(&self, key: &RoutingKey<'_>) -> Vec<NewDelivery> {
        self.0.load().matches(key)
    }
}
