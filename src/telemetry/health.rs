//! The running config, and the health of the store and of the clock.

use std::sync::atomic::AtomicU64;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// The metrics of the running config, the store and the clock.
#[derive(Debug, Default)]
pub(super) struct Health {
    reloads: Family<ResultLabels, Counter>,
    config_since: Gauge,
    damaged: Gauge,
    log_bytes: Gauge,
    lost_frames: Gauge,
    clock_steps: Counter,
    clock_offset: Gauge<f64, AtomicU64>,
}

impl Health {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "config_reloads",
            "Reloads of the config: ok, or refused (then the server keeps the old config)",
            self.reloads.clone(),
        );
        r.register(
            "config_loaded_timestamp_seconds",
            "When the config that runs was loaded: at the start, or by the last reload that was not refused",
            self.config_since.clone(),
        );
        // The series exist from the start, so that an alert on a refusal sees it grow.
        for result in ["ok", "refused"] {
            drop(self.reloads.get_or_create(&ResultLabels { result }));
        }
        r.register("store_damaged", "1 after damage to the database was found", self.damaged.clone());
        r.register("store_log_bytes", "The length of the store's write-ahead log", self.log_bytes.clone());
        r.register(
            "store_lost_log_frames",
            "Frames of the log that could not be read at the start, because a frame before them is damaged",
            self.lost_frames.clone(),
        );
        r.register("clock_steps", "Steps of the machine's clock that were noticed", self.clock_steps.clone());
        r.register(
            "clock_offset_seconds",
            "How far the machine's clock is ahead of the steady time that timers use",
            self.clock_offset.clone(),
        );
    }
}

impl Metrics {
    /// The config was loaded, at the start or again.
    pub fn config_loaded(&self, at: Timestamp) {
        self.health.config_since.set(at.as_second());
    }

    /// A reload of the config ended: `ok` or `refused`.
    pub fn config_reload(&self, result: &'static str) {
        self.health.reloads.get_or_create(&ResultLabels { result }).inc();
    }

    /// What the store noticed of itself.
    pub fn store_health(&self, is_damaged: bool, log_bytes: u64, n_lost_frames: u64) {
        self.health.damaged.set(i64::from(is_damaged));
        self.health.log_bytes.set(log_bytes.cast_signed());
        self.health.lost_frames.set(n_lost_frames.cast_signed());
    }

    /// How the machine's clock stands to steady time, and whether it was set since this was last told.
    pub fn clock(&self, lead: SignedDuration, was_set: bool) {
        self.health.clock_offset.set(lead.as_secs_f64());
        self.health.clock_steps.inc_by(u64::from(was_set));
    }
}
