//! What the user can do about failures that may be no fault of the receiver: options of the command that may be wrong.

use std::collections::HashMap;

use super::check::Weight;
use super::checks::{AT_LIFECYCLE, DECRYPTED, DELIVERS_CHANGES, DELIVERS_RECORDINGS, ECHO, GENUINE_CALL};
use super::deliveries::Lost;
use super::ended::Ended;
use super::grading::{Outcome, Verdict};
use super::restart;
use crate::simulator::Paths;

/// What was found, and where.
pub(super) struct Found<'a> {
    pub verdicts: &'a [Verdict],
    /// Of checks that failed at an answer: its status.
    pub statuses: &'a HashMap<&'static str, u16>,
    pub paths: &'a Paths,
    /// How many of the items of the calls channel, and of the other, are lost, if some are.
    pub lost: [Option<Lost>; 2],
    /// How long deliveries were waited for, in words.
    pub waited: String,
    pub ended: &'a Option<Ended>,
}

impl Found<'_> {
    /// All hints, in the order in which a user can follow them.
    pub(super) fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = self.of_paths().chain(self.of_identity()).collect();
        hints.extend(self.of_deliveries());
        hints.extend(self.of_losses());
        let others = [self.of_content(), self.of_restart(), self.of_unseen(), self.ended.as_ref().map(Ended::hint)];
        hints.extend(others.into_iter().flatten().map(str::to_owned));
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

    fn weight(&self, name: &str) -> Option<Weight> {
        self.verdicts.iter().find(|verdict| verdict.name == name).map(|verdict| verdict.weight)
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
            (GENUINE_CALL, calls, "--calls-path. If it has no calls channel, use --channel subscriptions"),
            (ECHO, notifications, "--notifications-path. If it has no subscriptions channel, use --channel calls"),
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
                "the receiver refused a genuine token: does it trust this identity, and is --app-id its own? A run \
                 without --identity-dir FOLDER makes a new key, and reelhook fetches keys at most every 5 minutes"
                    .into(),
            ),
            503 => Some("the receiver answered 503: can it reach the keys at --identity-listen?".into()),
            _ => None,
        }
    }

    /// Of channels that deliver nothing at all.
    fn of_deliveries(&self) -> Option<String> {
        let is_seen = |name| self.outcome(name) == Some(&Outcome::Pass);
        let is_empty = |name| self.weight(name) == Some(Weight::Delivery) && self.has_failed(name);
        let (no_recordings, no_changes) = (is_empty(DELIVERS_RECORDINGS), is_empty(DELIVERS_CHANGES));
        let waited = &self.waited;
        if no_changes && is_seen(DELIVERS_RECORDINGS) {
            return Some(format!(
                "recordings were delivered, changes were not, within {waited}: does the receiver expect another \
                 clientState? See --client-state-env"
            ));
        }
        if no_changes {
            return Some(format!(
                "no change was delivered within {waited}: does the receiver deliver to the place that --observe names, \
                 and does it expect this clientState (see --client-state-env)?"
            ));
        }
        let is_observer_wrong = no_recordings && !is_seen(DELIVERS_CHANGES);
        is_observer_wrong.then(|| {
            format!(
                "nothing was delivered within {waited} after the last POST: does the receiver deliver to the place that \
                 --observe names, and that soon?"
            )
        })
    }

    /// Of channels that deliver some: that is a fault of the receiver.
    fn of_losses(&self) -> Option<String> {
        let lost: Vec<_> = self.lost.into_iter().flatten().collect();
        let (n_missing, n_accepted) =
            lost.iter().fold((0, 0), |sum, lost| (sum.0 + lost.n_missing, sum.1 + lost.n_accepted));
        (n_missing > 0).then(|| {
            format!(
                "{n_missing} of {n_accepted} genuine notifications that were answered 2xx were not delivered within {}: \
                 the receiver loses some",
                self.waited
            )
        })
    }

    fn of_content(&self) -> Option<&'static str> {
        self.has_failed(DECRYPTED).then_some(
            "changes were delivered, encrypted content was not: is it the receiver's certificate? See --certificate-key \
             (a missing file is made anew) and --certificate-id",
        )
    }

    fn of_restart(&self) -> Option<&'static str> {
        match self.outcome(restart::NAME) {
            Some(Outcome::Skip(why)) if why == restart::NOT_RESTARTED => Some(
                "--restart-command did not restart the receiver. Or a proxy kept the connection: then let --url name the \
                 receiver itself",
            ),
            Some(Outcome::Skip(why)) if why.starts_with(restart::COMMAND_FAILED) => Some(
                "--restart-command must kill the receiver, start it again, and end with exit code 0 within 60 s: try it \
                 in a shell",
            ),
            _ => None,
        }
    }

    /// Of forged notifications that were answered 2xx.
    fn of_unseen(&self) -> Option<&'static str> {
        let is_unseen = |verdict: &Verdict| verdict.weight == Weight::UnseenGuard && verdict.has_failed();
        // With an observer that saw nothing, that is what to look at.
        let is_observed = !matches!(self.outcome(DELIVERS_RECORDINGS), Some(Outcome::Skip(_)));
        (self.verdicts.iter().any(is_unseen) && !is_observed).then_some(
            "forged notifications were answered 2xx. If the receiver drops them afterwards, run with --observe: it shows \
             what was delivered",
        )
    }
}
