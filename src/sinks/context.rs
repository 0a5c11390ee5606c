//! What a kind of sink may know of the config beside its own section.

use std::time::Duration;

use crate::config::{Config, Events, Sink, SinkDispatch};

/// What holds for all sinks, and for one that is made.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Whether a sink may run commands: `server.allow_exec`.
    pub allow_exec: bool,
    /// How events are named: `[events]`.
    pub events: Events,
    /// How long an attempt of the sink may take: its `timeout`.
    pub timeout: Duration,
    /// How many of its attempts do something at a time: its `concurrency`.
    pub concurrency: usize,
    /// What its deliveries may have in memory: its `queue_bytes`.
    pub queue_bytes: usize,
}

impl Context {
    /// That of a config.
    pub fn of(config: &Config) -> Self {
        Self { allow_exec: config.server.allow_exec, events: config.events.clone(), ..Self::default() }
    }

    /// The same, with what holds for this sink.
    pub fn with(&self, sink: &Sink) -> Self {
        let SinkDispatch { timeout, concurrency, queue_bytes, .. } = sink.dispatch;
        Self { timeout, concurrency, queue_bytes, ..self.clone() }
    }
}
