//! Grades any receiver: named checks, each with its level, its expectation and its source.
//!
//! **Invariants**
//! 1. A check uses only answers: it needs only the receiver's URL, and that the receiver trusts the identity.
//! 2. A check that cannot be made is skipped with its reason, never passed.

mod calls;
mod hostile_bodies;
mod judge;
mod subscriptions;
mod tokens;

use std::time::Duration;

use serde_json::{Value, json};

use self::judge::{Judge, Sent};
use super::client::Post;
use super::load::Histogram;
use super::payload::Seed;
use super::{Graph, SimulatorError};

/// Graph counts a later answer as not delivered.
const DEADLINE: Duration = Duration::from_secs(3);

/// The level of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// If it fails, notifications are lost, or strangers are trusted.
    Must,
    /// Good practice, or robustness beyond what Graph demands.
    Should,
}

/// The channel of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Call notifications.
    Calls,
    /// Change and lifecycle notifications.
    Subscriptions,
    /// Both together.
    Both,
}

impl Level {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
        }
    }
}

impl Channel {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Subscriptions => "subscriptions",
            Self::Both => "both",
        }
    }
}

/// One check.
struct Check {
    name: &'static str,
    level: Level,
    /// Its source, or the consequence if it fails.
    why: &'static str,
    make: Make,
    judge: Judge,
}

impl Check {
    const fn must(name: &'static str, why: &'static str, make: Make, judge: Judge) -> Self {
        Self { name, level: Level::Must, why, make, judge }
    }

    const fn should(name: &'static str, why: &'static str, make: Make, judge: Judge) -> Self {
        Self { name, level: Level::Should, why, make, judge }
    }
}

