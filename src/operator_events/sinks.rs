//! Which sinks are paused, and the events that tell it.
//!
//! **Invariants**
//! 1. An operator's pause and its end are told at once.
//! 2. A pause that reelhook made is told at most once a minute for each sink. It counts as over only when the sink does not
//!    fail any more: a sink that is down pauses again after each attempt, which is one pause.

use jiff::Timestamp;

use super::standing::{Known, OVER, Standing};
use super::tally::PAUSE;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::{OperatorData, OperatorEvent, SinkName};
use crate::store::Report;

/// What the path of every sink begins with.
pub(super) const PATHS: &str = "reelhook/sinks/";

/// The path of a sink.
pub(super) fn path(sink: &str) -> String {
    format!("{PATHS}{sink}")
}

/// Who paused a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
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

/// How it is, and was.
#[derive(Clone, Debug)]
struct Change {
    now: Now,
    /// `None`: it was resumed.
    paused: Option<By>,
    was: Option<By>,
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

    /// How it is, where that may have to be told.
    pub(super) fn standing(self, known: &Known, at: Timestamp) -> Option<Standing> {
        let subject = path(self.sink.as_str());
        let was = By::parse(known.state(&subject));
        let paused = self.paused(was);
        let begins_by_itself = paused == Some(By::Reelhook) && was.is_none();
        if (paused.is_none() && was.is_none()) || (begins_by_itself && known.is_quiet(&subject, PAUSE, at)) {
            return None;
        }
        let report = Change { now: self, paused, was }.report();
        Some(Standing { subject, state: paused.map_or(OVER, By::as_str), report: Some(report) })
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

impl By {
    fn parse(state: &str) -> Option<Self> {
        [Self::Operator, Self::Reelhook].into_iter().find(|by| by.as_str() == state)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Reelhook => "reelhook",
        }
    }
}

impl Change {
    fn report(&self) -> Report {
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
