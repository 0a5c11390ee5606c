//! The scenarios that are code: everything but the calls, and what no call of today has.

use super::step::Planned;
use super::{Channels, HANDSHAKE};
use crate::simulator::client::Post;
use crate::simulator::payload::resources::Life;
use crate::simulator::payload::{self, Change, Dialect, Recording, Resource, Seed, calls, change};
use crate::simulator::{DEMO_OTHER_TENANT, Graph, SimulatorError};

/// A scenario that is code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Graph's check that the receiver wants its subscriptions.
    Handshake,
    /// The calling platform's format before Graph.
    Legacy,
    /// Every dialect of both channels.
    Dialects,
    /// Changes, alone and mixed.
    Changes,
    /// Lifecycle notifications of subscriptions.
    Lifecycle,
    /// Changes with encrypted content; needs a certificate.
    Encrypted,
    /// Encrypted changes of two tenants in one POST; needs a certificate.
    TwoTenants,
    /// A change of each resource, encrypted too where there is a certificate.
    Resources,
}

impl Part {
    /// All of them, in the order that they are played.
    pub const ALL: [Self; 8] = [
        Self::Handshake,
        Self::Legacy,
        Self::Dialects,
        Self::Changes,
        Self::Lifecycle,
        Self::Encrypted,
        Self::TwoTenants,
        Self::Resources,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Legacy => "legacy",
            Self::Dialects => "dialects",
            Self::Changes => "changes",
            Self::Lifecycle => "lifecycle",
            Self::Encrypted => "encrypted",
            Self::TwoTenants => "two-tenants",
            Self::Resources => "resources",
        }
    }

    /// What it plays, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Handshake => "Graph checks that the receiver wants its subscriptions",
            Self::Legacy => "a call and a recording in the Skype format from before Graph, which is answered with 204",
            Self::Dialects => "recordings and changes in each known variant of Graph's JSON",
            Self::Changes => "change notifications, one and several in a POST",
            Self::Lifecycle => "lifecycle notifications of subscriptions",
            Self::Encrypted => "change notifications with encrypted content; needs --certificate-key",
            Self::TwoTenants => {
                "encrypted changes of two tenants in one POST, with a token each; needs --certificate-key"
            }
            Self::Resources => "a change of each resource, such as driveItem; with --certificate-key encrypted too",
        }
    }
}