/// Makes a check's POSTs.
type Make = fn(&Graph, &mut Seed) -> Made;
/// The labelled POSTs of a check.
type Made = Result<Vec<(&'static str, Post)>, Unmade>;

/// Why a check has no POSTs.
enum Unmade {
    Skip(&'static str),
    Failed(SimulatorError),
}

impl From<SimulatorError> for Unmade {
    fn from(error: SimulatorError) -> Self {
        Self::Failed(error)
    }
}

/// A check of one POST.
#[allow(clippy::unnecessary_wraps, reason = "what a check makes")]
fn one(post: Post) -> Made {
    Ok(vec![("", post)])
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Pass,
    /// It failed: what was found.
    Fail(String),
    /// It could not be made: why.
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
    /// The reason for it.
    pub why: &'static str,
    /// The result.
    pub outcome: Outcome,
}

/// All verdicts.
#[derive(Clone, Debug, Default)]
pub struct Grade {
    /// In the order of the checks.
    pub verdicts: Vec<Verdict>,
}

/// Grades a receiver; reports each result as soon as it is known. `Both` channels, or one.
///
/// # Errors
/// A token or content could not be made; this says nothing about the receiver.
pub async fn grade(
    graph: &Graph,
    channel: Channel,
    seed: u64,
    mut tell: impl FnMut(&Verdict),
) -> Result<Grade, SimulatorError> {
    let (mut seed, mut grade, mut latency) = (Seed::new(seed), Grade::default(), Histogram::default());
    let tables = [
        (Channel::Calls, tokens::CHECKS),
        (Channel::Calls, calls::CHECKS),
        (Channel::Subscriptions, subscriptions::CHECKS),
    ];
    for (of, checks) in tables {
        if channel != Channel::Both && channel != of {
            continue;
        }
        for check in checks {
            let outcome = match (check.make)(graph, &mut seed) {
                Err(Unmade::Failed(error)) => return Err(error),
                Err(Unmade::Skip(why)) => Outcome::Skip(why.into()),
                Ok(posts) => {
                    let sent = send(graph, posts, &mut latency).await;
                    check.judge.judge(&sent).map_or_else(Outcome::Fail, |()| Outcome::Pass)
                }
            };
            let (expected, level) = (check.judge.to_string(), check.level);
            let verdict = Verdict { name: check.name, channel: of, level, expected, why: check.why, outcome };
            tell(&verdict);
            grade.verdicts.push(verdict);
        }
    }
    let verdict = in_time(&latency);
    tell(&verdict);
    grade.verdicts.push(verdict);
    Ok(grade)
}

async fn send(graph: &Graph, posts: Vec<(&'static str, Post)>, latency: &mut Histogram) -> Vec<Sent> {
    let mut sent = Vec::with_capacity(posts.len());
    for (label, post) in posts {
        let answer = graph.send(post).await;
        if let Ok(answer) = &answer {
            latency.record(answer.took);
        }
        sent.push(Sent { label, answer });
    }
    sent
}

fn in_time(latency: &Histogram) -> Verdict {
    let p99 = latency.quantile(0.99);
    let outcome = match latency.n() {
        0 => Outcome::Skip("no request was answered".into()),
        _ if p99 <= DEADLINE => Outcome::Pass,
        n => Outcome::Fail(format!("p99 of {n} answers is {:.1} s", p99.as_secs_f64())),
    };
    Verdict {
        name: "answers-in-time",
        channel: Channel::Both,
        level: Level::Must,
        expected: "p99 of all answers at most 3 s".into(),
        why: "change-notifications-delivery-webhooks: if answers are slower, Graph delays notifications, then drops them",
        outcome,
    }
}

impl Grade {
    /// How many checks of a level passed, and how many were made.
    pub fn passed(&self, level: Level) -> (usize, usize) {
        let of_level = || self.verdicts.iter().filter(|verdict| verdict.level == level);
        let passed = of_level().filter(|verdict| verdict.outcome == Outcome::Pass).count();
        (passed, passed + of_level().filter(|verdict| matches!(verdict.outcome, Outcome::Fail(_))).count())
    }

    /// Whether no `must` failed, and at least one check was made.
    pub fn is_conformant(&self) -> bool {
        let (passed, judged) = self.passed(Level::Must);
        passed == judged && judged > 0
    }

    /// A everything, B every must, C at least nine of ten musts, D at least half of them, F less.
    pub fn letter(&self) -> char {
        let ((musts, of_musts), (shoulds, of_shoulds)) = (self.passed(Level::Must), self.passed(Level::Should));
        match () {
            () if self.is_conformant() && shoulds == of_shoulds => 'A',
            () if self.is_conformant() => 'B',
            () if of_musts > 0 && musts * 10 >= of_musts * 9 => 'C',
            () if of_musts > 0 && musts * 2 >= of_musts => 'D',
            () => 'F',
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
                "outcome": outcome, "reason": reason, "expected": verdict.expected, "why": verdict.why,
            })
        });
        let ((musts, of_musts), (shoulds, of_shoulds)) = (self.passed(Level::Must), self.passed(Level::Should));
        json!({
            "grade": self.letter().to_string(),
            "conformant": self.is_conformant(),
            "must": {"passed": musts, "judged": of_musts},
            "should": {"passed": shoulds, "judged": of_shoulds},
            "checks": verdicts.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade_of(musts: &[bool], shoulds: &[bool]) -> Grade {
        let verdict = |level, passed: &bool| Verdict {
            name: "x",
            channel: Channel::Calls,
            level,
            expected: String::new(),
            why: "",
            outcome: if *passed { Outcome::Pass } else { Outcome::Fail("no".into()) },
        };
        let musts = musts.iter().map(|passed| verdict(Level::Must, passed));
        Grade { verdicts: musts.chain(shoulds.iter().map(|passed| verdict(Level::Should, passed))).collect() }
    }

    #[test]
    fn a_grade_depends_on_the_musts_first() {
        assert_eq!(grade_of(&[true], &[true]).letter(), 'A');
        assert_eq!(grade_of(&[true], &[false]).letter(), 'B');
        assert_eq!(grade_of(&[&[true; 9][..], &[false]].concat(), &[true]).letter(), 'C');
        assert_eq!(grade_of(&[true, false], &[true]).letter(), 'D');
        assert_eq!(grade_of(&[false], &[true]).letter(), 'F');
        assert!(!grade_of(&[], &[true]).is_conformant());
    }

    #[test]
    fn check_names_are_unique() {
        let mut names: Vec<&str> =
            tokens::CHECKS.iter().chain(calls::CHECKS).chain(subscriptions::CHECKS).map(|check| check.name).collect();
        let n = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}
