//! Sinks: a summary of each, pause and resume.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Operator, OperatorError};
use crate::dispatch::Condition;
use crate::domain::SinkName;
use crate::store::{Backlog, Failure, Oldest, StoreError};
use crate::wording;

/// The state of a sink. If several apply, the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    /// The config does not have it any more; deliveries, dead letters or an operator's pause of it are left.
    Removed,
    /// An operator paused it.
    PausedByOperator,
    /// Its last three attempts failed; or one failed, other than by a refusal of its event, and nothing was delivered in the
    /// 3 s before its end, if ever. Until an attempt succeeds.
    Failing,
    /// reelhook makes no attempt for a while, because most of the last attempts failed (429, 503 or no connection).
    PausedByReelhook,
    /// None of the others.
    Active,
}

impl SinkState {
    /// Its name in the API and in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::PausedByOperator => "pausedByOperator",
            Self::Failing => "failing",
            Self::PausedByReelhook => "pausedByReelhook",
            Self::Active => "active",
        }
    }
}

/// The state of a sink, and its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSummary {
    /// Its name.
    pub name: SinkName,
    /// Its state.
    pub state: SinkState,
    /// Since when it is in this state, if that is known: an operator paused it, or it fails.
    pub since: Option<Timestamp>,
    /// Since when an operator pauses it. A pause of a removed sink holds again if the sink comes back.
    pub operator_paused_since: Option<Timestamp>,
    /// Until when reelhook makes no attempt, because most of the last attempts failed.
    pub paused_until: Option<Timestamp>,
    /// The last attempt that failed.
    pub last_failure: Option<Failure>,
    /// When the last attempt that delivered began, if this process made one.
    pub last_delivered: Option<Timestamp>,
    /// When the next attempt is due, if a delivery waits for it.
    pub next_attempt: Option<Timestamp>,
    /// Deliveries that wait.
    pub n_open: u64,
    /// Dead letters.
    pub n_dead: u64,
    /// The delivery that waits and was created first.
    pub oldest: Option<Oldest>,
}

impl SinkSummary {
    /// Whether the config has it.
    pub fn is_configured(&self) -> bool {
        self.state != SinkState::Removed
    }

    /// Whether an operator paused it, also if the config does not have it.
    pub fn is_paused(&self) -> bool {
        self.operator_paused_since.is_some()
    }

    /// What to do if deliveries or an operator's pause wait although the config does not have the sink. `number` formats
    /// the number of deliveries.
    pub fn hint(&self, number: impl Fn(u64) -> String) -> Option<String> {
        if self.is_configured() {
            return None;
        }
        let name = self.name.as_str();
        let stuck = (self.n_open > 0).then(|| wording::sink_is_gone(name, self.n_open, &number(self.n_open)));
        let paused = self.operator_paused_since.map(|since| wording::pause_of_gone_sink(name, since));
        let hints: Vec<String> = stuck.into_iter().chain(paused).collect();
        (!hints.is_empty()).then(|| hints.join(". "))
    }
}

