//! What a kind of sink may know of the config beside its own section.

use crate::config::{Config, Events};

/// What holds for all sinks.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Whether a sink may run commands: `server.allow_exec`.
    pub allow_exec: bool,
    /// How events are named: `[events]`.
    pub events: Events,
}

impl Context {
    /// That of a config.
    pub fn of(config: &Config) -> Self {
        Self { allow_exec: config.server.allow_exec, events: config.events.clone() }
    }
}
