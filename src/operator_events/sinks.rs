//! Which sinks were told to be paused, and what has changed since.
//!
//! **Invariants**
//! 1. An operator's pause and its end are told at once.
//! 2. A pause that reelhook made is told at most once a minute for each sink. It counts as over only when the sink does not
//!    fail any more: a sink that is down pauses again after each attempt, which is one pause.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::tally::PAUSE;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::{OperatorData, OperatorEvent, SinkName};
use crate::store::Report;

/// The path of a sink.
pub(super) fn path(sink: &str) -> String {
    format!("reelhook/sinks/{sink}")
}

/// Who paused a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Operator,
    Reelhook,
}

/// How a sink is now.
#[derive(Clone, Debug)]
pub(super) struct Now {
    sink: SinkName,
    operator_since: Option<Timestamp>,
    own_until: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    reason: Option<String>,
}

/// A change that is to be told.
#[derive(Clone, Debug)]
pub(super) struct Change {
    now: Now,
    /// `None`: it was resumed.
    paused: Option<By>,
    was: Option<By>,
}

/// What was told of the sinks.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    paused: BTreeMap<SinkName, By>,
    /// Until when no pause of reelhook's own is told, in steady time.
    quiet_until: BTreeMap<SinkName, Timestamp>,
}

impl Now {
    pub(super) fn of(sink: SinkName, pauses: &Pauses, conditions: &Conditions) -> Self {
        let condition = conditions.of(&sink);
        Self {
            operator_since: pauses.since(&sink),
            own_until: condition.paused_until,
            failing_since: condition.failing_since,
            reason: condition.last_failure.map(|failure| failure.reason),
            sink,
        }
    }

    /// Who pauses it, given who was told to pause it.
    fn paused(&self, told: Option<By>) -> Option<By> {
        let goes_on = told == Some(By::Reelhook) && self.failing_since.is_some();
        match (self.operator_since, self.own_until) {
            (Some(_since), _) => Some(By::Operator),
            (None, Some(_until)) => Some(By::Reelhook),
            (None, None) => goes_on.then_some(By::Reelhook),
        }
    }
}

impl Sinks {
    /// Begins with what is so at the start, which is not told.
    pub(super) fn begin(all: Vec<Now>) -> Self {
        let paused = all.into_iter().filter_map(|now| Some((now.sink.clone(), now.paused(None)?)));
        Self { paused: paused.collect(), quiet_until: BTreeMap::new() }
    }

    /// What is to be told now.
    pub(super) fn changes(&mut self, all: Vec<Now>, at: Timestamp) -> Vec<(SinkName, Change)> {
        self.paused.retain(|sink, _| all.iter().any(|now| now.sink == *sink));
        self.quiet_until.retain(|_, until| *until > at);
        let changes = all.into_iter().filter_map(|now| {
            let was = self.paused.get(&now.sink).copied();
            let paused = now.paused(was);
            let is_own = paused == Some(By::Reelhook) && was.is_none();
            let is_quiet = is_own && self.quiet_until.contains_key(&now.sink);
            (paused != was && !is_quiet).then(|| (now.sink.clone(), Change { now, paused, was }))
        });
        changes.collect()
    }

    /// A change was told.
    pub(super) fn told(&mut self, sink: SinkName, change: Change, at: Timestamp) {
        if change.paused == Some(By::Reelhook) {
            self.quiet_until.insert(sink.clone(), at.saturating_add(PAUSE).unwrap_or(Timestamp::MAX));
        }
        match change.paused {
            Some(by) => drop(self.paused.insert(sink, by)),
            None => drop(self.paused.remove(&sink)),
        }
    }
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Reelhook => "reelhook",
        }
    }
}

impl Change {
    pub(super) fn report(&self) -> Report {
        let sink = self.now.sink.as_str();
        let by = self.paused.or(self.was).unwrap_or(By::Reelhook);
        let data = OperatorData { sink: Some(sink.to_owned()), by: Some(by.as_str()), ..self.facts(sink) };
        let event = self.paused.map_or(OperatorEvent::SinkResumed, |_by| OperatorEvent::SinkPaused);
        Report { event, subject: path(sink), data }
    }

    fn facts(&self, sink: &str) -> OperatorData {
        let Now { operator_since, own_until, failing_since, reason, .. } = &self.now;
        match self.paused {
            Some(By::Operator) => {
                let message = format!("sink {sink} was paused by an operator");
                OperatorData { message, since: *operator_since, ..OperatorData::default() }
            }
            Some(By::Reelhook) => {
                let why = reason.as_deref().unwrap_or("no reason");
                let message = format!("sink {sink} is paused, because most attempts fail: {why}");
                let (since, until, reason) = (*failing_since, *own_until, reason.clone());
                OperatorData { message, since, until, reason, ..OperatorData::default() }
            }
            None => {
                // An operator may resume a sink that still fails.
                let ended = if self.was == Some(By::Operator) { "was resumed by an operator" } else { "works again" };
                OperatorData { message: format!("sink {sink} {ended}"), ..OperatorData::default() }
            }
        }
    }
}
