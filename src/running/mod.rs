//! The config that runs now, what was built from it, and how another is asked for. A reload replaces it as a whole.
//!
//! **Invariants**
//! 1. Whoever asks sees one config, never a part of one and a part of another.
//! 2. A key that needs a restart has the value that it had at the start, whatever the file says now.

mod reload;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::config::{Config, Sink as SinkConfig};
use crate::domain::SinkName;
use crate::sinks::Sink;

pub use self::reload::{Ask, Change, Last, Outcome, Refusal, Reload};

/// The sinks that a config names, built.
pub type BuiltSinks = Vec<(SinkName, Arc<dyn Sink>)>;

/// A config and what was built from it.
pub struct Setup {
    /// The config.
    pub config: Config,
    /// Its sinks.
    pub sinks: BuiltSinks,
    /// Since when it runs, by the machine's clock.
    pub since: Timestamp,
}

impl Setup {
    /// The config of a sink.
    pub fn sink(&self, name: &str) -> Option<&SinkConfig> {
        self.config.sinks.iter().find(|sink| sink.name.as_str() == name)
    }

    /// A sink as it was built.
    pub fn built(&self, name: &str) -> Option<&Arc<dyn Sink>> {
        self.sinks.iter().find(|(known, _)| known.as_str() == name).map(|(_, sink)| sink)
    }

    /// The names of the sinks, in the order of the config.
    pub fn sink_names(&self) -> Vec<SinkName> {
        self.config.sinks.iter().map(|sink| sink.name.clone()).collect()
    }
}

/// The setup that runs now.
pub struct Running(ArcSwap<Setup>);

impl Running {
    /// Begins with a setup.
    pub fn new(setup: Setup) -> Self {
        Self(ArcSwap::from_pointee(setup))
    }

    /// What runs now. It stays as it is while it is held.
    pub fn now(&self) -> Arc<Setup> {
        self.0.load_full()
    }

    /// From now on this runs.
    pub fn replace(&self, setup: Setup) {
        self.0.store(setup.into());
    }
}
