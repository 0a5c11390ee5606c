//! Verdicts, and the grade that they make.
//!
//! **Invariants**
//! 1. A check that was not made has its reason, and counts neither for nor against the receiver.
//! 2. No grade says more than was seen: without its deliveries a receiver gets no A and no B.

use serde_json::{Value, json};

use super::check::{Channel, Level, Source, Weight};

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Pass,
    /// It failed: what was found.
    Fail(String),
    /// It was not made, or tells nothing: why.
    Skip(String),
}

/// One check with its result.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The check's name.
    pub name: &'static str,
    /// What it is about.
    pub channel: Channel,
    /// How much it matters.
    pub level: Level,
    /// The expectation in words.
    pub expected: String,
    /// The reason for it, and where it stands.
    pub source: Source,
    /// The result.
    pub outcome: Outcome,
    /// How much hangs on it.
    pub weight: Weight,
}

/// All verdicts, and what limits the grade.
#[derive(Clone, Debug, Default)]
pub struct Grade {
    /// In the order of the checks.
    pub verdicts: Vec<Verdict>,
    /// What was not seen, and what would show it.
    pub not_seen: Vec<&'static str>,
    /// Why the grade is no better than C, whatever the checks found.
    pub no_better_than_c: Option<&'static str>,
    /// Why not every check could be made: the receiver hangs, or is gone.
    pub ended: Option<String>,
}

impl Verdict {
    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Fail(_))
    }
}

impl Grade {
    /// How many checks of a level passed, and how many were made.
    pub fn passed(&self, level: Level) -> (usize, usize) {
        let of_level = || self.verdicts.iter().filter(|verdict| verdict.level == level);
        let passed = of_level().filter(|verdict| verdict.outcome == Outcome::Pass).count();
        (passed, passed + of_level().filter(|verdict| verdict.has_failed()).count())
    }

