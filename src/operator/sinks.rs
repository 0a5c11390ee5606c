//! Sinks: a summary of each, pause and resume.

use std::collections::BTreeMap;

use super::{Operator, OperatorError};
use crate::domain::SinkName;
use crate::store::{Backlog, FailedAttempt, Oldest, StoreError};
use crate::wording;

/// The state of a sink in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSummary {
    /// Its name.
    pub name: SinkName,
    /// Whether the config has it.
    pub is_configured: bool,
    /// Whether an operator paused it.
    pub is_paused: bool,
    /// Deliveries that wait.
    pub n_open: u64,
    /// Dead letters.
    pub n_dead: u64,
    /// The delivery that has waited longest.
    pub oldest: Option<Oldest>,
}

impl SinkSummary {
    /// What to do if deliveries wait although the config does not have the sink. `number` formats their number.
    pub fn hint(&self, number: impl Fn(u64) -> String) -> Option<String> {
        let is_stuck = !self.is_configured && self.n_open > 0;
        is_stuck.then(|| wording::sink_is_gone(self.name.as_str(), self.n_open, &number(self.n_open)))
    }
}

impl Operator {
    /// All sinks of the config, in its order, then the removed sinks that still have deliveries or dead letters.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn sink_summaries(&self) -> Result<Vec<SinkSummary>, StoreError> {
        let backlogs = self.store.backlog().await?;
        let configured = self.running.now().sink_names();
        let others = backlogs.keys().filter(|name| !configured.contains(name));
        Ok(configured.iter().chain(others).map(|name| self.summary(name, &backlogs)).collect())
    }

    /// One sink of the config, or a removed one that still has deliveries or dead letters.
    ///
    /// # Errors
    /// There is no sink with this name, or the store could not be read.
    pub async fn sink_summary(&self, name: &SinkName) -> Result<SinkSummary, OperatorError> {
        let backlogs = self.store.backlog().await?;
        let is_known = self.has_sink(name) || backlogs.contains_key(name);
        if is_known { Ok(self.summary(name, &backlogs)) } else { Err(OperatorError::Missing) }
    }

    /// The last failed attempt of the deliveries that wait for a sink, if one has failed.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn last_failure(&self, name: &SinkName) -> Result<Option<FailedAttempt>, StoreError> {
        self.store.last_failure(name).await
    }

    /// Pauses a sink: its deliveries wait, and none is attempted.
    ///
    /// # Errors
    /// The config has no such sink, or the store failed. Nothing was changed.
    pub async fn pause(&self, name: &SinkName, who: &str) -> Result<(), OperatorError> {
        self.must_have(name)?;
        if self.pauses.pause(name).await? {
            tracing::info!(who, sink = %name, "a sink was paused");
        }
        Ok(())
    }

    /// Resumes a sink: all that waits for it is attempted now. A sink that is not paused stays as it is.
    ///
    /// # Errors
    /// The config has no such sink, or the store failed. The sink is paused as before; the caller may try again.
    pub async fn resume(&self, name: &SinkName, who: &str) -> Result<(), OperatorError> {
        self.must_have(name)?;
        if self.pauses.is_paused(name) {
            self.store.make_due(name).await?;
            self.pauses.end_own(name);
        }
        if self.pauses.resume(name).await? {
            tracing::info!(who, sink = %name, "a sink was resumed");
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

    fn summary(&self, name: &SinkName, backlogs: &BTreeMap<SinkName, Backlog>) -> SinkSummary {
        let backlog = backlogs.get(name);
        SinkSummary {
            name: name.clone(),
            is_configured: self.has_sink(name),
            is_paused: self.pauses.is_paused(name),
            n_open: backlog.map_or(0, |it| it.n_open),
            n_dead: backlog.map_or(0, |it| it.n_dead),
            oldest: backlog.and_then(|it| it.oldest),
        }
    }
}
