//! Makes the checks one after the other, then looks at what was delivered.
//!
//! **Invariants**
//! 1. One fault costs one check: a check that follows from a failed one, or fails with it, is skipped and says so.
//! 2. Strangers' items are looked for after the genuine ones, which were sent after them, have been delivered.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::check::{Channel, Check, Mark, Sending, Unmade};
use super::checks::{self, DELIVERS_CHANGES, DELIVERS_RECORDINGS};
use super::grading::{Outcome, Verdict};
use super::judge::{Judge, Sent, labelled};
use super::needs;
use super::patience::Waiting;
use super::{Setting, Told};
use crate::simulator::client::ClientError;
use crate::simulator::payload::Seed;
use crate::simulator::{Graph, SimulatorError};

/// Why a 2xx to a stranger fails without an observer.
const ONLY_OBSERVED: &str = "only --observe shows whether it was dropped";
/// Why it fails where the observer sees nothing.
const NOTHING_DELIVERED: &str = "nothing was delivered, so nothing shows that it was dropped";

/// The receiver's slowest 2xx to what Graph sends.
#[derive(Default)]
pub(super) struct Slowest {
    pub n: usize,
    pub took: Duration,
    pub of: String,
}

impl Slowest {
    fn note(&mut self, took: Duration, of: impl FnOnce() -> String) {
        self.n += 1;
        if took > self.took {
            (self.took, self.of) = (took, of());
        }
    }
}

/// The checks under way.
pub(super) struct Run<'a, T> {
    pub graph: &'a Graph,
    pub setting: &'a mut Setting,
    pub tell: T,
    pub waiting: Waiting,
    /// Of checks that failed or follow from one: the first cause.
    pub causes: HashMap<&'static str, &'static str>,
    /// Checks that were not made because something that they need is missing.
    lacking: HashSet<&'static str>,
    /// Of checks that failed at an answer: its status.
    pub statuses: HashMap<&'static str, u16>,
    pending: Vec<Pending>,
    /// With the place of each in the tables.
    verdicts: Vec<(usize, Verdict)>,
    pub slowest: Slowest,
    pub ended: Option<String>,
}

