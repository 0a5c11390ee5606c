//! Answers to Graph, and the shares of slow ones by which Graph judges an endpoint.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::shares::{Shares, SlowShares};
use crate::domain::ANSWER_BOUNDS;

/// The paths by whose answers Graph judges an endpoint. Nothing like it is documented for the calling channel.
const JUDGED_PATHS: [&str; 2] = ["notifications", "lifecycle"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    path: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    path: &'static str,
    status: u16,
}

/// The metrics of answers.
#[derive(Debug)]
pub(super) struct Answers {
    answers: Family<AnswerLabels, Counter>,
    answer_seconds: Histogram,
    slow_share: Family<PathLabels, Gauge<f64, AtomicU64>>,
    drop_share: Family<PathLabels, Gauge<f64, AtomicU64>>,
    shares: Shares,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            answers: Family::default(),
            answer_seconds: Histogram::new(ANSWER_BOUNDS),
            slow_share: Family::default(),
            drop_share: Family::default(),
            shares: Shares::of(&JUDGED_PATHS),
        }
    }
}

impl Answers {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("answers", "Answers to Graph", self.answers.clone());
        r.register("answer_seconds", "How long answers to Graph took", self.answer_seconds.clone());
        r.register(
            "answers_over_3s_share",
            "Share of answers to Graph's POSTs over 3 s in the last 10 min; above 0.10 Graph delays notifications",
            self.slow_share.clone(),
        );
        r.register(
            "answers_over_10s_share",
            "Share of answers to Graph's POSTs over 10 s in the last 10 min; above 0.15 Graph drops notifications",
            self.drop_share.clone(),
        );
    }

    /// Brings the shares up to date, before they are read.
    pub(super) fn refresh(&self, now: Timestamp) {
        for (path, shares) in self.shares.now(now) {
            let labels = PathLabels { path };
            self.slow_share.get_or_create(&labels).set(shares.over_3s);
            self.drop_share.get_or_create(&labels).set(shares.over_10s);
        }
    }
}

impl Metrics {
    /// Creates the counters of the answers that can leave on `path`, at 0.
    pub fn answers_of(&self, path: &'static str, statuses: &[u16]) {
        for status in statuses {
            drop(self.answers.answers.get_or_create(&AnswerLabels { path, status: *status }));
        }
    }

    /// An answer to Graph left on `path`.
    pub fn answered(&self, path: &'static str, status: u16, took: Duration, now: Timestamp) {
        self.answers.answers.get_or_create(&AnswerLabels { path, status }).inc();
        self.answers.answer_seconds.observe(took.as_secs_f64());
        self.minutes.count(now, |counts| counts.answered(took.as_secs_f64()));
    }

    /// An answer to a POST that Graph sent itself left on `path`, one of the subscription channel's: see [`SlowShares`].
    pub fn answered_graph(&self, path: &'static str, took: Duration, now: Timestamp) {
        self.answers.shares.answered(path, took, now);
    }

    /// The shares of slow answers on each path of the subscription channel.
    pub fn slow_shares(&self, now: Timestamp) -> BTreeMap<&'static str, SlowShares> {
        self.answers.shares.now(now)
    }
}
