//! What happened since somebody last looked: dead letters by sink, and quarantined notifications by reason. So that an
//! event can tell of them with a count.
//!
//! **Invariants**
//! 1. It holds one entry a sink and a reason, however much happens and whether or not anybody looks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::Metrics;
use crate::domain::Reason;

/// What happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    dead_letters: Mutex<BTreeMap<String, Incident>>,
    quarantined: Mutex<BTreeMap<&'static str, Incident>>,
}

/// Things of one kind that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// How many.
    pub n: u64,
    /// When the first of them happened, by the machine's clock.
    pub since: Timestamp,
    /// The reason of the last one, without any secret.
    pub reason: String,
}

impl Incident {
    fn one(at: Timestamp, reason: &str) -> Self {
        Self { n: 1, since: at, reason: reason.to_owned() }
    }

    /// Adds it to what is known of the same.
    pub fn add_to<K: Ord>(self, known: &mut BTreeMap<K, Self>, of: K) {
        match known.get_mut(&of) {
            Some(earlier) => {
                earlier.n = earlier.n.saturating_add(self.n);
                earlier.reason = self.reason;
            }
            None => drop(known.insert(of, self)),
        }
    }
}

impl Metrics {
    /// A delivery to a sink was given up.
    pub fn dead_letter(&self, sink: &str, at: Timestamp, reason: &str) {
        Incident::one(at, reason).add_to(&mut self.incidents.dead_letters.lock(), sink.to_owned());
    }

    /// A notification was quarantined.
    pub fn in_quarantine(&self, reason: Reason, at: Timestamp) {
        let reason = reason.as_str();
        Incident::one(at, reason).add_to(&mut self.incidents.quarantined.lock(), reason);
    }

    /// The deliveries that were given up since the last call, by sink.
    pub fn take_dead_letters(&self) -> BTreeMap<String, Incident> {
        std::mem::take(&mut *self.incidents.dead_letters.lock())
    }

    /// The notifications that were quarantined since the last call, by reason.
    pub fn take_quarantined(&self) -> BTreeMap<&'static str, Incident> {
        std::mem::take(&mut *self.incidents.quarantined.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_dead_letters_are_one_entry_with_their_number() {
        let metrics = Metrics::new();
        let at = |n: i64| Timestamp::from_second(n).unwrap();
        for n in 0..100_000 {
            metrics.dead_letter("crm", at(n), &format!("attempt {n}"));
        }
        let one = Incident { n: 100_000, since: at(0), reason: "attempt 99999".into() };
        assert_eq!(metrics.take_dead_letters(), BTreeMap::from([("crm".to_owned(), one)]));
        assert!(metrics.take_dead_letters().is_empty());
    }
}