/// A check whose deliveries are still to be seen, or those of a check that it is made after.
struct Pending {
    index: usize,
    channel: Channel,
    check: &'static Check,
    marks: Vec<(&'static str, Mark)>,
    answers: Judged,
}

/// Which of a check's items, and what of it is looked for.
type Item = (&'static str, &'static str);

/// What a check's answers say.
struct Judged {
    /// Beside the deliveries, where they are seen.
    beside: Result<(), String>,
    /// By themselves: for where nothing is delivered at all, so that it says nothing if a stranger's item is not.
    alone: Result<(), String>,
}

impl<'a, T: FnMut(Told<'_>)> Run<'a, T> {
    pub(super) fn new(graph: &'a Graph, setting: &'a mut Setting, tell: T) -> Self {
        Self {
            graph,
            waiting: Waiting::new(setting.patience),
            setting,
            tell,
            causes: HashMap::new(),
            lacking: HashSet::new(),
            statuses: HashMap::new(),
            pending: Vec::new(),
            verdicts: Vec::new(),
            slowest: Slowest::default(),
            ended: None,
        }
    }

    /// Makes every check of the channel.
    ///
    /// # Errors
    /// A token or content could not be made.
    pub(super) async fn make_all(&mut self) -> Result<(), SimulatorError> {
        let mut seed = Seed::new(self.setting.seed);
        let all: Vec<_> = checks::of(self.setting.channel).collect();
        for (index, (channel, check)) in all.iter().copied().enumerate() {
            (self.tell)(Told::Begins { name: check.name, nth: index, of: all.len() });
            let outcome = match self.unmade(check) {
                Some(outcome) => outcome,
                None => match (check.make)(self.graph, &mut seed) {
                    Err(Unmade::Failed(error)) => return Err(error),
                    Err(Unmade::Skip(why)) => Outcome::Skip(why.into()),
                    Ok(sendings) => {
                        let marks = self.marks(check, &sendings);
                        let answers = self.judged(check, sendings).await;
                        let waits = answers.beside.is_ok() && !marks.is_empty();
                        if waits || self.pending.iter().any(|it| check.after.contains(&it.check.name)) {
                            self.pending.push(Pending { index, channel, check, marks, answers });
                            continue;
                        }
                        answers.beside.map_or_else(Outcome::Fail, |()| Outcome::Pass)
                    }
                },
            };
            self.settle(index, (channel, check), outcome);
        }
        self.look().await;
        Ok(())
    }

    /// The items whose delivery is to be seen.
    fn marks(&self, check: &Check, sendings: &[Sending]) -> Vec<(&'static str, Mark)> {
        if self.setting.observer.is_none() || !check.judge.looks_at_deliveries() {
            return Vec::new();
        }
        sendings.iter().flat_map(|it| it.marks.iter().map(|mark| (it.label, mark.clone()))).collect()
    }

    /// The outcome of a check that is not made.
    fn unmade(&mut self, check: &'static Check) -> Option<Outcome> {
        if let Some(ended) = &self.ended {
            return Some(Outcome::Skip(ended.clone()));
        }
        if let Some(missing) = needs::missing(&needs::of([check]), self.graph, self.setting) {
            self.lacking.insert(check.name);
            return Some(Outcome::Skip(missing));
        }
        self.follows(check)
    }

    /// Sends, and judges the answers. With an observer, a stranger is believed only if his item is delivered.
    async fn judged(&mut self, check: &Check, sendings: Vec<Sending>) -> Judged {
        let mut sent = Vec::with_capacity(sendings.len());
        for Sending { label, post, .. } in sendings {
            let answer = self.waiting.send(self.graph, post).await;
            match &answer {
                Ok(answer) if answer.is_2xx() && check.judge.is_of_genuine_posts() => {
                    self.slowest.note(answer.took, || labelled(label, check.name));
                }
                Ok(answer) if !answer.is_2xx() => {
                    self.statuses.entry(check.name).or_insert(answer.status);
                }
                _ => {}
            }
            let is_gone = matches!(answer, Err(ClientError::Connect { .. }));
            sent.push(Sent { label, answer });
            self.ended = self.waiting.exhausted();
            if is_gone {
                self.ended = Some(format!("the receiver is gone since {}: nothing more was sent", check.name));
            }
            if self.ended.is_some() {
                break;
            }
        }
        let alone = check.judge.judge(&sent);
        if !matches!(check.judge, Judge::Refused) {
            return Judged { beside: alone.clone(), alone };
        }
        let is_observed = self.setting.observer.is_some();
        let unseen = if is_observed { NOTHING_DELIVERED } else { ONLY_OBSERVED };
        let alone = alone.map_err(|found| format!("{found}; {unseen}"));
        Judged { beside: if is_observed { Judge::Withheld.judge(&sent) } else { alone.clone() }, alone }
    }

    /// Looks at what was delivered, and settles the checks that depend on it.
    async fn look(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let Some(observer) = &mut self.setting.observer else { return };
        (self.tell)(Told::Looks);
        let of = |strangers: bool| {
            let chosen = pending.iter().filter(move |it| it.check.judge.is_of_strangers() == strangers);
            chosen.flat_map(|it| it.marks.iter().map(|(_, mark)| mark)).collect::<Vec<_>>()
        };
        let (mut wanted, mut unwanted) = {
            let (wanted, unwanted) = observer.look(&of(false), &of(true)).await;
            (wanted.into_iter(), unwanted.into_iter())
        };
        for Pending { index, channel, check, marks, answers } in &pending {
            let is_of_strangers = check.judge.is_of_strangers();
            let seen = if is_of_strangers { &mut unwanted } else { &mut wanted };
            let seen: Vec<_> = marks.iter().map(|(label, mark)| (*label, mark.of)).zip(seen).collect();
            let answers = if is_of_strangers && self.is_blind(*channel) { &answers.alone } else { &answers.beside };
            let outcome = self.follows(check).unwrap_or_else(|| {
                let found = answers.clone().and_then(|()| self.found((*channel, check), &seen));
                found.map_or_else(Outcome::Fail, |()| Outcome::Pass)
            });
            self.settle(*index, (*channel, check), outcome);
        }
    }

    /// Whether nothing of a channel is delivered, or none of it can be: then only answers count.
    fn is_blind(&self, channel: Channel) -> bool {
        let shows = delivers(channel);
        self.causes.contains_key(shows) || self.lacking.contains(shows)
    }

    /// The outcome of a check that follows from a failed one.
    fn follows(&mut self, check: &'static Check) -> Option<Outcome> {
        let cause = check.after.iter().find_map(|name| self.causes.get(name).copied())?;
        self.causes.insert(check.name, cause);
        Some(Outcome::Follows(cause))
    }

    /// What the deliveries say of a check: of each of its items whether it was seen.
    fn found(&self, (channel, check): (Channel, &Check), seen: &[(Item, bool)]) -> Result<(), String> {
        let first = |is_seen: bool| seen.iter().find(|(_, seen)| *seen == is_seen).map(|(item, _)| *item);
        let (delivered, undelivered) = (first(true), first(false));
        match (&check.judge, delivered, undelivered) {
            (judge, Some((label, what)), _) if judge.is_of_strangers() => {
                Err(labelled(label, &format!("{what} was delivered")))
            }
            (Judge::AnyDelivered, None, Some(_)) => {
                Err("answered 2xx, but the decrypted content of no item was delivered".into())
            }
            // That is one fault.
            (Judge::Accepted, ..) if self.is_blind(channel) => Ok(()),
            (Judge::Accepted | Judge::Delivered, _, Some((label, what))) => {
                Err(labelled(label, &format!("answered 2xx, but {what} was not delivered")))
            }
            _ => Ok(()),
        }
    }

    /// Adds a verdict.
    pub(super) fn settle(&mut self, index: usize, (channel, check): (Channel, &'static Check), outcome: Outcome) {
        let outcome = match (outcome, check.with.and_then(|name| self.causes.get(name).copied())) {
            (Outcome::Fail(_), Some(cause)) => {
                self.causes.insert(check.name, cause);
                Outcome::Follows(cause)
            }
            (outcome, _) => outcome,
        };
        if matches!(outcome, Outcome::Fail(_)) {
            self.causes.insert(check.name, check.name);
        }
        let verdict = Verdict {
            name: check.name,
            channel,
            level: check.level,
            expected: check.judge.to_string(),
            source: check.source,
            outcome,
            weight: check.weight,
        };
        self.add(index, verdict);
    }

    /// Adds a verdict of a check that stands in no table.
    pub(super) fn add(&mut self, index: usize, verdict: Verdict) {
        (self.tell)(Told::Verdict(&verdict));
        self.verdicts.push((index, verdict));
    }

    /// Everything that was found, in the order of the tables.
    pub(super) fn verdicts(mut self) -> Vec<Verdict> {
        self.verdicts.sort_by_key(|(index, _)| *index);
        self.verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }
}

/// The check that shows whether anything of a channel is delivered.
pub(super) fn delivers(channel: Channel) -> &'static str {
    if channel == Channel::Subscriptions { DELIVERS_CHANGES } else { DELIVERS_RECORDINGS }
}
