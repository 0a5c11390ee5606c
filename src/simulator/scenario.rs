//! The scenario: everything that a good receiver must accept, one POST after the other.
//!
//! **Invariants**
//! 1. Everything in it is genuine: a receiver that trusts the identity answers each POST with 2xx.
//! 2. With the same seed the same notifications are sent in the same order.

use super::client::{Answer, ClientError, Post};
use super::payload::{self, Dialect, Recording, Seed, calls, change};
use super::{Graph, SimulatorError};

/// A part that can be played alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Recordings from their start to their end, and what else happens in a call.
    Recordings,
    /// The same POST, repeated.
    Duplicates,
    /// The end before the start.
    Reordering,
    /// Calls that end before their recordings: one recording arrives late, one never.
    Lost,
    /// Every dialect of both channels.
    Dialects,
    /// Graph's check that the receiver wants its subscriptions.
    Handshake,
    /// Changes, alone and mixed.
    Changes,
    /// Lifecycle notifications of subscriptions.
    Lifecycle,
    /// Changes with encrypted content; needs a certificate.
    Encrypted,
}

impl Part {
    /// All of them, in the order that they are played.
    pub const ALL: [Self; 9] = [
        Self::Handshake,
        Self::Recordings,
        Self::Duplicates,
        Self::Reordering,
        Self::Lost,
        Self::Dialects,
        Self::Changes,
        Self::Lifecycle,
        Self::Encrypted,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recordings => "recordings",
            Self::Duplicates => "duplicates",
            Self::Reordering => "reordering",
            Self::Lost => "lost",
            Self::Dialects => "dialects",
            Self::Handshake => "handshake",
            Self::Changes => "changes",
            Self::Lifecycle => "lifecycle",
            Self::Encrypted => "encrypted",
        }
    }
}

/// Which channels are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// The calls channel.
    pub calls: bool,
    /// The subscriptions channel.
    pub subscriptions: bool,
}

/// A POST that was sent, and its answer.
#[derive(Debug)]
pub struct Step {
    /// The part that it belongs to.
    pub part: Part,
    /// Its description.
    pub what: String,
    /// Its path.
    pub path: String,
    /// The answer.
    pub outcome: Result<Answer, ClientError>,
    echo: Option<&'static str>,
}

impl Step {
    /// A POST of somebody else's making that was answered.
    pub fn new((part, what): (Part, &str), path: String, outcome: Result<Answer, ClientError>) -> Self {
        Self { part, what: what.into(), path, outcome, echo: None }
    }

    /// The fault of the answer, `None` if it is as expected.
    pub fn fault(&self) -> Option<String> {
        match &self.outcome {
            Err(error) => Some(error.to_string()),
            Ok(answer) if !answer.is_2xx() => Some("expected 2xx".into()),
            Ok(answer) => match self.echo {
                Some(token) if answer.status != 200 || answer.body != token.as_bytes() => {
                    Some("expected 200 and the decoded token, nothing else".into())
                }
                _ => None,
            },
        }
    }
}

/// What is to be sent.
struct Planned {
    what: String,
    post: Post,
    echo: Option<&'static str>,
}

/// The handshake's token as Graph sends it, and as it must come back.
pub const HANDSHAKE: (&str, &str) = (
    "Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+\
     522a8e7e-096a-494c-aaf1-ac0dcfca45b7",
    "Validation: Testing client application reachability for subscription Request-Id: \
     522a8e7e-096a-494c-aaf1-ac0dcfca45b7",
);

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Play<'a> {
    /// The parts, in their order.
    pub parts: &'a [Part],
    /// Where to.
    pub channels: Channels,
    /// What its random choices begin with.
    pub seed: u64,
}

/// Plays parts in their order; tells of each POST when it was answered. Returns whether every answer was as expected.
/// Ends early where nobody listens.
///
/// # Errors
/// A token or content could not be made.
pub async fn play(graph: &Graph, play: Play<'_>, mut tell: impl FnMut(&Step)) -> Result<bool, SimulatorError> {
    let Play { parts, channels, seed } = play;
    let mut seed = Seed::new(seed);
    let mut all_well = true;
    for part in parts {
        for Planned { what, post, echo } in plan(*part, graph, channels, &mut seed)? {
            let path = post.path.split('?').next().unwrap_or_default().to_owned();
            let step = Step { part: *part, what, path, outcome: graph.send(post).await, echo };
            all_well &= step.fault().is_none();
            tell(&step);
            if matches!(step.outcome, Err(ClientError::Connect { .. })) {
                return Ok(false);
            }
        }
    }
    Ok(all_well)
}

fn plan(part: Part, graph: &Graph, channels: Channels, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let mut planned = Vec::new();
    if channels.calls {
        let posts = match part {
            Part::Recordings => recordings(graph, seed)?,
            Part::Duplicates => duplicates(graph, seed)?,
            Part::Reordering => reordering(graph, seed)?,
            Part::Lost => lost(graph, seed)?,
            Part::Dialects => call_dialects(graph, seed)?,
            _ => Vec::new(),
        };
        planned.extend(posts);
    }
    if channels.subscriptions {
        let posts = match part {
            Part::Handshake => handshakes(graph),
            Part::Dialects => change_dialects(graph, seed)?,
            Part::Changes => changes(graph, seed)?,
            Part::Lifecycle => lifecycle(graph, seed),
            Part::Encrypted => encrypted(graph, seed)?,
            _ => Vec::new(),
        };
        planned.extend(posts);
    }
    Ok(planned)
}

