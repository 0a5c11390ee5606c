//! Counts things that may happen often, and says when to tell of them: at once, and then at most once a minute for each
//! sink or reason.
//!
//! **Invariants**
//! 1. Nothing that was counted is lost before it is told, while the server runs. After a restart the counts begin at 0.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::telemetry::Incident;

/// How long after an event about one sink or reason the next one may come.
pub const PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// What waits to be told, by sink or reason.
#[derive(Debug, Default)]
pub struct Tally {
    waiting: BTreeMap<String, Incident>,
    /// Until when nothing is told, in steady time.
    quiet_until: BTreeMap<String, Timestamp>,
}

impl Tally {
    /// Adds what happened.
    pub fn add(&mut self, of: &str, happened: Incident) {
        happened.add_to(&mut self.waiting, of.to_owned());
    }

    /// What may be told now, in steady time.
    pub fn due(&self, now: Timestamp) -> Vec<(String, Incident)> {
        let is_quiet = |of: &str| self.quiet_until.get(of).is_some_and(|until| *until > now);
        let due = self.waiting.iter().filter(|(of, _)| !is_quiet(of));
        due.map(|(of, incident)| (of.clone(), incident.clone())).collect()
    }

    /// What waited for `of` was told.
    pub fn told(&mut self, of: &str, now: Timestamp) {
        self.waiting.remove(of);
        self.quiet_until.retain(|_, until| *until > now);
        self.quiet_until.insert(of.to_owned(), now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn incident(n: u64, second: i64) -> Incident {
        Incident { n, since: at(second), reason: format!("at {second}") }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_next_ones_together_after_a_minute() {
        let mut tally = Tally::default();
        tally.add("crm", incident(1, 10));
        assert_eq!(tally.due(at(10)), [("crm".to_owned(), incident(1, 10))]);
        tally.told("crm", at(10));
        for second in 11..=20 {
            tally.add("crm", incident(5, second));
        }
        tally.add("archive", incident(1, 20));
        assert_eq!(tally.due(at(20)), [("archive".to_owned(), incident(1, 20))]);
        tally.told("archive", at(20));
        assert!(tally.due(at(69)).is_empty());
        let together = Incident { n: 50, since: at(11), reason: "at 20".into() };
        assert_eq!(tally.due(at(70)), [("crm".to_owned(), together)]);
    }

    #[test]
    fn what_could_not_be_told_waits() {
        let mut tally = Tally::default();
        tally.add("crm", incident(1, 10));
        tally.due(at(10));
        tally.add("crm", incident(1, 11));
        assert_eq!(tally.due(at(11))[0].1.n, 2);
    }
}
