//! Verdicts, and the grade that they make.
//!
//! **Invariants**
//! 1. A check that was not made has its reason, and counts neither for nor against the receiver. How many follow from a
//!    failure is said beside the numbers.
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
    /// It was not made, or failed too, because this check failed.
    Follows(&'static str),
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
    pub not_seen: Vec<String>,
    /// What the user can do: about failures that may be no fault of the receiver, and after mending.
    pub hints: Vec<String>,
    /// Why the grade is no better than C, whatever the checks found.
    pub no_better_than_c: Option<&'static str>,
    /// Why not every check could be made: the receiver hangs, or is gone.
    pub ended: Option<String>,
    /// Checks that an option asked for, and that could not be made through no fault of the receiver.
    pub not_done: Vec<&'static str>,
}

impl Verdict {
    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Fail(_))
    }

    /// Whether it follows from a failure.
    pub fn follows(&self) -> bool {
        matches!(self.outcome, Outcome::Follows(_))
    }
}

/// How the checks of a level ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They passed.
    pub n_passed: usize,
    /// They failed.
    pub n_failed: usize,
    /// They follow from a failure.
    pub n_following: usize,
}

impl Counts {
    /// How many passed or failed.
    pub fn n_judged(&self) -> usize {
        self.n_passed + self.n_failed
    }
}

impl Grade {
    /// How the checks of a level ended. Those that were skipped for another reason are not among them.
    pub fn counts(&self, level: Level) -> Counts {
        let of_level = self.verdicts.iter().filter(|verdict| verdict.level == level);
        of_level.fold(Counts::default(), |mut counts, verdict| {
            match verdict.outcome {
                Outcome::Pass => counts.n_passed += 1,
                Outcome::Fail(_) => counts.n_failed += 1,
                Outcome::Follows(_) => counts.n_following += 1,
                Outcome::Skip(_) => {}
            }
            counts
        })
    }

    /// Whether no `must` failed, every check could be made, and at least one `must` was.
    pub fn is_conformant(&self) -> bool {
        let musts = self.counts(Level::Must);
        musts.n_failed == 0 && musts.n_passed > 0 && self.ended.is_none()
    }

    /// What is wrong with each channel that was checked, if something is with all of them.
    fn of_no_use(&self) -> Option<String> {
        let of = |channel, weight| {
            self.verdicts.iter().filter(move |verdict| verdict.channel == channel && verdict.weight == weight)
        };
        let is_checked = |channel: &Channel| of(*channel, Weight::Entry).next().is_some();
        let checked: Vec<_> = [Channel::Calls, Channel::Subscriptions].into_iter().filter(is_checked).collect();
        let faults = checked.iter().filter_map(|channel| {
            let is_shut = of(*channel, Weight::Entry).any(|verdict| verdict.outcome != Outcome::Pass);
            let is_open = |weight: &Weight| of(*channel, *weight).any(Verdict::has_failed);
            let open = [Weight::Guard, Weight::UnseenGuard].into_iter().find(is_open);
            let weight = if is_shut { Some(Weight::Entry) } else { open };
            weight.and_then(|weight| fault(*channel, weight))
        });
        let faults: Vec<_> = faults.collect();
        (!faults.is_empty() && faults.len() == checked.len()).then(|| faults.join(", "))
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
        let (musts, n_shoulds) = (self.counts(Level::Must), self.counts(Level::Should).n_failed);
        let (n_musts, n_judged) = (musts.n_failed, musts.n_judged());
        let failed = || self.verdicts.iter().filter(|verdict| verdict.has_failed());
        let grave = failed().find_map(|verdict| Some((verdict.name, fault(verdict.channel, verdict.weight)?)));
        if let Some(ended) = &self.ended {
            return ('F', ended.clone());
        }
        if let Some(faults) = self.of_no_use() {
            return ('F', format!("no channel is of use: {faults}"));
        }
        match (n_musts, grave, self.no_better_than_c) {
            _ if n_judged == 0 => ('F', "no must could be checked".into()),
            (n, ..) if n * 2 > n_judged => ('F', format!("{n} of {n_judged} musts failed")),
            (_, Some((name, fault)), _) => ('D', format!("{name} failed: {fault}")),
            (n @ 2.., ..) => ('D', format!("{n} musts failed")),
            (1, ..) => ('C', "one must failed".into()),
            (_, _, Some(why)) => ('C', why.into()),
            _ if n_shoulds > 0 => {
                ('B', format!("every must that was judged passed; {n_shoulds} of the shoulds failed"))
            }
            _ => ('A', "every must and every should that was judged passed".into()),
        }
    }