fn planned(what: impl Into<String>, post: Post) -> Planned {
    Planned { what: what.into(), post, echo: None }
}

fn handshakes(graph: &Graph) -> Vec<Planned> {
    let (sent, echo) = HANDSHAKE;
    [&graph.paths.notifications, &graph.paths.lifecycle]
        .map(|path| Planned { what: "validation token".into(), post: graph.handshake(path, sent), echo: Some(echo) })
        .into()
}

fn recordings(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let good = Recording::new(seed).client_context("support-1001");
    let bad = Recording::new(seed).client_context("support-1002");
    let together = [Recording::new(seed).completed(), calls::call(seed, "terminated"), Recording::new(seed).failed()];
    let one = |what: &str, item: String| Ok(planned(what, graph.calls(&[item])?));
    Ok(vec![
        one("call incoming", calls::call(seed, "incoming"))?,
        one("call established", calls::call(seed, "established"))?,
        one("participants, an array", calls::participants(seed))?,
        one("prompt played", calls::prompt(seed))?,
        one("recording support-1001 running", good.running())?,
        one("recording support-1001 completed", good.completed())?,
        one("recording support-1002 failed (8508, cancelled)", bad.failed())?,
        planned("two recordings and a call in one POST", graph.calls(&together)?),
        planned(
            "old Skype format",
            graph.calls_with(&format!("Bearer {}", graph.calls_token()?), calls::legacy_skype(seed)),
        ),
    ])
}

fn duplicates(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let items = [Recording::new(seed).client_context("support-1003").completed()];
    let first = planned("recording support-1003 completed", graph.calls(&items)?);
    Ok(vec![first, planned("recording support-1003 completed, repeated", graph.calls(&items)?)])
}

fn reordering(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let recording = Recording::new(seed).client_context("support-1004");
    Ok(vec![
        planned("recording support-1004 completed", graph.calls(&[recording.completed()])?),
        planned("recording support-1004 running, too late", graph.calls(&[recording.running()])?),
    ])
}

fn lost(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let (late, never) = (Recording::new(seed), Recording::new(seed));
    let (late, never) = (late.client_context("support-1005"), never.client_context("support-1006"));
    let one = |what: &str, item: String| Ok(planned(what, graph.calls(&[item])?));
    Ok(vec![
        one("recording support-1005 running", late.running())?,
        one("the call of support-1005 ends before its recording is reported", calls::call_of(late.call, "terminated"))?,
        one("recording support-1005 completed, after its call", late.completed())?,
        one("recording support-1006 running", never.running())?,
        one("the call of support-1006 ends; no recording will follow", calls::call_of(never.call, "terminated"))?,
    ])
}

fn call_dialects(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let one = |dialect: &Dialect| {
        let recording = Recording::new(seed).client_context(format!("dialect-{}", dialect.as_str())).dialect(*dialect);
        let items = match dialect {
            Dialect::EmptyForAbsent | Dialect::NullForAbsent => [recording.running()],
            _ => [recording.completed()],
        };
        Ok(planned(dialect.as_str(), graph.calls(&items)?))
    };
    Dialect::CALLS.iter().map(one).collect()
}

fn change_dialects(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let one = |dialect: &Dialect| {
        let items = [graph.change(seed).dialect(*dialect).basic()];
        Ok(planned(dialect.as_str(), graph.notifications(&items, false)?))
    };
    Dialect::SUBSCRIPTIONS.iter().map(one).collect()
}

fn changes(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let alone = [graph.change(seed).basic()];
    let mixed = [graph.change(seed).basic(), graph.change(seed).basic(), graph.change(seed).basic()];
    Ok(vec![
        planned("chat message created", graph.notifications(&alone, false)?),
        planned("three subscriptions in one POST", graph.notifications(&mixed, false)?),
    ])
}

fn lifecycle(graph: &Graph, seed: &mut Seed) -> Vec<Planned> {
    let mut posts: Vec<Planned> = change::LIFECYCLE_EVENTS
        .iter()
        .map(|event| planned(*event, graph.lifecycle(&[graph.change(seed).lifecycle(event)])))
        .collect();
    let item = graph.change(seed).dialect(Dialect::OrganizationId).lifecycle("missed");
    posts.push(planned("missed, with organizationId", graph.lifecycle(&[item])));
    posts
}

fn encrypted(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let Some(certificate) = &graph.certificate else { return Ok(Vec::new()) };
    let rich = graph.change(seed).rich(certificate)?;
    let mixed = [graph.change(seed).basic(), graph.change(seed).rich(certificate)?];
    let version_1 = graph.identity.validation_token_v1(&graph.app_id, &graph.tenant).sign()?;
    let with_version_1 = payload::changes(&[graph.change(seed).rich(certificate)?], &[version_1]);
    Ok(vec![
        planned("encrypted chat message", graph.notifications(&[rich], true)?),
        planned("encrypted and plain in one POST", graph.notifications(&mixed, true)?),
        planned("encrypted, with a v1 validation token", graph.notifications_with(with_version_1)),
    ])
}
