//! The number of connections, what they are doing, and why they end.
//!
//! Each thread of a listener counts its own connections: only it writes its numbers, so no request waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a connection is doing: the gauge's `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It is new, or a head is coming.
    Head,
    /// A body is coming.
    Body,
    /// Its request is being answered.
    Answering,
    /// It rests between two requests.
    Rest,
    /// It got its last answer.
    Over,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Head, Self::Body, Self::Answering, Self::Rest, Self::Over];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Body => "body",
            Self::Answering => "answering",
            Self::Rest => "rest",
            Self::Over => "over",
        }
    }
}

/// Why a connection ended: the counter's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The other side closed it, or it got its last answer.
    Done,
    /// It was idle too long.
    Rest,
    /// No complete head arrived in time.
    HeadTimeout,
    /// The client read no answers in time.
    Stalled,
    /// It gave its place to a new one.
    GaveWay,
    /// Its head gave its memory to others.
    HeadMemory,
    /// All places had a request at work.
    Busy,
    /// Its bytes were refused.
    Refused,
}

impl ConnectionEnd {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Rest,
        Self::HeadTimeout,
        Self::Stalled,
        Self::GaveWay,
        Self::HeadMemory,
        Self::Busy,
        Self::Refused,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rest => "rest_timeout",
            Self::HeadTimeout => "head_timeout",
            Self::Stalled => "stalled",
            Self::GaveWay => "gave_way",
            Self::HeadMemory => "head_memory",
            Self::Busy => "busy",
            Self::Refused => "refused",
        }
    }
}

/// The connections of one thread of a listener, by state.
#[derive(Debug, Default)]
pub struct ThreadConnections([AtomicI64; ConnectionState::ALL.len()]);

impl ThreadConnections {
    /// One more in `state`. Only the thread whose they are calls this.
    pub fn enter(&self, state: ConnectionState) {
        self.add(state, 1);
    }

    /// One less in `state`. Only the thread whose they are calls this.
    pub fn leave(&self, state: ConnectionState) {
        self.add(state, -1);
    }

    fn add(&self, state: ConnectionState, n: i64) {
        let count = &self.0[state as usize];
        // No other thread writes it.
        count.store(count.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    fn n(&self, state: ConnectionState) -> i64 {
        self.0[state as usize].load(Ordering::Relaxed)
    }
}

/// The listeners.
const LISTENERS: [&str; 3] = ["public", "admin", "probes"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    listener: &'static str,
    state: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    listener: &'static str,
    reason: &'static str,
}

/// The connections of all listeners.
#[derive(Debug, Default)]
pub struct Listeners {
    threads: Mutex<Vec<(&'static str, Arc<ThreadConnections>)>>,
    open: Family<StateLabels, Gauge>,
    closed: Family<EndLabels, Counter>,
}

impl Listeners {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections by what they are doing", self.open.clone());
        registry.register("connections_closed", "Ended connections by reason", self.closed.clone());
        for listener in LISTENERS {
            for state in ConnectionState::ALL {
                drop(self.open.get_or_create(&StateLabels { listener, state: state.as_str() }));
            }
            for end in ConnectionEnd::ALL {
                drop(self.closed.get_or_create(&EndLabels { listener, reason: end.as_str() }));
            }
        }
    }

    /// For the connections of one more thread of `listener` (`public`, `admin`, `probes`).
    pub fn thread(&self, listener: &'static str) -> Arc<ThreadConnections> {
        let thread = Arc::new(ThreadConnections::default());
        self.threads.lock().push((listener, Arc::clone(&thread)));
        thread
    }

    /// A connection of `listener` ended.
    pub fn closed(&self, listener: &'static str, end: ConnectionEnd) {
        self.closed.get_or_create(&EndLabels { listener, reason: end.as_str() }).inc();
    }

    /// Sets the gauges to what there is now.
    pub(super) fn count(&self) {
        let threads = self.threads.lock();
        for (listener, _thread) in threads.iter() {
            for state in ConnectionState::ALL {
                let of_listener = threads.iter().filter(|(name, _thread)| name == listener);
                let n = of_listener.map(|(_name, thread)| thread.n(state)).sum();
                self.open.get_or_create(&StateLabels { listener, state: state.as_str() }).set(n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_a_listener_are_counted_together() {
        let listeners = Listeners::default();
        let (one, two, other) = (listeners.thread("public"), listeners.thread("public"), listeners.thread("admin"));
        one.enter(ConnectionState::Head);
        two.enter(ConnectionState::Head);
        two.enter(ConnectionState::Rest);
        other.enter(ConnectionState::Rest);
        one.leave(ConnectionState::Head);
        listeners.count();
        let n = |listener, state: ConnectionState| {
            listeners.open.get_or_create(&StateLabels { listener, state: state.as_str() }).get()
        };
        assert_eq!(n("public", ConnectionState::Head), 1);
        assert_eq!((n("public", ConnectionState::Rest), n("admin", ConnectionState::Rest)), (1, 1));
        assert_eq!(n("admin", ConnectionState::Body), 0);
    }
}
