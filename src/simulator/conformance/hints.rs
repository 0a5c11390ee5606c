//! What the user can do about failures that may be no fault of the receiver: options of the command that may be wrong.

use std::collections::HashMap;

use super::checks::{AT_LIFECYCLE, DELIVERS_CHANGES, DELIVERS_RECORDINGS, ECHO, GENUINE_CALL};
use super::grading::{Outcome, Verdict};
use super::restart;
use crate::simulator::Paths;

/// What was found, and where.
pub(super) struct Found<'a> {
    pub verdicts: &'a [Verdict],
    /// Of checks that failed at an answer: its status.
    pub statuses: &'a HashMap<&'static str, u16>,
    pub paths: &'a Paths,
}

impl Found<'_> {
    /// All hints, in the order in which a user can follow them.
    pub(super) fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = self.of_paths().chain(self.of_identity()).collect();
        hints.extend(self.of_deliveries().map(str::to_owned));
        if matches!(self.outcome(restart::NAME), Some(Outcome::Skip(why)) if why == restart::NOT_RESTARTED) {
            hints.push(
                "--restart-command did not restart the receiver. Or a proxy kept the connection: then let --url name the \
                 receiver itself"
                    .into(),
            );
        }
        if self.verdicts.iter().any(Verdict::follows) {
            hints.push(
                "mend what failed, then run again. A check that follows from a failure was not judged: it can hide \
                 another fault"
                    .into(),
            );
        }
        hints
    }

    fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.verdicts.iter().find(|verdict| verdict.name == name).map(|verdict| &verdict.outcome)
    }

    fn has_failed(&self, name: &str) -> bool {
        matches!(self.outcome(name), Some(Outcome::Fail(_)))
    }

    /// The status that a check failed at.
    fn status(&self, name: &str) -> Option<u16> {
        self.statuses.get(name).copied().filter(|_| self.has_failed(name))
    }

    /// Each address is known by the first check that posts to it.
    fn of_paths(&self) -> impl Iterator<Item = String> {
        let Paths { calls, notifications, lifecycle } = self.paths;
        let addresses = [
            (GENUINE_CALL, calls, "--calls-path. If it has no calls channel, use --only subscriptions"),
            (ECHO, notifications, "--notifications-path. If it has no subscriptions channel, use --only calls"),
            (AT_LIFECYCLE, lifecycle, "--lifecycle-path"),
        ];
        addresses.into_iter().filter_map(|(check, path, options)| {
            let status = self.status(check).filter(|status| matches!(status, 404 | 405))?;
            // A query may hold a key.
            let path = path.split('?').next().unwrap_or_default();
            Some(format!("the receiver answered {status} at {path}. If its path is another, name it with {options}"))
        })
    }

    fn of_identity(&self) -> Option<String> {
        match self.status(GENUINE_CALL)? {
            401 | 403 => Some(
                "the receiver refused a genuine token: does it trust this identity, and is --app-id its own?".into(),
            ),
            503 => Some("the receiver answered 503: can it reach the keys at --identity-listen?".into()),
            _ => None,
        }
    }

    fn of_deliveries(&self) -> Option<&'static str> {
        let is_seen = |name| self.outcome(name) == Some(&Outcome::Pass);
        let (no_recordings, no_changes) = (self.has_failed(DELIVERS_RECORDINGS), self.has_failed(DELIVERS_CHANGES));
        if no_changes && is_seen(DELIVERS_RECORDINGS) {
            return Some(
                "recordings were delivered, changes were not: does the receiver expect another clientState? See \
                 --client-state-env",
            );
        }
        if no_changes {
            return Some(
                "no change was delivered: does the receiver deliver to the place that --observe names, and does it expect \
                 this clientState (see --client-state-env)?",
            );
        }
        let is_observer_wrong = no_recordings && !is_seen(DELIVERS_CHANGES);
        is_observer_wrong
            .then_some("nothing was delivered: does the receiver deliver to the place that --observe names?")
    }
}
