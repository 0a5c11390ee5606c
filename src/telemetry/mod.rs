//! Metrics with closed label sets, and the log.
//!
//! **Invariants**
//! 1. No label takes its value from outside: channels, reasons, dialects and orders are closed enums, sinks are or were
//!    configured.
//! 2. Nothing here holds a secret.
//! 3. Every series of a closed set exists from the start, at 0: without that, `increase` does not see the first event. The
//!    series of a sink exist as long as the sink ([`Metrics::add_sink`]).
//! 4. What has to be read from the store has no series until it was read.

mod answers;
mod arrivals;
mod connections;
mod contents;
mod counted;
pub mod exposition;
mod health;
mod incidents;
pub mod log;
mod minutes;
#[cfg(target_os = "linux")]
mod process;
mod rejections;
mod seldom;
mod shares;
mod sinks;

use jiff::Timestamp;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::answers::Answers;
use self::arrivals::Arrivals;
use self::contents::Contents;
use self::health::Health;
use self::incidents::Incidents;
use self::sinks::Sinks;

pub use connections::{ConnectionEnd, ConnectionState, Listeners, ThreadConnections};
pub use incidents::Incident;
pub use minutes::Minutes;
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
    contents: Contents,
    health: Health,
    incidents: Incidents,
    /// Their connections.
    pub listeners: Listeners,
    /// What happened in each of the last minutes.
    pub minutes: Minutes,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Fresh metrics, all at zero.
    pub fn new() -> Self {
        let mut all = Registry::default();
        #[cfg(target_os = "linux")]
        all.register_collector(Box::new(process::Process));
        let registry = all.sub_registry_with_prefix("reelhook");
        registry.register("build", "The version of the server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let (arrivals, answers, sinks) = (Arrivals::default(), Answers::default(), Sinks::default());
        let (contents, health, listeners) = (Contents::default(), Health::default(), Listeners::default());
        arrivals.register(registry);
        answers.register(registry);
        sinks.register(registry);
        contents.register(registry);
        health.register(registry);
        listeners.register(registry);
        let (incidents, minutes) = (Incidents::default(), Minutes::default());
        Self { registry: all, arrivals, answers, sinks, contents, health, incidents, listeners, minutes }
    }

    /// The metrics as OpenMetrics 1.0 text, as of `now`. [`exposition`] has the other format.
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
    use std::time::Duration;

    use super::*;
    use crate::domain::Reason;

    #[test]
    fn what_has_to_be_read_from_the_store_has_no_series_until_it_was_read() {
        let metrics = Metrics::new();
        metrics.add_sink("crm");
        let shown = |name: &str| {
            let text = metrics.render(Timestamp::UNIX_EPOCH);
            text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect::<Vec<_>>()
        };
        let names = [
            "reelhook_sink_open_deliveries",
            "reelhook_sink_dead_letters",
            "reelhook_sink_oldest_undelivered_seconds",
            "reelhook_unmatched",
            "reelhook_quarantine",
            "reelhook_expectations{",
            "reelhook_expectations_oldest",
        ];
        for name in names {
            assert_eq!(shown(name), Vec::<String>::new());
        }
        metrics.sink_backlog("crm", 2, 0, Duration::ZERO);
        metrics.unmatched_events((0, Duration::ZERO));
        assert_eq!(shown(names[0]), ["reelhook_sink_open_deliveries{sink=\"crm\"} 2"]);
        assert_eq!(shown(names[1]), ["reelhook_sink_dead_letters{sink=\"crm\"} 0"]);
        assert_eq!(shown(names[3]), ["reelhook_unmatched_events 0", "reelhook_unmatched_oldest_seconds 0.0"]);
    }

    #[test]
    fn a_rejection_is_one_increment() {
        let metrics = Metrics::new();
        metrics.rejected("calls", Reason::JwtExp, Timestamp::UNIX_EPOCH);
        let text = metrics.render(Timestamp::UNIX_EPOCH);
        assert!(text.contains("reelhook_ingest_rejected_total{path=\"calls\",reason=\"jwt_exp\"} 1"), "{text}");
    }
}
