//! What waits for each sink, and how its attempts end.
//!
//! **Invariants**
//! 1. The series of a sink exist from the moment at which the sink is added, those of its backlog from the first count on.
//!    All end together. Nothing else creates them, so none stays behind for a sink that was removed.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::domain::Watch;

/// The buckets of how long attempts took, in seconds.
const ATTEMPT_BOUNDS: [f64; 7] = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];
/// How an attempt ends.
const RESULTS: [&str; 4] = ["delivered", "retry", "dead", "timeout"];

/// The numbers of one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkCounts {
    /// Deliveries that wait.
    pub n_open: u64,
    /// Dead letters.
    pub n_dead: u64,
    /// How long ago the oldest delivery that waits was created.
    pub oldest_age: Duration,
    /// Attempts since the start that succeeded.
    pub n_delivered: u64,
    /// Attempts since the start that failed.
    pub n_failed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabels {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkResultLabels {
    sink: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkKindLabels {
    sink: String,
    kind: &'static str,
}

/// The metrics of sinks.
#[derive(Debug)]
pub(super) struct Sinks {
    attempts: Family<SinkResultLabels, Counter>,
    attempt_seconds: Family<SinkLabels, Histogram>,
    reports: Family<SinkKindLabels, Counter>,
    open: Family<SinkLabels, Gauge>,
    dead: Family<SinkLabels, Gauge>,
    oldest: Family<SinkLabels, Gauge<f64, AtomicU64>>,
    paused: Family<SinkLabels, Gauge>,
    failing: Family<SinkLabels, Gauge>,
    configured: Family<SinkLabels, Gauge>,
    counted_at: Gauge,
    /// The sinks that have series.
    known: Mutex<BTreeSet<String>>,
}

impl Default for Sinks {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            attempt_seconds: Family::new_with_constructor(|| Histogram::new(ATTEMPT_BOUNDS)),
            reports: Family::default(),
            open: Family::default(),
            dead: Family::default(),
            oldest: Family::default(),
            paused: Family::default(),
            failing: Family::default(),
            configured: Family::default(),
            counted_at: Gauge::default(),
            known: Mutex::default(),
        }
    }
}

impl Sinks {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("delivery_attempts", "Attempts to deliver", self.attempts.clone());
        r.register("delivery_attempt_seconds", "How long attempts took", self.attempt_seconds.clone());
        r.register(
            "sink_expectations_raised",
            "Reports of overdue or lost operations that were routed to the sink",
            self.reports.clone(),
        );
        r.register("sink_open_deliveries", "Deliveries that wait, or are being attempted", self.open.clone());
        r.register("sink_dead_letters", "Dead letters: deliveries that reelhook gave up", self.dead.clone());
        r.register(
            "sink_oldest_undelivered_seconds",
            "Time since the creation of the oldest delivery that waits or is being attempted",
            self.oldest.clone(),
        );
        r.register(
            "sink_paused",
            "1 while nothing is attempted: the sink asked for a pause, or an operator paused it",
            self.paused.clone(),
        );
        r.register(
            "sink_failing",
            "1 while the sink is failing: attempts failed, and none succeeded since; 0 for a removed sink",
            self.failing.clone(),
        );
        r.register(
            "sink_configured",
            "1 if the sink is in the config; 0 if it is not, but deliveries, dead letters or an operator's pause are left",
            self.configured.clone(),
        );
        r.register(
            "backlog_counted_timestamp_seconds",
            "Time of the last count of the open deliveries; 0: not counted yet",
            self.counted_at.clone(),
        );
    }
}

impl Sinks {
    /// The gauges that each sink has from the start.
    fn gauges(&self) -> [&Family<SinkLabels, Gauge>; 3] {
        [&self.paused, &self.failing, &self.configured]
    }
}

fn reported(sink: &str, watch: Watch) -> SinkKindLabels {
    SinkKindLabels { sink: sink.to_owned(), kind: watch.event().word() }
}

impl Metrics {
    /// Creates the series of a sink, at 0, where they do not exist yet; those of its backlog come with the first count.
    pub fn add_sink(&self, sink: &str) {
        if !self.sinks.known.lock().insert(sink.to_owned()) {
            return;
        }
        let labels = SinkLabels { sink: sink.to_owned() };
        for family in self.sinks.gauges() {
            drop(family.get_or_create(&labels));
        }
        drop(self.sinks.attempt_seconds.get_or_create(&labels));
        for result in RESULTS {
            drop(self.sinks.attempts.get_or_create(&SinkResultLabels { sink: sink.to_owned(), result }));
        }
        for watch in Watch::ALL {
            drop(self.sinks.reports.get_or_create(&reported(sink, watch)));
        }
    }

