//! The rules of the config, in the embedded store.

use crate::config::Expectations;
use crate::store::sqlite::SqliteStore;
use crate::store::{Choosing, Routing, Rules};

impl Rules for SqliteStore {
    fn route_by(&self, routing: Routing) {
        // A second call is for nothing: see the trait.
        let _ = self.shared.routing.set(routing);
    }

    fn choose_by(&self, choosing: Choosing) {
        let _ = self.shared.choosing.set(choosing);
    }

    fn watch_by(&self, settings: &Expectations) {
        self.shared.bounds.set(settings);
    }
}
