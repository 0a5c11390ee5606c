//! The scenarios: what a good receiver must accept, one POST after the other. Calls are scripts; the rest is code.
//!
//! **Invariants**
//! 1. Everything in them is genuine: a receiver that trusts the identity answers each POST with 2xx, unless a script
//!    expects another answer.
//! 2. With the same seed the same notifications are sent in the same order. Tokens, message ids and encrypted contents
//!    are new each time, and times go by the clock: a subscription ends after the run, and a resource was made before it.

mod keys;
mod parts;
mod step;

pub use self::keys::KeyStory;
pub use self::parts::Part;
use self::step::Planned;
pub use self::step::Step;
use super::payload::{Resource, Seed};
use super::script::Script;
use super::{Graph, SimulatorError};

/// The calls that the simulator knows, by name.
const SCRIPTS: [(&str, &str); 16] = [
    ("plain", include_str!("../scenarios/plain.toml")),
    ("failed", include_str!("../scenarios/failed.toml")),
    ("two-recordings", include_str!("../scenarios/two-recordings.toml")),
    ("hangup", include_str!("../scenarios/hangup.toml")),
    ("late-result", include_str!("../scenarios/late-result.toml")),
    ("bot-hangup", include_str!("../scenarios/bot-hangup.toml")),
    ("hold", include_str!("../scenarios/hold.toml")),
    ("transfer", include_str!("../scenarios/transfer.toml")),
    ("transfer-failed", include_str!("../scenarios/transfer-failed.toml")),
    ("redirect", include_str!("../scenarios/redirect.toml")),
    ("meeting", include_str!("../scenarios/meeting.toml")),
    ("several-calls", include_str!("../scenarios/several-calls.toml")),
    ("together", include_str!("../scenarios/together.toml")),
    ("repeats", include_str!("../scenarios/repeats.toml")),
    ("reordering", include_str!("../scenarios/reordering.toml")),
    ("running-2019", include_str!("../scenarios/running-2019.toml")),
];

/// The handshake's token as Graph sends it, and as it must come back.
pub const HANDSHAKE: (&str, &str) = (
    "Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+\
     522a8e7e-096a-494c-aaf1-ac0dcfca45b7",
    "Validation: Testing client application reachability for subscription Request-Id: \
     522a8e7e-096a-494c-aaf1-ac0dcfca45b7",
);

/// Which channels are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// The calls channel.
    pub calls: bool,
    /// The subscriptions channel.
    pub subscriptions: bool,
}

/// Something that can be played alone.
#[derive(Clone, Debug)]
pub enum Scenario {
    /// Calls.
    Script(Script),
    /// Code.
    Part(Part),
    /// The changes of one resource.
    Resource(Resource),
    /// What happens to the keys.
    Keys(KeyStory),
}

impl Scenario {
    /// The names of the scenarios that are played where none is named, in their order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let first = [Part::Handshake.as_str()].into_iter();
        let parts = Part::ALL.into_iter().filter(|part| *part != Part::Handshake).map(Part::as_str);
        first.chain(SCRIPTS.map(|(name, _)| name)).chain(parts)
    }

    /// The names of those that are played only where they are named: single resources, which `resources` has too, and
    /// those of the keys, for which a receiver may need minutes.
    pub fn names_of_others() -> impl Iterator<Item = &'static str> {
        KeyStory::ALL.into_iter().map(KeyStory::as_str).chain(Resource::all().map(Resource::name))
    }

    /// The scenario of this name, `None` if there is none.
    ///
    /// # Errors
    /// A script of the simulator's own has a mistake.
    pub fn find(name: &str) -> Result<Option<Self>, SimulatorError> {
        if let Some(part) = Part::ALL.into_iter().find(|part| part.as_str() == name) {
            return Ok(Some(Self::Part(part)));
        }
        if let Some(story) = KeyStory::ALL.into_iter().find(|story| story.as_str() == name) {
            return Ok(Some(Self::Keys(story)));
        }
        if let Some(resource) = Resource::find(name) {
            return Ok(Some(Self::Resource(resource)));
        }
        let Some((name, text)) = SCRIPTS.iter().find(|(script, _)| *script == name) else { return Ok(None) };
        Ok(Some(Self::Script(Script::read(name, &format!("{name}.toml"), text)?)))
    }

    /// All that are played where none is named, in their order.
    ///
    /// # Errors
    /// As [`Scenario::find`].
    pub fn all() -> Result<Vec<Self>, SimulatorError> {
        Self::names().filter_map(|name| Self::find(name).transpose()).collect()
    }

    /// Those that are played only where they are named.
    ///
    /// # Errors
    /// As [`Scenario::find`].
    pub fn others() -> Result<Vec<Self>, SimulatorError> {
        Self::names_of_others().filter_map(|name| Self::find(name).transpose()).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Script(script) => &script.name,
            Self::Part(part) => part.as_str(),
            Self::Resource(resource) => resource.name(),
            Self::Keys(story) => story.as_str(),
        }
    }

    /// What it plays, in one line.
    pub fn summary(&self) -> &str {
        match self {
            Self::Script(script) => &script.summary,
            Self::Part(part) => part.summary(),
            Self::Resource(resource) => resource.summary(),
            Self::Keys(story) => story.summary(),
        }
    }

    /// Why nothing of it can be sent on these channels, with or without a certificate; `None`: something can.
    pub fn lacks(&self, channels: Channels, has_certificate: bool) -> Option<Lack> {
        let Needs { calls, subscriptions, certificate } = self.needs();
        let is_on_calls = calls && channels.calls;
        let is_on_subscriptions = subscriptions && channels.subscriptions;
        match (is_on_calls, is_on_subscriptions, certificate && !has_certificate) {
            (true, ..) | (_, true, false) => None,
            (false, true, true) => Some(Lack::Certificate),
            (false, false, _) => Some(Lack::Channel),
        }
    }

    /// Whether it has encrypted changes, which are sent only with a certificate.
    pub fn has_encrypted_changes(&self) -> bool {
        match self {
            Self::Script(_) => false,
            Self::Part(part) => {
                matches!(part, Part::Dialects | Part::Encrypted | Part::TwoTenants | Part::Resources)
            }
            Self::Resource(resource) => resource.may_be_rich(),
            Self::Keys(_) => true,
        }
    }

    fn needs(&self) -> Needs {
        let on = |calls, subscriptions| Needs { calls, subscriptions, certificate: false };
        match self {
            Self::Script(_) | Self::Part(Part::Legacy) => on(true, false),
            Self::Part(Part::Dialects) => on(true, true),
            Self::Part(Part::Encrypted | Part::TwoTenants) => Needs { certificate: true, ..on(false, true) },
            Self::Part(Part::Handshake | Part::Changes | Part::Lifecycle | Part::Resources) | Self::Resource(_) => {
                on(false, true)
            }
            Self::Keys(_) => Needs { certificate: true, ..on(true, true) },
        }
    }
}

