//! Metrics with closed label sets, and the log.
//!
//! **Invariants**
//! 1. No label takes its value from outside: channels, reasons, dialects and orders are closed enums, sinks are or were
//!    configured.
//! 2. Nothing here holds a secret.

mod answers;
mod arrivals;
mod connections;
mod health;
pub mod log;
mod minutes;
mod rejections;
mod seldom;
mod shares;
mod sinks;

use jiff::Timestamp;
use prometheus_client::registry::Registry;

use self::answers::Answers;
use self::arrivals::Arrivals;
use self::health::Health;
use self::sinks::Sinks;

pub use connections::{ConnectionEnd, ConnectionState, Listeners, ThreadConnections};
pub use minutes::{ANSWER_BOUNDS, Minute, Minutes, N_BUCKETS, N_MINUTES};
pub use rejections::{Rejections, Sender};
pub use shares::SlowShares;
pub use sinks::SinkCounts;

/// All metrics. Share them behind an `Arc`. What each of them counts, and its help text, stands in the module of its
/// purpose, beside the methods that change it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    arrivals: Arrivals,
    answers: Answers,
    sinks: Sinks,
    health: Health,
    /// Their connections.
    pub listeners: Listeners,
    minutes: Minutes,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Fresh metrics, all at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("reelhook");
        let (arrivals, answers, sinks) = (Arrivals::default(), Answers::default(), Sinks::default());
        let (health, listeners) = (Health::default(), Listeners::default());
        arrivals.register(&mut registry);
        answers.register(&mut registry);
        sinks.register(&mut registry);
        health.register(&mut registry);
        listeners.register(&mut registry);
        Self { registry, arrivals, answers, sinks, health, listeners, minutes: Minutes::default() }
    }

    /// The Prometheus text (OpenMetrics 1.0), as of `now`.
    pub fn render(&self, now: Timestamp) -> String {
        self.answers.refresh(now);
        self.listeners.count();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn a_rejection_is_one_increment() {
        let metrics = Metrics::new();
        metrics.rejected("calls", Reason::JwtExp);
        let text = metrics.render(Timestamp::UNIX_EPOCH);
        assert!(text.contains("reelhook_ingest_rejected_total{path=\"calls\",reason=\"jwt_exp\"} 1"), "{text}");
    }
}
