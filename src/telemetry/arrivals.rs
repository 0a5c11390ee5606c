//! What arrives: accepted, refused, repeated, and how it compares with what is stored.

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::domain::{Channel, Dialect, Order, Reason, Watch};

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
struct KindLabels {
    kind: &'static str,
}

/// The paths on which something can be refused.
const PATHS: [&str; 6] = ["calls", "notifications", "lifecycle", "admin", "probes", "other"];
/// Those to which Graph posts.
const GRAPHS_PATHS: [&str; 3] = ["calls", "notifications", "lifecycle"];
/// The channels whose tokens are verified with a provider's keys. Lifecycle notifications share those of subscriptions.
const WITH_KEYS: [Channel; 2] = [Channel::Calls, Channel::Subscriptions];
/// How a fetch of keys ends.
const FETCHES: [&str; 4] = ["ok", "failed", "invalid", "throttled"];
/// How a handshake ends.
const HANDSHAKES: [&str; 2] = ["ok", "refused"];

/// The metrics of arrivals.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
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
    raised: Family<KindLabels, Counter>,
}

impl Arrivals {
    pub(super) fn register(&self, r: &mut Registry) {
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
        r.register("expectations_raised", "Operations reported as overdue or lost", self.raised.clone());
        self.begin();
    }

    /// Creates every series at 0, so that `increase` sees the first event of each.
    fn begin(&self) {
        for path in PATHS {
            for reason in Reason::ALL {
                drop(self.rejected.get_or_create(&RejectedLabels { path, reason: reason.as_str() }));
            }
        }
        for channel in Channel::ALL {
            let labels = ChannelLabels { channel: channel.as_str() };
            for family in [&self.accepted, &self.duplicates, &self.possible_repeats] {
                drop(family.get_or_create(&labels));
            }
        }
        for channel in WITH_KEYS {
            for result in FETCHES {
                drop(self.key_refreshes.get_or_create(&IssuerResultLabels { channel: channel.as_str(), result }));
            }
        }
        for order in Order::ALL {
            drop(self.orders.get_or_create(&OrderLabels { order: order.as_str() }));
        }
        for dialect in Dialect::ALL {
            drop(self.dialects.get_or_create(&DialectLabels { dialect: dialect.as_str() }));
        }
        for result in HANDSHAKES {
            drop(self.handshakes.get_or_create(&ResultLabels { result }));
        }
        for watch in Watch::ALL {
            drop(self.raised.get_or_create(&KindLabels { kind: watch.event().word() }));
        }
    }
}

impl Metrics {
    /// A request or item was refused on `path` (`calls`, `notifications`, `lifecycle`, `admin`, `other`).
    pub fn rejected(&self, path: &'static str, reason: Reason, now: Timestamp) {
        if GRAPHS_PATHS.contains(&path) {
            self.minutes.count(now, |counts| counts.n_refused += 1);
        }
        self.arrivals.rejected.get_or_create(&RejectedLabels { path, reason: reason.as_str() }).inc();
    }

    /// A notification was made durable.
    pub fn accepted(&self, channel: Channel, now: Timestamp) {
        self.minutes.count(now, |counts| counts.n_accepted += 1);
        self.arrivals.accepted.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A notification out of the quarantine was made durable. The minutes do not count it again: they tell what came in,
    /// and what became of it then.
    pub fn accepted_late(&self, channel: Channel) {
        self.arrivals.accepted.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A notification was recognised as a repeat.
    pub fn duplicate(&self, channel: Channel) {
        self.arrivals.duplicates.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A notification came in bytes that had come before, and nothing told a repeat from a change.
    pub fn possible_repeat(&self, channel: Channel) {
        self.arrivals.possible_repeats.get_or_create(&ChannelLabels { channel: channel.as_str() }).inc();
    }

    /// A known Graph id came with other bytes.
    pub fn id_conflict(&self) {
        self.arrivals.conflicts.inc();
    }

    /// Two open operations share a client context.
    pub fn ambiguous(&self) {
        self.arrivals.ambiguous.inc();
    }

    /// No route matched.
    pub fn unmatched(&self) {
        self.arrivals.unmatched.inc();
    }

    /// How a notification compares with the stored state of its operation.
    pub fn order(&self, order: Order) {
        self.arrivals.orders.get_or_create(&OrderLabels { order: order.as_str() }).inc();
    }

    /// A spelling that differs from the documentation was met.
    pub fn dialect(&self, dialect: Dialect) {
        self.arrivals.dialects.get_or_create(&DialectLabels { dialect: dialect.as_str() }).inc();
    }

    /// A handshake was answered (`ok`) or refused (`refused`).
    pub fn handshake(&self, result: &'static str) {
        self.arrivals.handshakes.get_or_create(&ResultLabels { result }).inc();
    }

    /// A provider's keys were fetched: `ok`, `failed`, `invalid` or `throttled`.
    pub fn key_refresh(&self, channel: Channel, result: &'static str) {
        self.arrivals.key_refreshes.get_or_create(&IssuerResultLabels { channel: channel.as_str(), result }).inc();
    }

    /// An operation was said to be overdue or lost.
    pub fn expectation_raised(&self, watch: Watch) {
        self.arrivals.raised.get_or_create(&KindLabels { kind: watch.event().word() }).inc();
    }
}