    /// One object.
    pub fn json(&self) -> Value {
        let verdicts = self.verdicts.iter().map(|verdict| {
            let (outcome, reason, cause) = match &verdict.outcome {
                Outcome::Pass => ("pass", None, None),
                Outcome::Fail(why) => ("fail", Some(why.clone()), None),
                Outcome::Skip(why) => ("skip", Some(why.clone()), None),
                Outcome::Follows(cause) => ("skip", Some(follows_from(cause)), Some(cause)),
            };
            json!({
                "name": verdict.name, "channel": verdict.channel.as_str(), "level": verdict.level.as_str(),
                "outcome": outcome, "reason": reason, "followsFrom": cause, "expected": verdict.expected,
                "why": verdict.source.to_string(), "source": verdict.source.at(),
            })
        });
        let counted = |level| {
            let counts = self.counts(level);
            json!({"passed": counts.n_passed, "judged": counts.n_judged(), "follow": counts.n_following})
        };
        json!({
            "grade": self.letter().to_string(),
            "reason": self.reason(),
            "conformant": self.is_conformant(),
            "must": counted(Level::Must),
            "should": counted(Level::Should),
            "advice": counted(Level::Advice),
            "notSeen": self.not_seen,
            "hints": self.hints,
            "notDone": self.not_done,
            "checks": verdicts.collect::<Vec<_>>(),
        })
    }
}

/// The object of a receiver that could not be graded: it has no grade.
pub fn unchecked_json(why: &str) -> Value {
    json!({"grade": null, "reason": why, "conformant": false, "checks": []})
}

/// What a channel does if a check of this weight fails, as a clause.
fn fault(channel: Channel, weight: Weight) -> Option<String> {
    weight.fault().map(|fault| format!("the {} channel {fault}", channel.as_str()))
}

/// The reason of a check that follows from this one.
pub fn follows_from(cause: &str) -> String {
    format!("follows from {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &'static str, level: Level, channel: Channel, passed: bool) -> Verdict {
        Verdict {
            name,
            channel,
            level,
            expected: String::new(),
            source: Source::Assumed("for the test"),
            outcome: if passed { Outcome::Pass } else { Outcome::Fail("no".into()) },
            weight: match name {
                "entry" => Weight::Entry,
                "guard" => Weight::Guard,
                "delivery" => Weight::Delivery,
                _ => Weight::Itself,
            },
        }
    }

    /// Of a receiver that both channels can enter.
    fn grade_of(outcomes: &[(&'static str, Level, bool)]) -> Grade {
        let first = |channel| verdict("entry", Level::Must, channel, true);
        let others = outcomes.iter().map(|(name, level, passed)| verdict(name, *level, Channel::Calls, *passed));
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
        assert_eq!(grade_of(&[("delivery", must, false)]).letter(), 'D');
        assert_eq!(grade_of(&[("x", must, false); 3]).letter(), 'F');
    }

    #[test]
    fn what_follows_from_a_failure_is_counted_beside_what_was_judged() {
        let mut grade = grade_of(&[("delivery", Level::Must, false)]);
        let follows = Verdict { outcome: Outcome::Follows("x"), ..verdict("y", Level::Must, Channel::Calls, true) };
        grade.verdicts.extend([follows.clone(), follows]);
        // Two entries passed.
        assert_eq!(grade.counts(Level::Must), Counts { n_passed: 2, n_failed: 1, n_following: 2 });
        assert_eq!((grade.letter(), &*grade.reason()), ('D', "delivery failed: the calls channel delivers nothing"));
        let json = grade.json();
        assert_eq!(json["must"], json!({"passed": 2, "judged": 3, "follow": 2}));
        assert_eq!((&json["checks"][3]["followsFrom"], &json["checks"][3]["outcome"]), (&json!("x"), &json!("skip")));
    }

    #[test]
    fn channels_that_take_nothing_or_everything_are_of_no_use() {
        let must = |name, channel, passed| verdict(name, Level::Must, channel, passed);
        let (calls, subscriptions) = (Channel::Calls, Channel::Subscriptions);
        let believes = [must("entry", calls, true), must("guard", calls, false)];
        let of = |verdicts: &[Verdict]| Grade { verdicts: verdicts.to_vec(), ..Grade::default() };
        let alone = of(&believes);
        let why = "no channel is of use: the calls channel takes forged notifications from everybody";
        assert_eq!((alone.letter(), &*alone.reason()), ('F', why));
        let beside = of(&[&believes[..], &[must("entry", subscriptions, true)]].concat());
        let beside_why = "guard failed: the calls channel takes forged notifications from everybody";
        assert_eq!((beside.letter(), &*beside.reason()), ('D', beside_why));
        let neither = of(&[&believes[..], &[must("entry", subscriptions, false)]].concat());
        let why = format!("{why}, the subscriptions channel takes no genuine notification");
        assert_eq!((neither.letter(), neither.reason()), ('F', why));
    }

    #[test]
    fn a_receiver_that_takes_nothing_or_was_not_checked_gets_an_f() {
        assert_eq!(Grade::default().letter(), 'F');
        assert!(!Grade::default().is_conformant());
        let dead = |channel| verdict("entry", Level::Must, channel, false);
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
