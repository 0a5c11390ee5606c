//! Metrics with closed label sets, and the log.
//!
//! **Invariants**
//! 1. No label takes its value from outside: channels, reasons, dialects and orders are closed enums, sinks are or were
//!    configured.
//! 2. Nothing here holds a secret.

mod connections;
pub mod log;
mod minutes;
mod rejections;
mod seldom;
mod shares;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::domain::{Channel, Dialect, Order, Reason, Watch};

use self::shares::Shares;

pub use connections::{ConnectionEnd, ConnectionState, Listeners, ThreadConnections};
pub use minutes::{ANSWER_BOUNDS, Minute, Minutes, N_BUCKETS, N_MINUTES};
pub use rejections::{Rejections, Sender};
pub use shares::SlowShares;

/// The paths by whose answers Graph judges an endpoint. Nothing like it is documented for the calling channel.
const JUDGED_PATHS: [&str; 2] = ["notifications", "lifecycle"];

/// All metrics. Share them behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    rejected: Family<RejectedLabels, Counter>,
    accepted: Family<ChannelLabels, Counter>,
    duplicates: Family<ChannelLabels, Counter>,
    possible_repeats: Family<ChannelLabels, Counter>,
    conflicts: Counter,
    ambiguous: Counter,
    unmatched: Counter,
    orders: Family<OrderLabels, Counter>,
    dialects: Family<DialectLabels, Counter>,
    handshakes: Family<ResultLabels, Counter>,
    key_refreshes: Family<IssuerResultLabels, Counter>,
    attempts: Family<SinkResultLabels, Counter>,
    attempt_seconds: Family<SinkLabels, Histogram>,
    answers: Family<AnswerLabels, Counter>,
    answer_seconds: Histogram,
    slow_share: Family<PathLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    drop_share: Family<PathLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    sink_open: Family<SinkLabels, Gauge>,
    sink_dead: Family<SinkLabels, Gauge>,
    sink_oldest: Family<SinkLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    sink_paused: Family<SinkLabels, Gauge>,
    sink_configured: Family<SinkLabels, Gauge>,
    raised: Family<KindLabels, Counter>,
    reloads: Family<ResultLabels, Counter>,
    config_since: Gauge,
    counted_at: Gauge,
    damaged: Gauge,
    log_bytes: Gauge,
    lost_frames: Gauge,
    clock_steps: Counter,
    clock_offset: Gauge<f64, std::sync::atomic::AtomicU64>,
    /// Their connections.
    pub listeners: Listeners,
    minutes: Minutes,
    shares: Shares,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    path: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectedLabels {
    path: &'static str,
    reason: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    order: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DialectLabels {
    dialect: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerResultLabels {
    channel: &'static str,
    result: &'static str,
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
struct KindLabels {
    kind: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    path: &'static str,
    status: u16,
}

/// The numbers of one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkCounts {
    /// Deliveries that wait.
    pub n_open: u64,
    /// Dead letters.
    pub n_dead: u64,
    /// Age of the oldest delivery that waits.
    pub oldest_age: Duration,
    /// Attempts since the start that succeeded.
    pub n_delivered: u64,
    /// Attempts since the start that failed.
    pub n_failed: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Fresh metrics, all at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new(ANSWER_BOUNDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("reelhook"),
            rejected: Family::default(),
            accepted: Family::default(),
            duplicates: Family::default(),
            possible_repeats: Family::default(),
            conflicts: Counter::default(),
            ambiguous: Counter::default(),
            unmatched: Counter::default(),
            orders: Family::default(),
            dialects: Family::default(),
            handshakes: Family::default(),
            key_refreshes: Family::default(),
            attempts: Family::default(),
            attempt_seconds: Family::new_with_constructor(|| Histogram::new([0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0])),
            answers: Family::default(),
            answer_seconds: seconds(),
            slow_share: Family::default(),
            drop_share: Family::default(),
            sink_open: Family::default(),
            sink_dead: Family::default(),
            sink_oldest: Family::default(),
            sink_paused: Family::default(),
            sink_configured: Family::default(),
            raised: Family::default(),
            reloads: Family::default(),
            config_since: Gauge::default(),
            counted_at: Gauge::default(),
            damaged: Gauge::default(),
            log_bytes: Gauge::default(),
            lost_frames: Gauge::default(),
            clock_steps: Counter::default(),
            clock_offset: Gauge::default(),
            listeners: Listeners::default(),
            minutes: Minutes::default(),
            shares: Shares::of(&JUDGED_PATHS),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("ingest_rejected", "Requests and items refused or quarantined", self.rejected.clone());
        r.register("notifications_accepted", "Notifications made durable", self.accepted.clone());
        r.register(
            "dedup",
            "Notifications that were dropped because they repeat an accepted one",
            self.duplicates.clone(),
        );
        r.register(
            "possible_repeats",
            "Notifications delivered although the same bytes arrived before: each is a repeat or another change",
            self.possible_repeats.clone(),
        );
        r.register(
            "dedup_conflict",
            "Notifications with the id of an earlier one and other bytes",
            self.conflicts.clone(),
        );
        r.register(
            "match_ambiguous",
            "Notifications whose client context several unfinished operations share",
            self.ambiguous.clone(),
        );
        r.register("match_unmatched", "Notifications that no route matched", self.unmatched.clone());
        r.register(
            "operation_order",
            "Notifications of operations by how they compare with the stored state",
            self.orders.clone(),
        );
        r.register(
            "dialect",
            "Spellings in notifications that differ from Graph's documentation",
            self.dialects.clone(),
        );
        r.register("handshake", "Subscription handshakes", self.handshakes.clone());
        r.register("jwks_refresh", "Fetches of a provider's keys", self.key_refreshes.clone());
        r.register("delivery_attempts", "Attempts to deliver", self.attempts.clone());
        r.register("delivery_attempt_seconds", "How long attempts took", self.attempt_seconds.clone());
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
        r.register("expectations_raised", "Operations reported as overdue or lost", self.raised.clone());
        r.register(
            "backlog_counted_timestamp_seconds",
            "Time of the last count of the open deliveries; 0: not counted yet",
            self.counted_at.clone(),
        );
        self.register_sinks();
        self.register_config();
        self.register_store();
        self.listeners.register(&mut self.registry);
    }

    fn register_sinks(&mut self) {
        let r = &mut self.registry;
        r.register("sink_open_deliveries", "Deliveries that wait, or are being attempted", self.sink_open.clone());
        r.register("sink_dead_letters", "Dead letters: deliveries that failed for good", self.sink_dead.clone());
        r.register(
            "sink_oldest_undelivered_seconds",
            "Age of the oldest delivery that waits or is being attempted",
            self.sink_oldest.clone(),
        );
        r.register(
            "sink_paused",
            "1 while nothing is attempted: the sink asked for a pause, or an operator paused it",
            self.sink_paused.clone(),
        );
        r.register(
            "sink_configured",
            "1 if the sink is in the config; 0 if it is not, but has deliveries or dead letters",
            self.sink_configured.clone(),
        );
    }

    fn register_config(&mut self) {
        let r = &mut self.registry;
        r.register(
            "config_reloads",
            "Reloads of the config: ok, or refused (then the old config runs on)",
            self.reloads.clone(),
        );
        r.register(
            "config_loaded_timestamp_seconds",
            "When the config that runs was loaded: at the start, or by the last reload that was not refused",
            self.config_since.clone(),
        );
        // The series are there from the start, so that an alert on a refusal sees it grow.
        for result in ["ok", "refused"] {
            drop(self.reloads.get_or_create(&ResultLabels { result }));
        }
    }

    /// The config was loaded, at the start or again.
    pub fn config_loaded(&self, at: Timestamp) {
        self.config_since.set(at.as_second());
    }

    /// A reload of the config ended: `ok` or `refused`.
    pub fn config_reload(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }

    /// Forgets a sink of which nothing is left: its series end.
    pub fn forget_sink(&self, sink: &str) {
        let labels = SinkLabels { sink: sink.to_owned() };
        for family in [&self.sink_open, &self.sink_dead, &self.sink_paused, &self.sink_configured] {
            family.remove(&labels);
        }
        self.sink_oldest.remove(&labels);
        self.attempt_seconds.remove(&labels);
        for result in ["delivered", "retry", "dead", "timeout"] {
            self.attempts.remove(&SinkResultLabels { sink: sink.to_owned(), result });
        }
    }

    fn register_store(&mut self) {
        let r = &mut self.registry;
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

    /// What the store noticed of itself.
    pub fn store_health(&self, is_damaged: bool, log_bytes: u64, n_lost_frames: u64) {
        self.damaged.set(i64::from(is_damaged));
        self.log_bytes.set(log_bytes.cast_signed());
        self.lost_frames.set(n_lost_frames.cast_signed());
    }

    /// The deliveries that wait were counted.
    pub fn backlog_counted(&self, now: Timestamp) {
        self.counted_at.set(now.as_second());
    }

    /// A request or item was refused on `path` (`calls`, `notifications`, `lifecycle`, `admin`, `other`).
    pub fn rejected(&self, path: &'static str, reason: Reason) {
        self.rejected.get_or_create(&RejectedLabels { path, reason: reason.as_str() }).inc();
    }

    /// A notification was made durable.
    pub fn accepted(&self, channel: Channel, now: Timestamp) {
        self.minutes.accepted(now);
        self.accepted.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A notification was recognised as a repeat.
    pub fn duplicate(&self, channel: Channel) {
        self.duplicates.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A notification came in bytes that had come before, and nothing told a repeat from a change.
    pub fn possible_repeat(&self, channel: Channel) {
        self.possible_repeats.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A known Graph id came with other bytes.
    pub fn id_conflict(&self) {
        self.conflicts.inc();
    }

    /// Two open operations share a client context.
    pub fn ambiguous(&self) {
        self.ambiguous.inc();
    }

    /// No route matched.
    pub fn unmatched(&self) {
        self.unmatched.inc();
    }

    /// How a notification compares with the stored state of its operation.
    pub fn order(&self, order: Order) {
        self.orders.get_or_create(&OrderLabels { order: order.as_str() }).inc();
    }

    /// A spelling that differs from the documentation was met.
    pub fn dialect(&self, dialect: Dialect) {
        self.dialects.get_or_create(&DialectLabels { dialect: dialect.as_str() }).inc();
    }

    /// A handshake was answered (`ok`) or refused (`refused`).
    pub fn handshake(&self, result: &'static str) {
        self.handshakes.get_or_create(&ResultLabels { result }).inc();
    }

    /// A provider's keys were fetched: `ok`, `failed`, `invalid` or `throttled`.
    pub fn key_refresh(&self, channel: Channel, result: &'static str) {
        self.key_refreshes.get_or_create(&IssuerResultLabels { channel: channel.as_str(), result }).inc();
    }

    /// An attempt ended: `delivered`, `retry`, `dead` or `timeout`.
    pub fn attempt(&self, sink: &str, result: &'static str, took: Duration) {
        self.attempts.get_or_create(&SinkResultLabels { sink: sink.to_owned(), result }).inc();
        self.attempt_seconds.get_or_create(&SinkLabels { sink: sink.to_owned() }).observe(took.as_secs_f64());
    }

    /// An operation was said to be overdue or lost.
    pub fn expectation_raised(&self, watch: Watch) {
        self.raised.get_or_create(&KindLabels { kind: watch.event().word() }).inc();
    }

    /// How the machine's clock stands to steady time, and whether it was set since this was last told.
    pub fn clock(&self, lead: SignedDuration, was_set: bool) {
        self.clock_offset.set(lead.as_secs_f64());
        self.clock_steps.inc_by(u64::from(was_set));
    }

    /// A sink is paused, or no longer.
    pub fn sink_paused(&self, sink: &str, paused: bool) {
        self.sink_paused.get_or_create(&SinkLabels { sink: sink.to_owned() }).set(i64::from(paused));
    }

    /// Whether the config has a sink.
    pub fn sink_configured(&self, sink: &str, is_configured: bool) {
        self.sink_configured.get_or_create(&SinkLabels { sink: sink.to_owned() }).set(i64::from(is_configured));
    }

    /// What waits for a sink now.
    pub fn sink_backlog(&self, sink: &str, n_open: u64, n_dead: u64, oldest_age: Duration) {
        let labels = SinkLabels { sink: sink.to_owned() };
        self.sink_open.get_or_create(&labels).set(i64::try_from(n_open).unwrap_or(i64::MAX));
        self.sink_dead.get_or_create(&labels).set(i64::try_from(n_dead).unwrap_or(i64::MAX));
        self.sink_oldest.get_or_create(&labels).set(oldest_age.as_secs_f64());
    }

    /// What is known of a sink: what waits for it as of the last look at the store, and how its attempts ended.
    pub fn of_sink(&self, sink: &str) -> SinkCounts {
        let labels = SinkLabels { sink: sink.to_owned() };
        let n = |result| self.attempts.get_or_create(&SinkResultLabels { sink: sink.to_owned(), result }).get();
        let gauge =
            |family: &Family<SinkLabels, Gauge>| u64::try_from(family.get_or_create(&labels).get()).unwrap_or_default();
        SinkCounts {
            n_open: gauge(&self.sink_open),
            n_dead: gauge(&self.sink_dead),
            oldest_age: Duration::try_from_secs_f64(self.sink_oldest.get_or_create(&labels).get()).unwrap_or_default(),
            n_delivered: n("delivered"),
            n_failed: n("retry") + n("timeout") + n("dead"),
        }
    }

    /// The last minutes, oldest first.
    pub fn minutes(&self, now: Timestamp) -> [Minute; N_MINUTES] {
        self.minutes.last(now)
    }

    /// An answer to Graph left on `path`.
    pub fn answered(&self, path: &'static str, status: u16, took: Duration, now: Timestamp) {
        self.answers.get_or_create(&AnswerLabels { path, status }).inc();
        self.answer_seconds.observe(took.as_secs_f64());
        self.minutes.answered(took, now);
    }

    /// An answer to a POST that Graph sent itself left on `path`, one of the subscription channel's: see [`SlowShares`].
    pub fn answered_graph(&self, path: &'static str, took: Duration, now: Timestamp) {
        self.shares.answered(path, took, now);
    }

    /// The shares of slow answers on each path of the subscription channel.
    pub fn slow_shares(&self, now: Timestamp) -> BTreeMap<&'static str, SlowShares> {
        self.shares.now(now)
    }

    /// The Prometheus text (OpenMetrics 1.0), as of `now`.
    pub fn render(&self, now: Timestamp) -> String {
        for (path, shares) in self.slow_shares(now) {
            let labels = PathLabels { path };
            self.slow_share.get_or_create(&labels).set(shares.over_3s);
            self.drop_share.get_or_create(&labels).set(shares.over_10s);
        }
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

    #[test]
    fn a_rejection_is_one_increment() {
        let metrics = Metrics::new();
        metrics.rejected("calls", Reason::JwtExp);
        let text = metrics.render(Timestamp::UNIX_EPOCH);
        assert!(text.contains("reelhook_ingest_rejected_total{path=\"calls\",reason=\"jwt_exp\"} 1"), "{text}");
    }
}
