//! The values that all parts of the app share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::running::{Reload, Running, Setup};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// The values that all parts of the app share.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) running: Arc<Running>,
    pub(super) reload: Arc<Reload>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) stops: Stops,
}

/// The signals of a stop, in their order.
#[derive(Clone, Default)]
pub(super) struct Stops {
    /// First: clients that wait for a change are answered.
    pub(super) waiting: CancellationToken,
    /// When the public listener has stopped: the intake ends.
    pub(super) intake: CancellationToken,
    /// Then: the dispatchers end.
    pub(super) dispatch: CancellationToken,
    /// When the grace is nearly over: attempts in progress are cancelled.
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
