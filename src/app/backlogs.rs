//! Counts what waits for each sink, including sinks that are no longer in the config.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::parts::Parts;
use super::store::Stored;
use crate::clock::Clock;
use crate::dispatch::Pauses;
use crate::domain::SinkName;
use crate::running::Running;
use crate::store::{Backlog, Store};
use crate::telemetry::Metrics;
use crate::wording;

/// How long the metrics show 0 for a removed sink of which nothing is left, so that everybody who scrapes them sees it.
const SHOWN_EMPTY_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Counts the backlogs, for the metrics and the log.
pub(super) struct Backlogs {
    running: Arc<Running>,
    store: Arc<dyn Store>,
    pauses: Arc<Pauses>,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// The removed sinks that the store still has deliveries, dead letters or an operator's pause of, or had lately; and
    /// since when it has none, in steady time.
    gone: Mutex<BTreeMap<SinkName, Option<Timestamp>>>,
}

impl Backlogs {
    pub(super) fn new(parts: &Parts, stored: &Stored) -> Arc<Self> {
        let (running, metrics, clock) = (Arc::clone(&parts.running), Arc::clone(&parts.metrics), parts.clock.clone());
        // These metrics exist from the start, even if counting fails.
        for sink in &running.now().sink_names() {
            metrics.sink_configured(sink.as_str(), true);
        }
        let (store, pauses) = (Arc::clone(&stored.store), Arc::clone(&stored.pauses));
        Arc::new(Self { running, store, pauses, metrics, clock, gone: Mutex::default() })
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
        let gone = self.gone(&backlogs, &configured);
        let shown: BTreeSet<SinkName> = configured.iter().cloned().chain(gone).collect();
        for sink in &shown {
            self.tell(sink, &backlogs, configured.contains(sink));
        }
        // A sink that was removed while nothing waited for it has no metrics any more.
        self.metrics.keep_sinks(&shown.iter().map(SinkName::as_str).collect());
    }

    /// The removed sinks that have metrics. The log names those for which deliveries wait, once each.
    fn gone(&self, backlogs: &BTreeMap<SinkName, Backlog>, configured: &BTreeSet<SinkName>) -> Vec<SinkName> {
        let (mut gone, now) = (self.gone.lock(), self.clock.steady());
        for (sink, backlog) in backlogs.iter().filter(|(sink, _)| !configured.contains(*sink)) {
            if gone.insert(sink.clone(), None).is_none() && backlog.n_open > 0 {
                let n = backlog.n_open;
                tracing::warn!(%sink, n_deliveries = n, "{}", wording::sink_is_gone(sink.as_str(), n, &n.to_string()));
            }
        }
        let paused = self.pauses.all();
        for sink in paused.keys() {
            gone.entry(sink.clone()).or_default();
        }
        gone.retain(|sink, empty_since| {
            let is_left = backlogs.contains_key(sink) || paused.contains_key(sink);
            is_left || now.duration_since(*empty_since.get_or_insert(now)) < SHOWN_EMPTY_FOR
        });
        gone.retain(|sink, _| !configured.contains(sink));
        gone.keys().cloned().collect()
    }

    fn tell(&self, sink: &SinkName, backlogs: &BTreeMap<SinkName, Backlog>, is_configured: bool) {
        let (n_open, n_dead, age) = backlogs.get(sink).map_or((0, 0, Duration::ZERO), |backlog| {
            (backlog.n_open, backlog.n_dead, backlog.oldest.map(|oldest| oldest.age).unwrap_or_default())
        });
        self.metrics.sink_backlog(sink.as_str(), n_open, n_dead, age);
        self.metrics.sink_configured(sink.as_str(), is_configured);
        if !is_configured {
            // A sink of the config has a dispatcher, which tells this. Without one nothing is attempted, so nothing fails.
            self.metrics.sink_failing(sink.as_str(), false);
            self.metrics.sink_paused(sink.as_str(), self.pauses.is_paused(sink));
        }
    }
}
