//! Grades any receiver: named checks, each with its level, its expectation and its source.
//!
//! A check sees answers, and where the receiver has an observer also what was delivered. What neither shows is said
//! beside the grade. docs/conformance.md says what each level means and how the grade is made.
//!
//! **Invariants**
//! 1. A check needs only the receiver's URL, and that the receiver trusts the identity.
//! 2. A check that cannot be made is skipped with its reason, never passed.
//! 3. A receiver that hangs is found out within a minute.

mod check;
mod checks;
mod deliveries;
mod ended;
mod grading;
mod held;
mod hints;
mod judge;
mod mark;
mod needs;
mod observer;
mod patience;
mod pending;
mod restart;
mod run;
mod sources;

use std::time::Duration;

use self::check::Need;
pub use self::check::{Channel, Level, Source, Weight};
pub use self::grading::{Counts, Grade, Outcome, Verdict, follows_from, unchecked_json};
use self::hints::Found;
pub use self::observer::{Observer, Place};
pub use self::patience::Patience;
use self::run::{Run, Slowest};
use super::{Graph, SimulatorError};

/// How a receiver is graded.
pub struct Setting {
    /// `Both` channels, or one.
    pub channel: Channel,
    /// What random choices begin with.
    pub seed: u64,
    /// How long answers are waited for.
    pub patience: Patience,
    /// Sees what was delivered.
    pub observer: Option<Observer>,
    /// Kills the receiver and starts it again: a command for the shell. It needs the observer.
    pub restart_command: Option<String>,
}

impl Setting {
    /// Both channels, without an observer.
    pub fn new(channel: Channel, seed: u64) -> Self {
        Self { channel, seed, patience: Patience::default(), observer: None, restart_command: None }
    }
}

/// What is told while a receiver is graded.
pub enum Told<'a> {
    /// A check begins.
    Begins {
        /// Its name.
        name: &'static str,
        /// How many were before it.
        nth: usize,
        /// How many there are.
        of: usize,
    },
    /// Everything was sent; deliveries are waited for.
    Looks,
    /// The receiver is being killed and started again.
    Restarts,
    /// A check has its result.
    Verdict(&'a Verdict),
}

/// Grades a receiver; tells each result as soon as it is known.
///
/// # Errors
/// A token or content could not be made; this says nothing about the receiver.
pub async fn grade(graph: &Graph, setting: &mut Setting, tell: impl FnMut(Told<'_>)) -> Result<Grade, SimulatorError> {
    let no_better_than_c = limit(graph, setting);
    let in_time = setting.patience.in_time;
    let mut run = Run::new(graph, setting, tell);
    run.make_all().await?;
    run.deliver_all();
    let verdict = answers_in_time(&run.slowest, in_time);
    run.add(usize::MAX - 1, verdict);
    run.restart().await?;
    let (ended, statuses) = (run.ended.take(), std::mem::take(&mut run.statuses));
    let (lost, waited) = ([Channel::Calls, Channel::Subscriptions].map(|of| run.loss(of)), run.waited());
    let not_done = std::mem::take(&mut run.not_done);
    let verdicts = run.verdicts();
    let hints =
        Found { verdicts: &verdicts, statuses: &statuses, paths: &graph.paths, lost, waited, ended: &ended }.hints();
    let not_seen = not_seen(&verdicts, graph, setting);
    let ended = ended.map(|ended| ended.to_string());
    Ok(Grade { verdicts, not_seen, hints, no_better_than_c, ended, not_done })
}

/// A check as the documentation lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The expectation in words.
    pub expected: String,
    /// The reason for it, and where it stands.
    pub source: Source,
    /// How much hangs on it.
    pub weight: Weight,
}

/// Every check, in the order in which they are made.
pub fn listed() -> Vec<Listed> {
    let of_tables = checks::of(Channel::Both).map(|(_, check)| Listed {
        name: check.name,
        level: check.level,
        expected: check.judge.to_string(),
        source: check.source,
        weight: check.weight,
    });
    let last = [answers_in_time(&Slowest::default(), Patience::default().in_time), restart::verdict(Outcome::Pass)];
    let last = deliveries::listed().into_iter().chain(last).map(|verdict| Listed {
        name: verdict.name,
        level: verdict.level,
        expected: verdict.expected,
        source: verdict.source,
        weight: verdict.weight,
    });
    of_tables.chain(last).collect()
}

/// What the checks did not see, and what would show it.
fn not_seen(verdicts: &[Verdict], graph: &Graph, setting: &Setting) -> Vec<String> {
    let needs = |what: &str, needs: &[Need]| {
        needs::missing(needs, graph, setting).map(|missing| format!("whether {what}: {missing}"))
    };
    let mut not_seen = Vec::new();
    not_seen.extend(needs("an accepted notification is stored and delivered", &[Need::Observer]));
    if setting.channel != Channel::Calls {
        not_seen.extend(needs("clientState is checked", &[Need::Observer, Need::ClientState]));
        let all = [Need::Observer, Need::Certificate, Need::ClientState];
        not_seen.extend(needs("encrypted content is decrypted, and its tokens verified", &all));
    }
    not_seen.push(
        match verdicts.iter().find(|verdict| verdict.name == restart::NAME).map(|verdict| &verdict.outcome) {
            None if setting.observer.is_some() => {
                "whether an accepted notification survives a crash: needs --restart-command".into()
            }
            None => "whether an accepted notification survives a crash: needs --observe and --restart-command".into(),
            Some(Outcome::Skip(_) | Outcome::Follows(_)) => {
                "whether an accepted notification survives a crash: see survives-a-crash".into()
            }
            Some(Outcome::Pass | Outcome::Fail(_)) => {
                "whether the receiver was killed or stopped in order: only that it went down was seen".into()
            }
        },
    );
    not_seen.push("whether a power cut loses anything, and who else can reach the receiver".into());
    not_seen
}

/// What keeps the grade at C.
fn limit(graph: &Graph, setting: &Setting) -> Option<&'static str> {
    if setting.observer.is_none() {
        return Some("no better than C without --observe, because answers do not show whether anything was stored");
    }
    (setting.channel != Channel::Calls && graph.client_state.is_none())
        .then_some("no better than C without a clientState, because it is the proof of every change notification")
}

fn answers_in_time(slowest: &Slowest, limit: Duration) -> Verdict {
    let Slowest { n, took, of } = slowest;
    Verdict {
        name: "answers-in-time",
        channel: Channel::Both,
        level: Level::Must,
        expected: format!("each genuine POST is answered within {limit:?}"),
        source: Source::Says("If Microsoft Graph doesn't receive a 2xx class code within 3 seconds", sources::DELIVERY),
        outcome: match *n {
            0 => Outcome::Skip("no genuine POST was answered 2xx".into()),
            _ if *took <= limit => Outcome::Pass,
            _ => Outcome::Fail(format!("{of}: answered after {:.1} s", took.as_secs_f64())),
        },
        weight: Weight::Itself,
    }
}
