//! What every part of the app is given.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::running::{Reload, Running, Setup};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// What every part of the app is given.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) running: Arc<Running>,
    pub(super) reload: Arc<Reload>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) stops: Stops,
}

/// What ends, each at its time during a stop.
#[derive(Clone, Default)]
pub(super) struct Stops {
    /// First: nobody waits for anything any more.
    pub(super) waiting: CancellationToken,
    /// When nothing is taken in any more.
    pub(super) intake: CancellationToken,
    /// Then: nothing is delivered any more.
    pub(super) dispatch: CancellationToken,
    /// When the grace is nearly over: nobody waits for attempts in progress any more.
    pub(super) hurry: CancellationToken,
}

impl Parts {
    pub(super) fn new(setup: Setup, clock: Clock) -> Self {
        let metrics = Arc::new(Metrics::new());
        metrics.config_loaded(setup.since);
        let running = Arc::new(Running::new(setup));
        Self { running, reload: Arc::default(), metrics, clock, tasks: Tasks::default(), stops: Stops::default() }
    }
}