/// The channels that a scenario is sent on, and whether it needs a certificate on the subscriptions channel.
struct Needs {
    calls: bool,
    subscriptions: bool,
    certificate: bool,
}

/// Why nothing of a scenario can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There is no certificate to encrypt for.
    Certificate,
    /// It is of the other channel.
    Channel,
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Play<'a> {
    /// The scenarios, in their order.
    pub scenarios: &'a [Scenario],
    /// Where to.
    pub channels: Channels,
    /// What its random choices begin with.
    pub seed: u64,
}

/// Plays scenarios in their order; tells of each POST when it was answered. Returns whether every answer was as
/// expected. Ends early where nobody listens.
///
/// # Errors
/// A token or content could not be made.
pub async fn play(graph: &Graph, play: Play<'_>, mut tell: impl FnMut(&Step)) -> Result<bool, SimulatorError> {
    let Play { scenarios, channels, seed } = play;
    let mut player = Player { graph, channels, seed: Seed::new(seed), tell: &mut tell, all_well: true };
    for scenario in scenarios {
        let somebody_listens = match scenario {
            Scenario::Part(part) => player.part(*part).await?,
            Scenario::Resource(resource) if channels.subscriptions => player.resource(*resource).await?,
            Scenario::Keys(story) => player.keys(*story).await?,
            Scenario::Script(script) if channels.calls => player.script(script).await?,
            Scenario::Script(_) | Scenario::Resource(_) => true,
        };
        if !somebody_listens {
            return Ok(false);
        }
    }
    Ok(player.all_well)
}

/// Plays one scenario after the other.
struct Player<'a, F> {
    graph: &'a Graph,
    channels: Channels,
    seed: Seed,
    tell: &'a mut F,
    all_well: bool,
}

