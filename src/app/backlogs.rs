//! Counts what waits for each sink, including sinks that are no longer in the config.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::parts::Parts;
use super::store::Stored;
use crate::clock::Clock;
use crate::domain::SinkName;
use crate::running::Running;
use crate::store::{Backlog, Store};
use crate::telemetry::Metrics;
use crate::wording;

/// Counts the backlogs, for the metrics and the log.
pub(super) struct Backlogs {
    running: Arc<Running>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
    told: Mutex<Told>,
}

/// The sinks that the metrics and the log know about.
#[derive(Default)]
struct Told {
    /// The sinks that have metrics.
    known: BTreeSet<SinkName>,
    /// The removed sinks for which deliveries wait.
    gone: BTreeSet<SinkName>,
}

impl Backlogs {
    pub(super) fn new(parts: &Parts, stored: &Stored) -> Arc<Self> {
        let (running, metrics, clock) = (Arc::clone(&parts.running), Arc::clone(&parts.metrics), parts.clock.clone());
        // These metrics exist from the start, even if counting fails.
        let known: BTreeSet<SinkName> = running.now().sink_names().into_iter().collect();
        for sink in &known {
            metrics.sink_backlog(sink.as_str(), 0, 0, Duration::ZERO);
            metrics.sink_configured(sink.as_str(), true);
        }
        let told = Mutex::new(Told { known, gone: BTreeSet::new() });
        Arc::new(Self { running, store: Arc::clone(&stored.store), metrics, clock, told })
    }

    pub(super) async fn count(&self) {
        let now = self.clock.now();
        let backlogs = match self.store.backlog().await {
            Ok(backlogs) => backlogs,
            // The metrics keep the last counts. The metric with the time of counting shows how old they are.
            Err(error) => {
                tracing::warn!(%error, "could not count the waiting deliveries; trying again");
                return;
            }
        };
        self.metrics.backlog_counted(now);
        let configured: BTreeSet<SinkName> = self.running.now().sink_names().into_iter().collect();
        let mut told = self.told.lock();
        told.gone.retain(|sink| !configured.contains(sink));
        for (sink, backlog) in &backlogs {
            if !configured.contains(sink) && told.gone.insert(sink.clone()) && backlog.n_open > 0 {
                let n = backlog.n_open;
                tracing::warn!(%sink, n, "{}", wording::sink_is_gone(sink.as_str(), n, &n.to_string()));
            }
        }
        let shown: BTreeSet<SinkName> = configured.iter().chain(&told.gone).cloned().collect();
        for sink in &shown {
            self.tell(sink, &backlogs, configured.contains(sink));
        }
        // A sink that was removed while nothing waited for it has no metrics any more.
        told.known.difference(&shown).for_each(|sink| self.metrics.forget_sink(sink.as_str()));
        told.known = shown;
    }

    fn tell(&self, sink: &SinkName, backlogs: &BTreeMap<SinkName, Backlog>, is_configured: bool) {
        let (n_open, n_dead, age) = backlogs.get(sink).map_or((0, 0, Duration::ZERO), |backlog| {
            (backlog.n_open, backlog.n_dead, backlog.oldest.map(|oldest| oldest.age).unwrap_or_default())
        });
        self.metrics.sink_backlog(sink.as_str(), n_open, n_dead, age);
        self.metrics.sink_configured(sink.as_str(), is_configured);
    }
}
