//! Makes the checks one after the other. Those that depend on deliveries are settled when everything was sent.
//!
//! **Invariants**
//! 1. One fault costs one check: a check that follows from a failed one, or fails with it, is skipped and says so.
//! 2. A check during which the receiver dies is skipped, unless it asks whether the receiver survives.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::check::{Channel, Check, Mark, Sending, Unmade, Weight};
use super::checks::{self, DELIVERS_CHANGES, DELIVERS_RECORDINGS};
use super::ended::{Ended, is_gone};
use super::grading::{Outcome, Verdict};
use super::judge::{Judge, Sent, labelled};
use super::needs;
use super::patience::Waiting;
use super::pending::{Accepted, Judged, Pending};
use super::{Setting, Told};
use crate::simulator::client::{Answer, ClientError};
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
    pub lacking: HashSet<&'static str>,
    /// Of checks that failed at an answer: its status.
    pub statuses: HashMap<&'static str, u16>,
    pub pending: Vec<Pending>,
    /// Every genuine item that was answered 2xx: each must be delivered.
    pub accepted: Vec<Accepted>,
    /// With the place of each in the tables.
    pub verdicts: Vec<(usize, Verdict)>,
    pub slowest: Slowest,
    pub ended: Option<Ended>,
    /// Checks that an option asked for, and that could not be made through no fault of the receiver.
    pub not_done: Vec<&'static str>,
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
            accepted: Vec::new(),
            verdicts: Vec::new(),
            slowest: Slowest::default(),
            ended: None,
            not_done: Vec::new(),
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
            if let Some(outcome) = self.make(index, (channel, check), &mut seed).await? {
                self.settle(index, channel, check, outcome);
            }
        }
        self.ended = self.ended.take().or_else(|| self.waiting.answers_nothing());
        self.look().await;
        Ok(())
    }

    /// The outcome of a check; `None` if it waits for deliveries.
    async fn make(
        &mut self,
        index: usize,
        (channel, check): (Channel, &'static Check),
        seed: &mut Seed,
    ) -> Result<Option<Outcome>, SimulatorError> {
        if let Some(outcome) = self.unmade(check) {
            return Ok(Some(outcome));
        }
        let sendings = match (check.make)(self.graph, seed) {
            Err(Unmade::Failed(error)) => return Err(error),
            Err(Unmade::Skip(why)) => return Ok(Some(Outcome::Skip(why.into()))),
            Ok(sendings) => sendings,
        };
        let strangers = self.of_strangers(check, &sendings);
        let answers = match self.judged((channel, check), sendings).await {
            Err(ended) => return Ok(Some(Outcome::Skip(ended))),
            Ok(answers) => answers,
        };
        let pending = Pending { index, channel, check, strangers, answers };
        if self.waits(&pending) {
            self.pending.push(pending);
            return Ok(None);
        }
        Ok(Some(pending.answers.beside.map_or_else(Outcome::Fail, |()| Outcome::Pass)))
    }

    /// The strangers' items: whether they are delivered is to be seen.
    fn of_strangers(&self, check: &Check, sendings: &[Sending]) -> Vec<(&'static str, Mark)> {
        if self.setting.observer.is_none() || !check.judge.is_of_strangers() {
            return Vec::new();
        }
        sendings.iter().flat_map(|it| it.marks.iter().map(|mark| (it.label, mark.clone()))).collect()
    }

    /// Whether a check is settled only when the deliveries were seen.
    fn waits(&self, pending: &Pending) -> bool {
        let Pending { check, strangers, answers, .. } = pending;
        let is_observed = self.setting.observer.is_some();
        let looks =
            if check.judge.is_of_strangers() { !strangers.is_empty() } else { check.judge.looks_at_deliveries() };
        // How grave the fault of one that shows whether anything is delivered is, is seen at the end too.
        (is_observed && looks && (answers.beside.is_ok() || check.weight == Weight::Delivery))
            || self.pending.iter().any(|it| check.after.contains(&it.check.name))
    }

    /// The outcome of a check that is not made.
    fn unmade(&mut self, check: &'static Check) -> Option<Outcome> {
        if let Some(ended) = &self.ended {
            return Some(Outcome::Skip(ended.to_string()));
        }
        if let Some(missing) = needs::missing(&needs::of([check]), self.graph, self.setting) {
            self.lacking.insert(check.name);
            return Some(Outcome::Skip(missing));
        }
        self.follows(check)
    }

    /// Sends, and judges the answers. With an observer, a stranger is believed only if his item is delivered. `Err` if
    /// the receiver died meanwhile, and nothing was wrong before.
    async fn judged(
        &mut self,
        (channel, check): (Channel, &'static Check),
        sendings: Vec<Sending>,
    ) -> Result<Judged, String> {
        let mut sent = Vec::with_capacity(sendings.len());
        for (index, Sending { label, post, marks }) in sendings.into_iter().enumerate() {
            let had_answer = self.waiting.has_answer();
            let answer = self.waiting.send(self.graph, post).await;
            self.note(check, label, &answer);
            if check.judge.is_of_genuine_items(index) && answer.as_ref().is_ok_and(Answer::is_2xx) {
                let accepted = |mark| Accepted { channel, check, label, mark, is_seen: false };
                self.accepted.extend(marks.into_iter().map(accepted));
            }
            self.ended = self.waiting.exhausted();
            if is_gone(self.graph, &answer).await {
                let ended = Ended::Gone(check.name);
                self.ended = Some(ended.clone());
                // One that was never there is no receiver that died.
                if had_answer && !check.judge.is_of_survival() && check.judge.judge(&sent).is_ok() {
                    return Err(ended.to_string());
                }
            }
            sent.push(Sent { label, answer });
            if self.ended.is_some() {
                break;
            }
        }
        Ok(self.judgement(check, &sent))
    }

    /// Notes what an answer says beside its check.
    fn note(&mut self, check: &Check, label: &str, answer: &Result<Answer, ClientError>) {
        match answer {
            Ok(answer) if answer.is_2xx() && check.judge.is_of_genuine_posts() => {
                self.slowest.note(answer.took, || labelled(label, check.name));
            }
            Ok(answer) if !answer.is_2xx() => {
                self.statuses.entry(check.name).or_insert(answer.status);
            }
            _ => {}
        }
    }

    fn judgement(&self, check: &Check, sent: &[Sent]) -> Judged {
        let alone = check.judge.judge(sent);
        if !matches!(check.judge, Judge::Refused) {
            return Judged { beside: alone.clone(), alone };
        }
        let is_observed = self.setting.observer.is_some();
        let unseen = if is_observed { NOTHING_DELIVERED } else { ONLY_OBSERVED };
        let alone = alone.map_err(|found| format!("{found}; {unseen}"));
        Judged { beside: if is_observed { Judge::Withheld.judge(sent) } else { alone.clone() }, alone }
    }

    /// The outcome of a check that follows from a failed one.
    pub(super) fn follows(&mut self, check: &'static Check) -> Option<Outcome> {
        let cause = check.after.iter().find_map(|name| self.causes.get(name).copied())?;
        self.causes.insert(check.name, cause);
        Some(Outcome::Follows(cause))
    }

    /// Adds a verdict.
    pub(super) fn settle(&mut self, index: usize, channel: Channel, check: &'static Check, outcome: Outcome) {
        let outcome = match (outcome, check.with.and_then(|name| self.causes.get(name).copied())) {
            (Outcome::Fail(_), Some(cause)) => {
                self.causes.insert(check.name, cause);
                Outcome::Follows(cause)
            }
            (outcome, _) => outcome,
        };
        let weight = self.weight(channel, check);
        // Where only some is lost, the other checks can be judged.
        if matches!(outcome, Outcome::Fail(_)) && (check.weight, weight) != (Weight::Delivery, Weight::Itself) {
            self.causes.insert(check.name, check.name);
        }
        let verdict = Verdict {
            name: check.name,
            channel,
            level: check.level,
            expected: check.judge.to_string(),
            source: check.source,
            outcome,
            weight,
        };
        self.add(index, verdict);
    }

    /// How much hangs on a check, after what was seen.
    fn weight(&self, channel: Channel, check: &Check) -> Weight {
        match check.weight {
            Weight::Delivery if self.delivers_some(channel) => Weight::Itself,
            Weight::Guard if !self.delivers_some(channel) => Weight::UnseenGuard,
            weight => weight,
        }
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