impl<F: FnMut(&Step)> Player<'_, F> {
    /// Plays a part. Returns whether somebody listens.
    async fn part(&mut self, part: Part) -> Result<bool, SimulatorError> {
        let planned = parts::plan(part, self.graph, self.channels, &mut self.seed)?;
        Ok(self.planned(part.as_str(), planned).await)
    }

    /// Plays the changes of a resource. Returns whether somebody listens.
    async fn resource(&mut self, resource: Resource) -> Result<bool, SimulatorError> {
        let planned = parts::of_resource(resource, self.graph, &mut self.seed)?;
        Ok(self.planned(resource.name(), planned).await)
    }

    async fn planned(&mut self, scenario: &str, all: Vec<Planned>) -> bool {
        for planned in all {
            let path = without_query(&planned.post.path);
            let step = Step::new(scenario, &planned.what, path, self.graph.send(planned.post).await);
            if !self.told(&Step { echo: planned.echo, ..step }) {
                return false;
            }
        }
        true
    }

    /// Plays a script. Returns whether somebody listens.
    async fn script(&mut self, script: &Script) -> Result<bool, SimulatorError> {
        for request in script.run(self.graph, &mut self.seed).requests {
            if !request.after.is_zero() {
                tokio::time::sleep(request.after).await;
            }
            let post = request.post(self.graph)?;
            let path = without_query(&post.path);
            let step = Step::new(&script.name, &request.what, path, self.graph.send(post).await);
            if !self.told(&step.expecting(&request.expect)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells of a POST that was answered. Returns whether somebody listens.
    fn told(&mut self, step: &Step) -> bool {
        self.all_well &= step.fault().is_none();
        (self.tell)(step);
        !step.has_no_listener()
    }
}

pub(super) fn without_query(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::simulator::payload::undashed;
    use crate::simulator::script::{PlayedCall, Run};
    use crate::simulator::{Client, Identity, Paths};

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_says_what_it_plays() {
        let mut names: Vec<&str> = Scenario::names().collect();
        let all = Scenario::all().unwrap();
        assert_eq!(all.iter().map(Scenario::name).collect::<Vec<_>>(), names);
        for scenario in &all {
            let summary = scenario.summary();
            assert!(!summary.is_empty() && !summary.ends_with('.'), "{}: {summary:?}", scenario.name());
        }
        let others = Scenario::others().unwrap();
        assert_eq!(
            others.iter().map(Scenario::name).collect::<Vec<_>>(),
            Scenario::names_of_others().collect::<Vec<_>>()
        );
        assert!(others.iter().all(|other| !other.summary().is_empty() && !other.summary().ends_with('.')));
        names.extend(Scenario::names_of_others());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len() + others.len());
        assert!(Scenario::find("none").unwrap().is_none());
    }

    fn graph() -> Graph {
        Graph {
            client: Client::new("http://127.0.0.1:1").unwrap(),
            identity: Identity::new(Clock::system()).unwrap(),
            app_id: "app".into(),
            tenant: "tenant".into(),
            client_state: None,
            certificate: None,
            paths: Paths::default(),
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_notifications_but_for_their_times() {
        let at = |now: &str| {
            let identity = Identity::new(Clock::manual(now.parse().unwrap())).unwrap();
            Graph { identity, ..graph() }
        };
        let both = Channels { calls: true, subscriptions: true };
        let bodies = |graph: &Graph| -> Vec<String> {
            let of = |part| parts::plan(part, graph, both, &mut Seed::new(1)).unwrap();
            let all = Part::ALL.into_iter().flat_map(of);
            all.map(|planned| String::from_utf8(planned.post.body.to_vec()).unwrap()).collect()
        };
        let (now, later) = (at("2026-11-24T08:00:00Z"), at("2026-11-29T09:30:17.25Z"));
        let of_now = bodies(&now);
        assert!(of_now.len() > 30 && of_now == bodies(&now));
        assert_ne!(of_now, bodies(&later));
        let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)").unwrap();
        let timeless = |bodies: &[String]| -> Vec<String> {
            bodies.iter().map(|body| time.replace_all(body, "{time}").into_owned()).collect()
        };
        assert_eq!(timeless(&of_now), timeless(&bodies(&later)));
    }

    #[test]
    fn what_a_scenario_lacks_is_known_before_it_is_played() {
        let on = |calls, subscriptions| Channels { calls, subscriptions };
        let graph = graph();
        for scenario in Scenario::all().unwrap() {
            for channels in [on(true, true), on(true, false), on(false, true)] {
                let n_posts = match &scenario {
                    Scenario::Part(part) => parts::plan(*part, &graph, channels, &mut Seed::new(1)).unwrap().len(),
                    Scenario::Script(_) => usize::from(channels.calls),
                    Scenario::Resource(_) | Scenario::Keys(_) => continue,
                };
                let lacks = scenario.lacks(channels, false);
                assert_eq!(lacks.is_some(), n_posts == 0, "{} {channels:?}: {lacks:?}", scenario.name());
            }
        }
        let find = |name| Scenario::find(name).unwrap().unwrap();
        assert_eq!(find("encrypted").lacks(on(true, true), false), Some(Lack::Certificate));
        assert_eq!(find("encrypted").lacks(on(true, true), true), None);
        assert_eq!(find("encrypted").lacks(on(true, false), true), Some(Lack::Channel));
        assert_eq!(find("keys-down").lacks(on(false, true), false), Some(Lack::Certificate));
        assert_eq!(find("keys-down").lacks(on(true, false), false), None);
        assert_eq!(find("presence").lacks(on(true, false), true), Some(Lack::Channel));
    }

    #[test]
    fn the_same_seed_makes_the_same_bodies_and_a_call_has_one_id_in_one_spelling() {
        let graph = graph();
        for scenario in Scenario::all().unwrap() {
            let Scenario::Script(script) = scenario else { continue };
            let run = |seed| script.run(&graph, &mut Seed::new(seed));
            let bodies = |run: &Run| run.requests.iter().map(|it| it.post(&graph).unwrap().body).collect::<Vec<_>>();
            let played = run(1);
            assert_eq!(bodies(&played), bodies(&run(1)), "{}", script.name);
            assert_ne!(bodies(&played), bodies(&run(2)), "{}", script.name);
            let all = String::from_utf8(bodies(&played).concat()).unwrap();
            for PlayedCall { id, .. } in &played.calls {
                let (dashed, other) = (all.contains(&id.to_string()), all.contains(&undashed(*id)));
                assert!(dashed != other, "{}: {all}", script.name);
            }
        }
    }
}
