//! What the store holds, and the space that it takes. The values are those of the last look: a scrape reads nothing from the
//! store. Before the first look there are no series.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::counted::Counted;
use crate::domain::{ExpectationState, QuarantineClass};

/// A number of things, and the age of the oldest.
pub type Held = (u64, Duration);
/// Seconds.
type Age = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// The metrics of the store's contents.
#[derive(Debug, Default)]
pub(super) struct Contents {
    quarantine: Family<ClassLabels, Gauge>,
    quarantine_age: Family<ClassLabels, Age>,
    unmatched: Counted<Gauge>,
    unmatched_age: Counted<Age>,
    expectations: Family<StateLabels, Gauge>,
    expectations_age: Family<StateLabels, Age>,
    database_bytes: Gauge,
    reusable_bytes: Gauge,
    disk_free_bytes: Gauge,
    reserve_bytes: Gauge,
}

impl Contents {
    pub(super) fn register(&self, r: &mut Registry) {
        self.register_counts(r);
        r.register("store_database_bytes", "The length of the database's file", self.database_bytes.clone());
        r.register(
            "store_reusable_bytes",
            "The part of the database's file that is free for new data",
            self.reusable_bytes.clone(),
        );
        r.register("store_disk_free_bytes", "Free space on the disk of the store", self.disk_free_bytes.clone());
        r.register(
            "store_disk_reserve_bytes",
            "store.disk_reserve: with less free space, notifications are answered 503",
            self.reserve_bytes.clone(),
        );
    }

    fn register_counts(&self, r: &mut Registry) {
        r.register("quarantine_entries", "Notifications in the quarantine", self.quarantine.clone());
        r.register(
            "quarantine_oldest_seconds",
            "Age of the oldest notification in the quarantine",
            self.quarantine_age.clone(),
        );
        r.register("unmatched_events", "Events that match no route and were not routed since", self.unmatched.clone());
        r.register("unmatched_oldest_seconds", "Age of the oldest unmatched event", self.unmatched_age.clone());
        r.register("expectations", "Announced or lost operations by state", self.expectations.clone());
        r.register(
            "expectations_oldest_seconds",
            "Age of the oldest announced or lost operation by state",
            self.expectations_age.clone(),
        );
    }
}

impl Metrics {
    /// The quarantine entries of a class.
    pub fn quarantined(&self, class: QuarantineClass, (n, oldest): Held) {
        let labels = ClassLabels { class: class.as_str() };
        set(&self.contents.quarantine.get_or_create(&labels), n);
        self.contents.quarantine_age.get_or_create(&labels).set(oldest.as_secs_f64());
    }

    /// The unmatched events.
    pub fn unmatched_events(&self, (n, oldest): Held) {
        set(self.contents.unmatched.gauge(), n);
        self.contents.unmatched_age.gauge().set(oldest.as_secs_f64());
    }

    /// The expectations in a state.
    pub fn expectations(&self, state: ExpectationState, (n, oldest): Held) {
        let labels = StateLabels { state: state.as_str() };
        set(&self.contents.expectations.get_or_create(&labels), n);
        self.contents.expectations_age.get_or_create(&labels).set(oldest.as_secs_f64());
    }

    /// The length of the database's file, and the part of it that is free.
    pub fn database_bytes(&self, bytes: u64, reusable_bytes: u64) {
        set(&self.contents.database_bytes, bytes);
        set(&self.contents.reusable_bytes, reusable_bytes);
    }

    /// The free space on the store's disk, and how much of it must stay free.
    pub fn disk_bytes(&self, free_bytes: u64, reserve_bytes: u64) {
        set(&self.contents.disk_free_bytes, free_bytes);
        set(&self.contents.reserve_bytes, reserve_bytes);
    }
}

fn set(gauge: &Gauge, n: u64) {
    gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
}
