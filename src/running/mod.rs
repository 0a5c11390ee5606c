//! The config that the server currently uses, what was built from it, and how to ask for a reload. A reload replaces
//! all of it at once.
//!
//! **Invariants**
//! 1. A reader sees one config, never parts of two.
//! 2. A key that needs a restart keeps its value from the start, whatever the file says now.

mod reload;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::config::{self, Config, Loaded, Origin, Sink as SinkConfig};
use crate::domain::SinkName;
use crate::sinks::{self, BuiltSinks, Sink};

pub use self::reload::{Ask, Change, Last, Outcome, Refusal, Reload};

/// A key of a config with its value as text. A secret's value says only whether it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its path: `server.listen`, `routes[0].name`.
    pub path: String,
    /// Its value.
    pub value: String,
    /// Whether it has a value, be it the default.
    pub is_set: bool,
    /// Its origin: `my.toml:7`, or the name of a variable; `None` for a default.
    pub origin: Option<String>,
}

/// A config and the things that were built from it.
pub struct Setup {
    /// The config.
    pub config: Config,
    /// Its keys and values, for people.
    pub keys: Vec<Shown>,
    /// Its sinks.
    pub sinks: Vec<(SinkName, Arc<dyn Sink>)>,
    /// When it was loaded, by the machine's clock.
    pub since: Timestamp,
}

impl Setup {
    /// The setup of a config that was loaded at `since`.
    pub fn new(loaded: Loaded, sinks: BuiltSinks, since: Timestamp) -> Self {
        let shown = |key: &config::Key| {
            let origin = (key.origin != Origin::Default).then(|| key.origin.told(&loaded.places));
            // A section has no value of its own: its keys have them.
            let value = key.value.as_ref()?;
            let is_set = *value != config::Shown::NotSet;
            Some(Shown { path: key.path.clone(), value: value.to_string(), is_set, origin })
        };
        let keys = sinks::effective(loaded.keys, &sinks).iter().filter_map(shown).collect();
        let sinks = sinks.into_iter().map(|(name, built)| (name, built.sink)).collect();
        Self { config: loaded.config, keys, sinks, since }
    }

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

/// The current setup.
pub struct Running(ArcSwap<Setup>);

impl Running {
    /// Starts with a setup.
    pub fn new(setup: Setup) -> Self {
        Self(ArcSwap::from_pointee(setup))
    }

    /// The current setup. It does not change while the caller holds it.
    pub fn now(&self) -> Arc<Setup> {
        self.0.load_full()
    }

    /// Makes this the current setup.
    pub fn replace(&self, setup: Setup) {
        self.0.store(setup.into());
    }
}