    fn n_failed(&self, level: Level) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.level == level && verdict.has_failed()).count()
    }

    /// Whether no `must` failed, every check could be made, and at least one `must` was.
    pub fn is_conformant(&self) -> bool {
        let (passed, judged) = self.passed(Level::Must);
        passed == judged && judged > 0 && self.ended.is_none()
    }

    /// Whether no channel takes a genuine notification.
    fn is_of_no_use(&self) -> bool {
        let entries = || self.verdicts.iter().filter(|verdict| verdict.weight == Weight::Entry);
        let is_open = |channel| {
            let of_channel = || entries().filter(move |verdict| verdict.channel == channel);
            of_channel().next().is_some() && of_channel().all(|verdict| verdict.outcome == Outcome::Pass)
        };
        entries().next().is_some() && !is_open(Channel::Calls) && !is_open(Channel::Subscriptions)
    }

    /// The grade: see [`Grade::reason`].
    pub fn letter(&self) -> char {
        self.letter_and_reason().0
    }

    /// Why it is this grade.
    pub fn reason(&self) -> String {
        self.letter_and_reason().1
    }

    fn letter_and_reason(&self) -> (char, String) {
        let (n_musts, n_shoulds) = (self.n_failed(Level::Must), self.n_failed(Level::Should));
        let fundamental = self.verdicts.iter().find(|verdict| verdict.weight != Weight::Itself && verdict.has_failed());
        let (_, n_judged) = self.passed(Level::Must);
        if let Some(ended) = &self.ended {
            return ('F', ended.clone());
        }
        match (n_musts, fundamental, self.no_better_than_c) {
            _ if n_judged == 0 => ('F', "no must could be checked".into()),
            _ if self.is_of_no_use() => ('F', "no channel takes a genuine notification".into()),
            (n, ..) if n * 2 > n_judged => ('F', format!("{n} of {n_judged} musts failed")),
            (_, Some(verdict), _) => ('D', format!("{} failed, and much follows from it", verdict.name)),
            (n @ 2.., ..) => ('D', format!("{n} musts failed")),
            (1, ..) => ('C', "one must failed".into()),
            (_, _, Some(why)) => ('C', why.into()),
            _ if n_shoulds > 0 => ('B', format!("every must passed; {n_shoulds} of the shoulds failed")),
            _ => ('A', "every must and every should passed".into()),
        }
    }

    /// One object.
    pub fn json(&self) -> Value {
        let verdicts = self.verdicts.iter().map(|verdict| {
            let (outcome, reason) = match &verdict.outcome {
                Outcome::Pass => ("pass", None),
                Outcome::Fail(why) => ("fail", Some(why)),
                Outcome::Skip(why) => ("skip", Some(why)),
            };
            json!({
                "name": verdict.name, "channel": verdict.channel.as_str(), "level": verdict.level.as_str(),
                "outcome": outcome, "reason": reason, "expected": verdict.expected,
                "why": verdict.source.to_string(), "source": verdict.source.at(),
            })
        });
        let counted = |level| {
            let (passed, judged) = self.passed(level);
            json!({"passed": passed, "judged": judged})
        };
        json!({
            "grade": self.letter().to_string(),
            "reason": self.reason(),
            "conformant": self.is_conformant(),
            "must": counted(Level::Must),
            "should": counted(Level::Should),
            "advice": counted(Level::Advice),
            "notSeen": self.not_seen,
            "checks": verdicts.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict((name, level): (&'static str, Level), channel: Channel, passed: bool) -> Verdict {
        Verdict {
            name,
            channel,
            level,
            expected: String::new(),
            source: Source::Assumed("for the test"),
            outcome: if passed { Outcome::Pass } else { Outcome::Fail("no".into()) },
            weight: match name {
                "entry" => Weight::Entry,
                "fundamental" => Weight::Fundamental,
                _ => Weight::Itself,
            },
        }
    }

    /// Of a receiver that both channels can enter.
    fn grade_of(outcomes: &[(&'static str, Level, bool)]) -> Grade {
        let first = |channel| verdict(("entry", Level::Must), channel, true);
        let others = outcomes.iter().map(|(name, level, passed)| verdict((name, *level), Channel::Calls, *passed));
        let verdicts = [first(Channel::Calls), first(Channel::Subscriptions)].into_iter().chain(others).collect();
        Grade { verdicts, ..Grade::default() }
    }

    #[test]
    fn a_grade_depends_on_the_musts_first_and_never_on_advice() {
        let (must, should, advice) = (Level::Must, Level::Should, Level::Advice);
        assert_eq!(grade_of(&[("x", must, true), ("x", should, true), ("x", advice, false)]).letter(), 'A');
        assert_eq!(grade_of(&[("x", should, false)]).letter(), 'B');
        assert_eq!(grade_of(&[("x", must, false), ("x", should, true)]).letter(), 'C');
        assert_eq!(grade_of(&[("x", must, true), ("x", must, false), ("x", must, false)]).letter(), 'D');
        assert_eq!(grade_of(&[("fundamental", must, false)]).letter(), 'D');
        assert_eq!(grade_of(&[("x", must, false); 3]).letter(), 'F');
    }

    #[test]
    fn a_receiver_that_takes_nothing_or_was_not_checked_gets_an_f() {
        assert_eq!(Grade::default().letter(), 'F');
        assert!(!Grade::default().is_conformant());
        let dead = |channel| verdict(("entry", Level::Must), channel, false);
        let both = Grade { verdicts: vec![dead(Channel::Calls), dead(Channel::Subscriptions)], ..Grade::default() };
        assert_eq!(both.letter(), 'F');
        let hanging = Grade { ended: Some("it hangs".into()), ..grade_of(&[]) };
        assert_eq!((hanging.letter(), hanging.is_conformant()), ('F', false));
    }

    #[test]
    fn what_was_not_seen_is_not_praised() {
        let unseen = Grade { no_better_than_c: Some("no better than C, because nothing shows it"), ..grade_of(&[]) };
        assert_eq!((unseen.letter(), unseen.is_conformant()), ('C', true));
        assert!(unseen.reason().ends_with("because nothing shows it"), "{}", unseen.reason());
    }
}
