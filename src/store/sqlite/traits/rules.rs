//! The rules of the config, in the embedded store.

use crate::config::Expectations;
use crate::store::sqlite::SqliteStore;
use crate::store::{Routing, Rules};

impl Rules for SqliteStore {
    fn route_by(&self, routing: Routing) {
        // A second call is for nothing: see the trait.
        let _ = self.shared.routing.set(routing);
    }

    fn watch_by(&self, settings: &Expectations) {
        self.shared.bounds.set(settings);
    }
}