    /// Ends the series of every sink that is not among these. An attempt that is still in progress then is not counted.
    pub fn keep_sinks(&self, kept: &BTreeSet<&str>) {
        let mut known = self.sinks.known.lock();
        let forgotten: Vec<String> = known.iter().filter(|sink| !kept.contains(sink.as_str())).cloned().collect();
        for sink in forgotten {
            known.remove(&sink);
            for result in RESULTS {
                self.sinks.attempts.remove(&SinkResultLabels { sink: sink.clone(), result });
            }
            for watch in Watch::ALL {
                self.sinks.reports.remove(&reported(&sink, watch));
            }
            let labels = SinkLabels { sink };
            for family in self.sinks.gauges().into_iter().chain([&self.sinks.open, &self.sinks.dead]) {
                family.remove(&labels);
            }
            self.sinks.oldest.remove(&labels);
            self.sinks.attempt_seconds.remove(&labels);
        }
    }

    /// An attempt ended at `now`: `delivered`, `retry`, `dead` or `timeout`.
    pub fn attempt(&self, sink: &str, result: &'static str, took: Duration, now: Timestamp) {
        self.minutes.count(now, |counts| match result {
            "delivered" => counts.n_delivered += 1,
            _ => counts.n_failed += 1,
        });
        // A sink that was removed from the config, and whose series ended, does not get new ones.
        let labels = SinkLabels { sink: sink.to_owned() };
        if let Some(attempt_seconds) = self.sinks.attempt_seconds.get(&labels) {
            attempt_seconds.observe(took.as_secs_f64());
        }
        if let Some(attempts) = self.sinks.attempts.get(&SinkResultLabels { sink: labels.sink, result }) {
            attempts.inc();
        }
    }

    /// The report that an operation is overdue or lost goes to a sink.
    pub fn report_routed(&self, sink: &str, watch: Watch) {
        // A sink that is not in the config has no series.
        if let Some(reports) = self.sinks.reports.get(&reported(sink, watch)) {
            reports.inc();
        }
    }

    /// A sink is paused, or no longer.
    pub fn sink_paused(&self, sink: &str, paused: bool) {
        if let Some(gauge) = self.sinks.paused.get(&SinkLabels { sink: sink.to_owned() }) {
            gauge.set(i64::from(paused));
        }
    }

    /// A sink fails, or no longer.
    pub fn sink_failing(&self, sink: &str, failing: bool) {
        if let Some(gauge) = self.sinks.failing.get(&SinkLabels { sink: sink.to_owned() }) {
            gauge.set(i64::from(failing));
        }
    }

    /// Whether the config has a sink.
    pub fn sink_configured(&self, sink: &str, is_configured: bool) {
        self.add_sink(sink);
        self.sinks.configured.get_or_create(&SinkLabels { sink: sink.to_owned() }).set(i64::from(is_configured));
    }

    /// What waits for a sink now.
    pub fn sink_backlog(&self, sink: &str, n_open: u64, n_dead: u64, oldest_age: Duration) {
        self.add_sink(sink);
        let labels = SinkLabels { sink: sink.to_owned() };
        self.sinks.open.get_or_create(&labels).set(i64::try_from(n_open).unwrap_or(i64::MAX));
        self.sinks.dead.get_or_create(&labels).set(i64::try_from(n_dead).unwrap_or(i64::MAX));
        self.sinks.oldest.get_or_create(&labels).set(oldest_age.as_secs_f64());
    }

    /// The deliveries that wait were counted.
    pub fn backlog_counted(&self, now: Timestamp) {
        self.sinks.counted_at.set(now.as_second());
    }

    /// The sinks that have series.
    pub fn sinks(&self) -> BTreeSet<String> {
        self.sinks.known.lock().clone()
    }

    /// What is known of a sink: what waits for it as of the last look at the store, and how its attempts ended.
    pub fn of_sink(&self, sink: &str) -> SinkCounts {
        let labels = SinkLabels { sink: sink.to_owned() };
        let n = |result| {
            let attempts = self.sinks.attempts.get(&SinkResultLabels { sink: sink.to_owned(), result });
            attempts.map(|attempts| attempts.get()).unwrap_or_default()
        };
        let gauge = |family: &Family<SinkLabels, Gauge>| {
            family.get(&labels).and_then(|gauge| u64::try_from(gauge.get()).ok()).unwrap_or_default()
        };
        let oldest = self.sinks.oldest.get(&labels).map(|age| age.get()).unwrap_or_default();
        SinkCounts {
            n_open: gauge(&self.sinks.open),
            n_dead: gauge(&self.sinks.dead),
            oldest_age: Duration::try_from_secs_f64(oldest).unwrap_or_default(),
            n_delivered: n("delivered"),
            n_failed: n("retry") + n("timeout") + n("dead"),
        }
    }
}
