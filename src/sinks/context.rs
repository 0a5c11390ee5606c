//! What a kind of sink may know of the config beside its own section.

use std::time::Duration;

use crate::config::{Config, Events, Sink};

/// What holds for all sinks, and how long one may take.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Whether a sink may run commands: `server.allow_exec`.
    pub allow_exec: bool,
    /// How events are named: `[events]`.
    pub events: Events,
    /// How long an attempt of the sink may take: its `timeout`.
    pub timeout: Duration,
}

impl Context {
    /// That of a config.
    pub fn of(config: &Config) -> Self {
        Self { allow_exec: config.server.allow_exec, events: config.events.clone(), timeout: Duration::ZERO }
    }

    /// The same, with what holds for this sink.
    pub fn with(&self, sink: &Sink) -> Self {
        Self { timeout: sink.dispatch.timeout, ..self.clone() }
    }
}
