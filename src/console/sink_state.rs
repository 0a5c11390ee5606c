//! The state of a sink, and what is known of its attempts, for the pages that show a sink.

use jiff::Timestamp;

use super::format::{duration, instant};
use crate::clock::between;
use crate::operator::{SinkState, SinkSummary};

/// A state as a badge.
pub(super) struct Badge {
    /// The class of its colour.
    pub(super) tone: &'static str,
    /// Its name for tests.
    pub(super) hook: &'static str,
    /// What it says.
    pub(super) words: &'static str,
}

impl From<SinkState> for Badge {
    fn from(state: SinkState) -> Self {
        let (tone, hook, words) = match state {
            SinkState::Removed => ("quiet", "removed", "removed"),
            SinkState::PausedByOperator => ("warn", "paused", "paused by an operator"),
            SinkState::Failing => ("bad", "failing", "failing"),
            SinkState::PausedByReelhook => ("warn", "paused-by-reelhook", "paused by reelhook"),
            SinkState::Active => ("good", "delivering", "active"),
        };
        Self { tone, hook, words }
    }
}

/// The state in sentences.
pub(super) fn sentences(sink: &SinkSummary, now: Timestamp) -> Vec<String> {
    let mut told = vec![of_state(sink)];
    if let Some(until) = sink.paused_until.filter(|_| sink.state != SinkState::PausedByOperator) {
        told.push(format!(
            "reelhook pauses it until {}: no attempt is made before, because most of the last attempts failed.",
            instant(until)
        ));
    }
    if let Some(failure) = &sink.last_failure {
        told.push(format!("The last failed attempt was at {}: {}", instant(failure.at), failure.reason));
    }
    if let Some(at) = sink.last_delivered {
        told.push(format!("The last successful attempt was at {}.", instant(at)));
    }
    told.extend(sink.next_attempt.map(|at| of_next(at, now)));
    told
}

fn of_state(sink: &SinkSummary) -> String {
    let since = |word: &str| sink.since.map(|at| format!(" {word} {}", instant(at))).unwrap_or_default();
    match sink.state {
        SinkState::Removed => "It is not in the config any more.".into(),
        SinkState::PausedByOperator => {
            format!("An operator paused it{}: its deliveries wait until somebody resumes it.", since("at"))
        }
        SinkState::Failing => format!("It is failing: all attempts{} failed.", since("since")),
        SinkState::PausedByReelhook => "It is paused by reelhook.".into(),
        SinkState::Active if sink.n_open == 0 => "It is active, and no delivery waits.".into(),
        SinkState::Active => "It is active.".into(),
    }
}

fn of_next(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        "A delivery is due now.".into()
    } else {
        format!("The next attempt is in {}, at {}.", duration(between(now, at)), instant(at))
    }
}
