//! How the quarantine entries were judged that an operator's job had verified again: the job only asks, and the intake
//! judges later.
//!
//! **Invariants**
//! 1. An entry counts once for a job, and only if that job asked for it.
//! 2. Nothing stays of a job that is forgotten.

use std::collections::{BTreeMap, HashSet};

use parking_lot::Mutex;

/// How many entries of a job were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Those that were accepted.
    pub n_accepted: u64,
    /// Those that were refused again.
    pub n_refused: u64,
}

/// What a job asked for.
#[derive(Debug, Default)]
struct Asked {
    /// The entries that were not judged yet.
    open: HashSet<i64>,
    judged: Judged,
}

/// The verdicts on the entries of each job, by its number.
#[derive(Debug, Default)]
pub struct Verdicts {
    of: Mutex<BTreeMap<u64, Asked>>,
}

impl Verdicts {
    /// A job wants to know how these entries are judged. Call it before they are asked for.
    pub fn ask(&self, job: u64, entries: &[i64]) {
        self.of.lock().entry(job).or_default().open.extend(entries);
    }

    /// An entry was judged.
    pub fn tell(&self, entry: i64, is_accepted: bool) {
        for asked in self.of.lock().values_mut().filter_map(|asked| asked.open.remove(&entry).then_some(asked)) {
            match is_accepted {
                true => asked.judged.n_accepted += 1,
                false => asked.judged.n_refused += 1,
            }
        }
    }

    /// What is known of a job's entries.
    pub fn of(&self, job: u64) -> Judged {
        self.of.lock().get(&job).map(|asked| asked.judged).unwrap_or_default()
    }

    /// Forgets the jobs before this one.
    pub fn forget_before(&self, job: u64) {
        let mut of = self.of.lock();
        *of = of.split_off(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_once_and_for_those_that_asked() {
        let verdicts = Verdicts::default();
        verdicts.ask(1, &[7, 8]);
        verdicts.ask(2, &[8, 9]);
        for (entry, is_accepted) in [(7, true), (7, false), (8, false), (10, true)] {
            verdicts.tell(entry, is_accepted);
        }
        assert_eq!(verdicts.of(1), Judged { n_accepted: 1, n_refused: 1 });
        assert_eq!(verdicts.of(2), Judged { n_accepted: 0, n_refused: 1 });
        assert_eq!(verdicts.of(3), Judged::default());
        verdicts.forget_before(2);
        verdicts.tell(9, true);
        assert_eq!((verdicts.of(1), verdicts.of(2).n_accepted), (Judged::default(), 1));
    }
}