/// The POSTs of a part on these channels.
pub(super) fn plan(
    part: Part,
    graph: &Graph,
    channels: Channels,
    seed: &mut Seed,
) -> Result<Vec<Planned>, SimulatorError> {
    let mut planned = Vec::new();
    if channels.calls {
        let posts = match part {
            Part::Legacy => legacy(graph, seed)?,
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
            Part::TwoTenants => two_tenants(graph, seed)?,
            Part::Resources => resources(graph, seed)?,
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

fn legacy(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let authorization = format!("Bearer {}", graph.calls_token()?);
    Ok(vec![
        planned(
            "incoming call, old Skype format",
            graph.calls_with(&authorization, calls::legacy_skype_incoming(seed)),
        ),
        planned("old Skype format", graph.calls_with(&authorization, calls::legacy_skype(seed))),
    ])
}

fn call_dialects(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let one = |dialect: &Dialect| {
        let recording = Recording::new(seed).client_context(format!("dialect-{}", dialect.as_str())).dialect(*dialect);
        // What is absent shows in a recording that is running, which Graph notified of until 2019.
        let (what, items) = match dialect {
            Dialect::EmptyForAbsent | Dialect::NullForAbsent => {
                (format!("{}, running as until 2019", dialect.as_str()), [recording.running()])
            }
            _ => (dialect.as_str().to_owned(), [recording.completed()]),
        };
        Ok(planned(what, graph.calls(&items)?))
    };
    Dialect::CALLS.iter().map(one).collect()
}

/// A change of a message, of a subscription that was just made.
fn changed(graph: &Graph, seed: &mut Seed) -> Change {
    graph.change(seed).expires(Life::CHAT_MESSAGE.after(graph.identity.now()))
}

fn change_dialects(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let one = |dialect: &Dialect| {
        let items = [changed(graph, seed).dialect(*dialect).basic()];
        Ok(planned(dialect.as_str(), graph.notifications(&items, false)?))
    };
    let mut posts: Vec<Planned> = Dialect::SUBSCRIPTIONS.iter().map(one).collect::<Result<_, SimulatorError>>()?;
    if let Some(certificate) = &graph.certificate {
        let dialect = Dialect::EncryptedContentCase;
        let item = changed(graph, seed).dialect(dialect).rich(certificate)?;
        posts.push(planned(dialect.as_str(), graph.notifications(&[item], true)?));
    }
    Ok(posts)
}

fn changes(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let alone = [changed(graph, seed).basic()];
    let mixed = [changed(graph, seed).basic(), changed(graph, seed).basic(), changed(graph, seed).basic()];
    Ok(vec![
        planned("chat message created", graph.notifications(&alone, false)?),
        planned("three subscriptions in one POST", graph.notifications(&mixed, false)?),
    ])
}

fn lifecycle(graph: &Graph, seed: &mut Seed) -> Vec<Planned> {
    let mut posts: Vec<Planned> = change::LIFECYCLE_EVENTS
        .iter()
        .map(|event| planned(*event, graph.lifecycle(&[changed(graph, seed).lifecycle(event)])))
        .collect();
    let item = changed(graph, seed).dialect(Dialect::OrganizationId).lifecycle("missed");
    posts.push(planned("missed, with organizationId", graph.lifecycle(&[item])));
    posts
}

fn encrypted(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let Some(certificate) = &graph.certificate else { return Ok(Vec::new()) };
    let rich = changed(graph, seed).rich(certificate)?;
    let mixed = [changed(graph, seed).basic(), changed(graph, seed).rich(certificate)?];
    let version_1 = graph.identity.validation_token_v1(&graph.app_id, &graph.tenant).sign()?;
    let with_version_1 = payload::changes(&[changed(graph, seed).rich(certificate)?], &[version_1]);
    Ok(vec![
        planned("encrypted chat message", graph.notifications(&[rich], true)?),
        planned("encrypted and plain in one POST", graph.notifications(&mixed, true)?),
        planned("encrypted, with a v1 validation token", graph.notifications_with(with_version_1)),
    ])
}

fn two_tenants(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let Some(certificate) = &graph.certificate else { return Ok(Vec::new()) };
    let expires = Life::CHAT_MESSAGE.after(graph.identity.now());
    let other = Change::new(seed, DEMO_OTHER_TENANT, graph.client_state.as_deref()).expires(expires);
    let items = [changed(graph, seed).rich(certificate)?, other.rich(certificate)?];
    let token = |tenant: &str| graph.identity.validation_token_v2(&graph.app_id, tenant).sign();
    // Which token is for which tenant, only the tokens say.
    let tokens = [token(DEMO_OTHER_TENANT)?, token(&graph.tenant)?];
    let post = graph.notifications_with(payload::changes(&items, &tokens));
    Ok(vec![planned("two tenants in one POST, a token each", post)])
}

fn resources(graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let mut posts = Vec::new();
    for resource in Resource::all() {
        posts.extend(of_resource(resource, graph, seed)?);
    }
    Ok(posts)
}

/// The POSTs of a resource: without the resource, and with it if there is a certificate and Graph includes it.
pub(super) fn of_resource(resource: Resource, graph: &Graph, seed: &mut Seed) -> Result<Vec<Planned>, SimulatorError> {
    let basic = graph.changed(resource, seed).basic();
    let mut posts = vec![planned(resource.name(), graph.notifications(&[basic], false)?)];
    if let Some(certificate) = &graph.certificate
        && let Some(rich) = graph.changed(resource, seed).rich(certificate)?
    {
        posts.push(planned(format!("{}, encrypted", resource.name()), graph.notifications(&[rich], true)?));
    }
    Ok(posts)
}
