//! What goes on: a sink is paused, answers are slow, the disk is low. And what was told of it.
//!
//! **Invariants**
//! 1. What goes on is told once to each sink that a route names for it: also to one that a route names later.
//! 2. What was told is kept over a restart, so nothing is told again by the next process, and no end is forgotten.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::NewDelivery;
use crate::store::{Report, Told};

/// The state of what does not go on.
pub(super) const OVER: &str = "over";

/// How something is.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// What it is about.
    pub(super) subject: String,
    /// [`OVER`], or how it goes on.
    pub(super) state: &'static str,
    /// The event that tells it. `None`: its end is not told.
    pub(super) report: Option<Report>,
}

/// What was told, by its subject.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Told>);

impl From<Vec<Told>> for Known {
    fn from(kept: Vec<Told>) -> Self {
        Self(kept.into_iter().map(|told| (told.subject.clone(), told)).collect())
    }
}

impl Known {
    /// The state that was told last.
    pub(super) fn state(&self, subject: &str) -> &str {
        self.0.get(subject).map_or(OVER, |told| &told.state)
    }

    /// Whether a beginning was told less than `pause` ago.
    pub(super) fn is_quiet(&self, subject: &str, pause: SignedDuration, now: Timestamp) -> bool {
        self.0.get(subject).is_some_and(|told| told.at.saturating_add(pause).is_ok_and(|until| until > now))
    }

    /// What is kept if this is told now. Of `deliveries`, those are left that are to be made. `None`: nothing is to be told.
    pub(super) fn next(&self, now: &Standing, deliveries: &mut Vec<NewDelivery>, at: Timestamp) -> Option<Told> {
        let known = self.0.get(&now.subject);
        let goes_on = known.filter(|known| known.state == now.state);
        if let Some(known) = goes_on {
            deliveries.retain(|new| !known.to.contains(&new.sink));
        }
        let is_old = if goes_on.is_some() { deliveries.is_empty() } else { known.is_none() && now.state == OVER };
        if is_old || (goes_on.is_some() && now.state == OVER) {
            return None;
        }
        let mut to = goes_on.map(|known| known.to.clone()).unwrap_or_default();
        to.extend(deliveries.iter().map(|new| new.sink.clone()));
        let begins = goes_on.is_none() && now.state != OVER;
        let at = known.filter(|_| !begins).map_or(at, |known| known.at);
        Some(Told { subject: now.subject.clone(), state: now.state.to_owned(), to, at })
    }

    /// It was told.
    pub(super) fn keep(&mut self, told: Told) {
        self.0.insert(told.subject.clone(), told);
    }

    /// The subjects that begin with this text and are none of these.
    pub(super) fn others(&self, beginning: &str, subjects: &[String]) -> Vec<String> {
        let all = self.0.keys().filter(|subject| subject.starts_with(beginning) && !subjects.contains(subject));
        all.cloned().collect()
    }

    /// Forgets subjects.
    pub(super) fn forget(&mut self, subjects: &[String]) {
        self.0.retain(|subject, _| !subjects.contains(subject));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RouteName, SinkName};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn to(sinks: &[&str]) -> Vec<NewDelivery> {
        let route = || RouteName::new("operators");
        let new = |sink: &&str| NewDelivery { sink: SinkName::new(sink), route: route(), captures: BTreeMap::new() };
        sinks.iter().map(new).collect()
    }

    /// Tells it where it is to be told; to whom.
    fn told(known: &mut Known, state: &'static str, sinks: &[&str], second: i64) -> Option<Vec<String>> {
        let mut deliveries = to(sinks);
        let now = Standing { subject: "reelhook/disk".into(), state, report: None };
        known.keep(known.next(&now, &mut deliveries, at(second))?);
        Some(deliveries.iter().map(|new| new.sink.to_string()).collect())
    }

    #[test]
    fn what_goes_on_is_told_once_to_each_sink_and_its_end_to_all() {
        let mut known = Known::default();
        assert_eq!(told(&mut known, OVER, &["mail"], 1), None, "it never began");
        assert_eq!(told(&mut known, "low", &["mail"], 2).unwrap(), ["mail"]);
        assert_eq!(told(&mut known, "low", &["mail"], 3), None);
        assert_eq!(told(&mut known, "low", &["chat", "mail"], 4).unwrap(), ["chat"], "a route names it now");
        let mut known = Known::from(known.0.into_values().collect::<Vec<_>>());
        assert_eq!(told(&mut known, "low", &["chat", "mail"], 5), None, "after a restart too");
        assert_eq!(told(&mut known, OVER, &["chat", "mail"], 6).unwrap(), ["chat", "mail"]);
        assert_eq!(told(&mut known, OVER, &["chat", "mail", "late"], 7), None);
        assert!(known.is_quiet("reelhook/disk", SignedDuration::from_secs(10), at(11)), "since its beginning was told");
        assert!(!known.is_quiet("reelhook/disk", SignedDuration::from_secs(10), at(12)));
        assert_eq!(told(&mut known, "low", &["mail"], 8).unwrap(), ["mail"]);
    }

    #[test]
    fn what_nobody_was_told_is_told_to_the_first_who_is_named() {
        let mut known = Known::default();
        assert_eq!(told(&mut known, "low", &[], 1).unwrap(), [""; 0]);
        assert_eq!(told(&mut known, "low", &["mail"], 2).unwrap(), ["mail"]);
    }
}
