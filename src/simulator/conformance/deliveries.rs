//! What was delivered, and what that says of the checks.
//!
//! **Invariants**
//! 1. Strangers' items are looked for after the genuine ones have been delivered, or were waited for.
//! 2. Every genuine item that was answered 2xx is looked for, whatever its check expects. One that is missing fails its
//!    check, or the check of its channel that all is delivered: no receiver that loses one is said to pass.
//! 3. A channel is said to deliver nothing only if none of its items was seen.

use super::Told;
use super::check::{Channel, Level, Source, Weight};
use super::checks;
use super::grading::{Outcome, Verdict};
use super::judge::{Judge, labelled};
use super::needs;
use super::pending::{Accepted, Pending};
use super::run::{Run, delivers};
use super::sources::DELIVERY;

/// The checks that all of a channel is delivered.
const DELIVER_ALL: [(Channel, &str); 2] = [
    (Channel::Calls, "calls-delivers-all-that-was-accepted"),
    (Channel::Subscriptions, "notifications-delivers-all-that-was-accepted"),
];
/// How many missing items are named.
const N_NAMED: usize = 3;

/// How many of a channel's items were accepted, and how many of these were not delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub n_missing: usize,
    pub n_accepted: usize,
}

impl<T: FnMut(Told<'_>)> Run<'_, T> {
    /// Looks at what was delivered, and settles the checks that depend on it.
    pub(super) async fn look(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let Some(observer) = &mut self.setting.observer else { return };
        (self.tell)(Told::Looks);
        let wanted: Vec<_> = self.accepted.iter().map(|it| &it.mark).collect();
        let unwanted: Vec<_> = pending.iter().flat_map(|it| it.strangers.iter().map(|(_, mark)| mark)).collect();
        let (wanted, unwanted) = observer.look(&wanted, &unwanted).await;
        self.accepted.iter_mut().zip(wanted).for_each(|(item, is_seen)| item.is_seen = is_seen);
        let mut unwanted = unwanted.into_iter();
        for it in &pending {
            let seen: Vec<_> = it.strangers.iter().zip(&mut unwanted).collect();
            let believed = seen
                .iter()
                .find(|(_, seen)| *seen)
                .map(|((label, mark), _)| labelled(label, &format!("{} was delivered", mark.of)));
            let outcome = match self.follows(it.check) {
                Some(follows) => follows,
                None if it.check.judge.is_of_strangers() => self.of_strangers_items(it, believed),
                None => self.of_genuine_items(it),
            };
            self.settle(it.index, it.channel, it.check, outcome);
        }
    }

    /// Whether an item of this channel was delivered.
    pub(super) fn delivers_some(&self, channel: Channel) -> bool {
        self.accepted.iter().any(|it| it.channel == channel && it.is_seen)
    }

    /// The check because of which nothing of a channel is delivered, if that is so.
    fn nothing_because_of(&self, channel: Channel) -> Option<&'static str> {
        self.causes.get(delivers(channel)).copied()
    }

    fn of_strangers_items(&self, it: &Pending, believed: Option<String>) -> Outcome {
        // Where nothing is delivered, or nothing can be, only answers count.
        let shows = delivers(it.channel);
        let cannot_show = self.causes.contains_key(shows) || self.lacking.contains(shows);
        let is_blind = cannot_show || !self.delivers_some(it.channel);
        let answers = if is_blind { &it.answers.alone } else { &it.answers.beside };
        let found = answers.clone().and_then(|()| believed.map_or(Ok(()), Err));
        found.map_or_else(Outcome::Fail, |()| Outcome::Pass)
    }

    fn of_genuine_items(&mut self, it: &Pending) -> Outcome {
        let Pending { channel, check, answers, .. } = it;
        if let Err(found) = &answers.beside {
            return Outcome::Fail(found.clone());
        }
        let missing: Vec<_> = self.missing(|item| item.check.name == check.name).collect();
        let is_decrypted = || self.accepted.iter().any(|item| item.is_seen && item.mark.is_of_content());
        let is_right = missing.is_empty()
            || !check.judge.looks_at_deliveries()
            || (matches!(check.judge, Judge::AnyDelivered) && is_decrypted());
        if is_right {
            return Outcome::Pass;
        }
        if let Some(ended) = &self.ended {
            return Outcome::Skip(ended.to_string());
        }
        if self.lacking.contains(delivers(*channel)) {
            return Outcome::Skip("answered 2xx; whether it is delivered was not seen".into());
        }
        if let Some(cause) = self.nothing_because_of(*channel) {
            self.causes.insert(check.name, cause);
            return Outcome::Follows(cause);
        }
        Outcome::Fail(match check.judge {
            Judge::AnyDelivered => "answered 2xx, but the decrypted content of no item was delivered".into(),
            _ if check.weight == Weight::Delivery && !self.delivers_some(*channel) => {
                format!("answered 2xx, but nothing of this channel was delivered within {}", self.waited())
            }
            _ => {
                let (item, n_more) = (missing[0], missing.len() - 1);
                let more = if n_more == 0 { String::new() } else { format!("; {n_more} more missing") };
                let found =
                    format!("answered 2xx, but {} was not delivered within {}{more}", item.mark.of, self.waited());
                labelled(item.label, &found)
            }
        })
    }

    /// The items that were not delivered.
    fn missing<'s>(&'s self, of: impl Fn(&Accepted) -> bool + 's) -> impl Iterator<Item = &'s Accepted> {
        self.accepted.iter().filter(move |item| !item.is_seen && of(item))
    }

    /// How long deliveries were waited for, in words.
    pub(super) fn waited(&self) -> String {
        let waited = self.setting.observer.as_ref().map(|observer| observer.patience).unwrap_or_default();
        format!("{waited:?}")
    }

    /// Adds a verdict for each channel: whether all that was accepted is delivered.
    pub(super) fn deliver_all(&mut self) {
        for (nth, (channel, name)) in DELIVER_ALL.into_iter().enumerate() {
            if self.setting.channel == Channel::Both || self.setting.channel == channel {
                let outcome = self.delivers_all(channel);
                if matches!(outcome, Outcome::Fail(_)) {
                    self.causes.insert(name, name);
                }
                self.add(usize::MAX - 3 + nth, verdict(channel, name, outcome));
            }
        }
    }

    fn delivers_all(&self, channel: Channel) -> Outcome {
        let shows = delivers(channel);
        if let Some(missing) = needs::missing(&needs::of(checks::named(&[shows])), self.graph, self.setting) {
            return Outcome::Skip(missing);
        }
        if let Some(cause) = self.nothing_because_of(channel) {
            return Outcome::Follows(cause);
        }
        let missing: Vec<_> = self.missing(|item| item.channel == channel).collect();
        match (&self.ended, self.lost(channel).n_accepted, missing.first()) {
            (_, 0, _) => Outcome::Skip("no genuine notification was answered 2xx".into()),
            (_, _, None) => Outcome::Pass,
            (Some(ended), ..) => Outcome::Skip(ended.to_string()),
            (None, _, Some(first)) => {
                match missing.iter().map(|item| self.explains(item)).collect::<Option<Vec<_>>>() {
                    // That is the same fault.
                    Some(causes) => Outcome::Follows(causes.first().copied().unwrap_or(first.check.name)),
                    None => Outcome::Fail(self.found_missing(channel, &missing)),
                }
            }
        }
    }

    fn found_missing(&self, channel: Channel, missing: &[&Accepted]) -> String {
        let named = missing.iter().take(N_NAMED).map(|item| format!("{} ({})", item.check.name, item.mark.id()));
        let mut named: Vec<_> = named.collect();
        if missing.len() > N_NAMED {
            named.push(format!("and {} more", missing.len() - N_NAMED));
        }
        let (n_missing, n_accepted) = (missing.len(), self.lost(channel).n_accepted);
        format!(
            "{n_missing} of {n_accepted} notifications that were answered 2xx were not delivered within {}: {}",
            self.waited(),
            named.join(", ")
        )
    }

    /// The check that failed because this item is missing, or why it was not judged. Advice explains no loss.
    fn explains(&self, item: &Accepted) -> Option<&'static str> {
        let content = if item.mark.is_of_content() { checks::CONTENT } else { &[] };
        let judging = std::iter::once(item.check.name).chain(content.iter().copied());
        judging.into_iter().find_map(|name| {
            let (_, verdict) = self.verdicts.iter().find(|(_, verdict)| verdict.name == name)?;
            match verdict.outcome {
                Outcome::Follows(cause) => Some(cause),
                Outcome::Fail(_) if verdict.level != Level::Advice => Some(verdict.name),
                _ => None,
            }
        })
    }

    /// How many of a channel's items are lost, if some are, and no fault explains it but the loss itself.
    pub(super) fn loss(&self, channel: Channel) -> Option<Lost> {
        self.loses_some(channel).map(|_| self.lost(channel))
    }

    /// How many of a channel's items are lost.
    pub(super) fn lost(&self, channel: Channel) -> Lost {
        let n_accepted = self.accepted.iter().filter(|item| item.channel == channel).count();
        Lost { n_missing: self.missing(|item| item.channel == channel).count(), n_accepted }
    }

    /// The check that says that some of what a channel accepts is lost, if so.
    pub(super) fn loses_some(&self, channel: Channel) -> Option<&'static str> {
        let of_all = DELIVER_ALL.into_iter().filter(|(of, _)| *of == channel).map(|(_, name)| name);
        let names = of_all.chain([delivers(channel)]);
        let has_failed = |name: &&str| self.verdicts.iter().any(|(_, it)| it.name == *name && it.has_failed());
        names.into_iter().find(has_failed).filter(|_| self.delivers_some(channel))
    }
}

fn verdict(channel: Channel, name: &'static str, outcome: Outcome) -> Verdict {
    Verdict {
        name,
        channel,
        level: Level::Must,
        expected: "each genuine notification that was answered 2xx, in any check, is delivered".into(),
        source: Source::Says("If the notification isn't processed or queued, return a 5xx class code", DELIVERY),
        outcome,
        weight: Weight::Itself,
    }
}

/// The checks that all is delivered, as if they had passed.
pub(super) fn listed() -> [Verdict; 2] {
    DELIVER_ALL.map(|(channel, name)| verdict(channel, name, Outcome::Pass))
}