impl Operator {
    /// All sinks of the config, in its order, then the removed sinks of which deliveries, dead letters or an operator's
    /// pause are left.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn sink_summaries(&self) -> Result<Vec<SinkSummary>, StoreError> {
        let backlogs = self.store.backlog().await?;
        let configured = self.running.now().sink_names();
        let mut others: BTreeSet<SinkName> = self.pauses.all().into_keys().collect();
        others.extend(backlogs.keys().cloned());
        let others = others.iter().filter(|name| !configured.contains(name));
        let mut summaries = Vec::new();
        for name in configured.iter().chain(others) {
            summaries.push(self.summary(name, backlogs.get(name)).await?);
        }
        Ok(summaries)
    }

    /// One sink of the config, or a removed one of which something is left.
    ///
    /// # Errors
    /// There is no sink with this name, or the store could not be read.
    pub async fn sink_summary(&self, name: &SinkName) -> Result<SinkSummary, OperatorError> {
        let backlogs = self.store.backlog().await?;
        let is_known = self.has_sink(name) || backlogs.contains_key(name) || self.pauses.is_paused(name);
        if is_known { Ok(self.summary(name, backlogs.get(name)).await?) } else { Err(OperatorError::Missing) }
    }

    /// The state of a sink. Asks no store.
    pub fn sink_state(&self, name: &SinkName) -> SinkState {
        self.state(name, &self.conditions.of(name))
    }

    /// Pauses a sink: its deliveries wait, and none is attempted.
    ///
    /// # Errors
    /// The config has no such sink, or the store failed. Nothing was changed.
    pub async fn pause(&self, name: &SinkName, who: &str) -> Result<(), OperatorError> {
        self.must_have(name)?;
        if self.pauses.pause(name).await? {
            tracing::info!(caller = who, sink = %name, "a sink was paused");
        }
        Ok(())
    }

    /// Resumes a sink: all that waits for it is attempted now. A sink that is not paused stays as it is. If the config
    /// does not have the sink, only its pause ends.
    ///
    /// # Errors
    /// The config has no such sink and nobody paused it, or the store failed. The sink is paused as before; the caller may
    /// try again.
    pub async fn resume(&self, name: &SinkName, who: &str) -> Result<(), OperatorError> {
        let (is_paused, is_configured) = (self.pauses.is_paused(name), self.has_sink(name));
        if !is_paused {
            self.must_have(name)?;
        }
        if is_paused && is_configured {
            self.store.make_due(name).await?;
            self.pauses.end_own(name);
        }
        if self.pauses.resume(name).await? {
            tracing::info!(caller = who, sink = %name, "a sink was resumed");
        }
        Ok(())
    }

    /// Whether the config has a sink.
    pub fn has_sink(&self, name: &SinkName) -> bool {
        self.running.now().sink(name.as_str()).is_some()
    }

    fn must_have(&self, name: &SinkName) -> Result<(), OperatorError> {
        if self.has_sink(name) { Ok(()) } else { Err(OperatorError::Missing) }
    }

    /// Refuses a sink that the config does not have, although it may have deliveries.
    pub(super) fn must_be_configured(&self, name: &SinkName) -> Result<(), OperatorError> {
        if self.has_sink(name) { Ok(()) } else { Err(OperatorError::NotConfigured(name.clone())) }
    }

    async fn summary(&self, name: &SinkName, backlog: Option<&Backlog>) -> Result<SinkSummary, StoreError> {
        let condition = self.conditions.of(name);
        let state = self.state(name, &condition);
        let paused_until = condition.paused_until.filter(|until| *until > self.clock.now());
        let next_attempt = match state {
            SinkState::Removed | SinkState::PausedByOperator => None,
            // A delivery that is due waits for the end of the pause.
            _ => {
                let due = match self.conditions.holds_any(name) {
                    true => Some(self.clock.now()),
                    false => self.store.next_due(name).await?.map(|at| self.clock.shown(at)),
                };
                due.map(|due| due.max(paused_until.unwrap_or(due)))
            }
        };
        Ok(SinkSummary {
            name: name.clone(),
            state,
            operator_paused_since: self.pauses.since(name),
            since: match state {
                SinkState::PausedByOperator => self.pauses.since(name),
                SinkState::Failing => condition.failing_since,
                SinkState::Removed | SinkState::PausedByReelhook | SinkState::Active => None,
            },
            paused_until,
            last_failure: condition.last_failure,
            last_delivered: condition.last_delivered,
            next_attempt,
            n_open: backlog.map_or(0, |it| it.n_open),
            n_dead: backlog.map_or(0, |it| it.n_dead),
            oldest: backlog.and_then(|it| it.oldest),
        })
    }

    fn state(&self, name: &SinkName, condition: &Condition) -> SinkState {
        if !self.has_sink(name) {
            SinkState::Removed
        } else if self.pauses.is_paused(name) {
            SinkState::PausedByOperator
        } else if condition.failing_since.is_some() {
            SinkState::Failing
        } else if condition.paused_until.is_some_and(|until| until > self.clock.now()) {
            SinkState::PausedByReelhook
        } else {
            SinkState::Active
        }
    }
}
