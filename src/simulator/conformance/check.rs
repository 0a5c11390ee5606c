//! One check: its level, its source, the POSTs that it makes and the expectation for their answers.

use std::fmt;

use super::judge::Judge;
pub(super) use super::mark::Mark;
use crate::simulator::client::Post;
use crate::simulator::payload::Seed;
use crate::simulator::{Graph, SimulatorError};

/// The level of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// If it fails, a genuine notification is lost, or a forged one is taken for genuine.
    Must,
    /// Documented, or a danger to the receiver, but nothing is lost and no forged notification is taken.
    Should,
    /// Good practice. It changes no grade.
    Advice,
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
    /// All of them, the weightiest first.
    pub const ALL: [Self; 3] = [Self::Must, Self::Should, Self::Advice];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Advice => "advice",
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

/// The reason for an expectation.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A document says so: its sentence, and where it stands.
    Says(&'static str, &'static str),
    /// Microsoft's samples, an SDK or captured traffic show it: what, and where.
    Shows(&'static str, &'static str),
    /// No document says so: our reason.
    Assumed(&'static str),
}

impl Source {
    /// Where it stands; `None` for what is assumed.
    pub fn at(&self) -> Option<&'static str> {
        match self {
            Self::Says(_, at) | Self::Shows(_, at) => Some(at),
            Self::Assumed(_) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Says(sentence, at) => write!(f, "\"{sentence}\" ({at})"),
            Self::Shows(what, at) => write!(f, "{what} ({at})"),
            Self::Assumed(why) => write!(f, "assumed: {why}"),
        }
    }
}

/// One check.
pub(super) struct Check {
    pub name: &'static str,
    pub level: Level,
    pub source: Source,
    pub make: Make,
    pub judge: Judge,
    /// What it needs, beside what its judge needs.
    pub needs: &'static [Need],
    /// If one of these failed, this one would fail or pass for the same reason: it is not made.
    pub after: &'static [&'static str],
    /// If this one failed, and this one fails too, that is one fault.
    pub with: Option<&'static str>,
    pub weight: Weight,
}

/// A thing that not every run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// What the receiver delivered is seen.
    Observer,
    /// The receiver's certificate, for encrypted content.
    Certificate,
    /// The secret that the receiver expects in changes.
    ClientState,
}

impl Need {
    /// What the user gives for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "--observe",
            Self::Certificate => "--certificate-key",
            Self::ClientState => "a clientState (see --client-state-env)",
        }
    }
}

/// How much hangs on a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nothing else.
    Itself,
    /// Without it the channel delivers nothing.
    Delivery,
    /// Without it the channel takes nothing at all.
    Entry,
    /// Without it the channel takes forged notifications, from everybody.
    Guard,
    /// The same, where only answers were seen: what was done with the forged ones was not.
    UnseenGuard,
}

impl Weight {
    /// What the channel does if the check fails; `None` if little hangs on it.
    pub fn fault(self) -> Option<&'static str> {
        match self {
            Self::Itself => None,
            Self::Delivery => Some("delivers nothing"),
            Self::Entry => Some("takes no genuine notification"),
            Self::Guard => Some("takes forged notifications from everybody"),
            Self::UnseenGuard => Some("answers 2xx to forged notifications from everybody"),
        }
    }
}

impl Check {
    pub(super) const fn must(name: &'static str, source: Source, make: Make, judge: Judge) -> Self {
        Self {
            name,
            level: Level::Must,
            source,
            make,
            judge,
            needs: &[],
            after: &[],
            with: None,
            weight: Weight::Itself,
        }
    }

    pub(super) const fn should(name: &'static str, source: Source, make: Make, judge: Judge) -> Self {
        Self { level: Level::Should, ..Self::must(name, source, make, judge) }
    }

    pub(super) const fn advice(name: &'static str, source: Source, make: Make, judge: Judge) -> Self {
        Self { level: Level::Advice, ..Self::must(name, source, make, judge) }
    }

    /// Not made without these.
    pub(super) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Not made if one of these failed.
    pub(super) const fn after(mut self, names: &'static [&'static str]) -> Self {
        self.after = names;
        self
    }

    /// One fault with this one, which is made before it.
    pub(super) const fn with(mut self, name: &'static str) -> Self {
        self.with = Some(name);
        self
    }

    /// Without it the channel delivers nothing.
    pub(super) const fn delivery(mut self) -> Self {
        self.weight = Weight::Delivery;
        self
    }

    /// Without it the channel takes forged notifications.
    pub(super) const fn guard(mut self) -> Self {
        self.weight = Weight::Guard;
        self
    }

    /// Without it the channel takes nothing.
    pub(super) const fn entry(mut self) -> Self {
        self.weight = Weight::Entry;
        self
    }
}

/// Makes a check's POSTs.
pub(super) type Make = fn(&Graph, &mut Seed) -> Made;
/// The POSTs of a check.
pub(super) type Made = Result<Vec<Sending>, Unmade>;

/// Why a check has no POSTs.
pub(super) enum Unmade {
    Skip(&'static str),
    Failed(SimulatorError),
}

impl From<SimulatorError> for Unmade {
    fn from(error: SimulatorError) -> Self {
        Self::Failed(error)
    }
}

/// A POST of a check.
pub(super) struct Sending {
    /// Which of the check's POSTs it is; empty if there is one.
    pub label: &'static str,
    pub post: Post,
    /// What shows, in what the receiver delivers, that an item of this POST was delivered.
    pub marks: Vec<Mark>,
}

impl Sending {
    pub(super) fn new(label: &'static str, post: Post) -> Self {
        Self { label, post, marks: Vec::new() }
    }

    pub(super) fn marked(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }
}

/// A check of one POST.
#[allow(clippy::unnecessary_wraps, reason = "what a check makes")]
pub(super) fn one(post: Post) -> Made {
    Ok(vec![Sending::new("", post)])
}
