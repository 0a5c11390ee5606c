//! The state that the store's own tasks and its writer share.

use std::sync::{Arc, OnceLock};

use super::connections::Connections;
use super::epoch::Epoch;
use crate::clock::Clock;
use crate::config;
use crate::domain::SinkName;
use crate::store::calls::Bounds;
use crate::store::seal::Seal;
use crate::store::unanswered::Unanswered;
use crate::store::{Choosing, Health, Listener, Routing};

/// The state that the store's own tasks and its writer share.
pub struct Shared {
    /// `[store]`
    pub settings: config::Store,
    /// The clock.
    pub clock: Clock,
    /// Seals and opens.
    pub seal: Seal,
    /// The process beside the store.
    pub listener: Arc<dyn Listener>,
    /// The connections.
    pub connections: Connections,
    /// The epoch of this process.
    pub epoch: Epoch,
    /// Events that Graph has reason to repeat, until that is written.
    pub unanswered: Arc<Unanswered>,
    /// How long ended calls matter.
    pub bounds: Bounds,
    /// What the store noticed about itself.
    pub health: Arc<Health>,
    /// The routes: see [`crate::store::Rules`].
    pub routing: OnceLock<Routing>,
    /// Which events the sinks choose: see [`crate::store::Rules`].
    pub choosing: OnceLock<Choosing>,
}

/// The parts of the state that are given to the store.
pub struct Parts<'a> {
    /// `[store]`
    pub settings: &'a config::Store,
    /// The clock.
    pub clock: Clock,
    /// Seals and opens.
    pub seal: Seal,
    /// The process beside the store.
    pub listener: Arc<dyn Listener>,
    /// The connections.
    pub connections: Connections,
    /// The epoch of this process.
    pub epoch: Epoch,
}

impl Shared {
    /// The state of an open store.
    pub fn new(parts: Parts<'_>) -> Arc<Self> {
        let Parts { settings, clock, seal, listener, connections, epoch } = parts;
        let (unanswered, bounds, health) = (Arc::default(), Bounds::default(), Arc::default());
        let (routing, choosing) = (OnceLock::new(), OnceLock::new());
        let settings = settings.clone();
        let shared =
            Self { settings, clock, seal, listener, connections, epoch, unanswered, bounds, health, routing, choosing };
        Arc::new(shared)
    }

    /// Whether a sink gets events of this type, if they are routed to it.
    pub fn takes(&self, sink: &SinkName, kind: &str) -> bool {
        self.choosing.get().is_none_or(|choosing| choosing(sink, kind))
    }

    /// Whether nothing may be accepted. The disk of a database's server cannot be measured from here: the server says when
    /// it is full. Only a reserve that no disk has refuses everything.
    pub fn is_full(&self) -> bool {
        self.settings.disk_reserve_bytes == u64::MAX
    }
}
