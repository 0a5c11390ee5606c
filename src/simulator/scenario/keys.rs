//! Keys that rotate, and keys that cannot be fetched: what a receiver does that needs a key it does not know yet.
//!
//! **Invariants**
//! 1. Each token is genuine. Its key is published when it is sent, or as soon as the keys can be fetched again.
//! 2. A receiver has [`PATIENCE`] to know a new key, since receivers fetch keys only so often. The time is told.
//! 3. At the end of each scenario the keys can be fetched.
//! 4. An outage lasts long enough to find out a receiver that keeps keys for seconds only.

use std::time::{Duration, Instant};

use super::{Player, Step};
use crate::clock;
use crate::simulator::SimulatorError;
use crate::simulator::client::Post;
use crate::simulator::identity::{Identity, Reach};
use crate::simulator::payload::{self, Recording};

/// The longest that a receiver may take to know the new key. reelhook asks for unknown keys at most every 5 minutes.
const PATIENCE: Duration = Duration::from_secs(360);
/// How long the keys cannot be fetched before something is sent: first while they are answered 503, then once more while
/// they are not answered at all.
const OUTAGE: Duration = Duration::from_secs(5);
/// How often is looked whether an outage has lasted long enough.
const LOOK: Duration = Duration::from_millis(20);
/// The pause before a POST is sent again.
const PAUSE: Duration = Duration::from_secs(2);
/// What a receiver may answer that does not know the key yet.
const NOT_YET: [u16; 3] = [401, 403, 503];

/// A token for each channel: of a call, and a validation token.
type Tokens = (String, String);

/// What happens to the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStory {
    /// A new key signs. The former one stays published for a while, as a rule.
    Rotation,
    /// A new key signs. The former one goes at once, as after a theft.
    RotationAtOnce,
    /// The keys cannot be fetched, and meanwhile a new key begins to sign.
    Down,
}

impl KeyStory {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rotation, Self::RotationAtOnce, Self::Down];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::RotationAtOnce => "rotation-at-once",
            Self::Down => "keys-down",
        }
    }

    /// What it plays, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Rotation => "a new key signs; the former one stays published for a while",
            Self::RotationAtOnce => "a new key signs; the former one goes at once",
            Self::Down => {
                "the keys cannot be fetched for 10 s while a new key begins to sign; then they can be fetched again"
            }
        }
    }
}

impl<F: FnMut(&Step)> Player<'_, F> {
    /// Plays what happens to the keys. Returns whether somebody listens.
    pub(super) async fn keys(&mut self, story: KeyStory) -> Result<bool, SimulatorError> {
        if !self.both_channels(story, "by the first key").await? {
            return Ok(false);
        }
        if story == KeyStory::Down {
            let played = self.keys_down().await;
            self.graph.identity.set_reach(Reach::Up);
            return match played? {
                true => self.both_channels(story, "by the new key, which can be fetched again").await,
                false => Ok(false),
            };
        }
        let identity = self.graph.identity.clone();
        let former = self.graph.calls_token()?;
        identity.rotate()?;
        if story == KeyStory::RotationAtOnce {
            identity.retire_former();
        }
        if !self.both_channels(story, "by the new key").await? {
            return Ok(false);
        }
        if story == KeyStory::Rotation && self.channels.calls {
            let post = self.recording_with(story, &former);
            let what = "a recording, by the first key, which is still published";
            if !self.until_known(story, what, &post).await {
                return Ok(false);
            }
            identity.retire_former();
            return self.both_channels(story, "by the new key; the first one is gone").await;
        }
        Ok(true)
    }

    /// The keys are answered 503, then not at all, each for a while. The receiver still takes what the key has signed that
    /// it knows: it fetched it before. Nobody can verify what the new key has signed: on the calls channel it must not be
    /// taken.
    async fn keys_down(&mut self) -> Result<bool, SimulatorError> {
        let known = self.tokens()?;
        outage(&self.graph.identity, Reach::Down).await;
        self.graph.identity.rotate()?;
        let new = self.tokens()?;
        if !self.while_down(&known, &new, "while the keys are answered 503").await? {
            return Ok(false);
        }
        outage(&self.graph.identity, Reach::Silent).await;
        self.while_down(&known, &new, "while the keys are not answered at all").await
    }

    /// Sends what the known key signed, and what the new one signed. Returns whether somebody listens.
    async fn while_down(&mut self, known: &Tokens, new: &Tokens, when: &str) -> Result<bool, SimulatorError> {
        let known = (known, "by the first key", &[][..]);
        let new = (new, "by the new key", &NOT_YET[..]);
        for ((call, validation), by, expected) in [known, new] {
            if self.channels.calls {
                let post = self.recording_with(KeyStory::Down, call);
                if !self.sent(&format!("a recording, {by}, {when}"), post, expected).await {
                    return Ok(false);
                }
            }
            // Graph is answered 2xx whether the receiver believes the item or not.
            if let Some(post) = self.encrypted_with(validation)?
                && !self.sent(&format!("an encrypted change, {by}, {when}"), post, &[]).await
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a POST once. Returns whether somebody listens.
    async fn sent(&mut self, what: &str, post: Post, expected: &[u16]) -> bool {
        let path = post.path.clone();
        let step = Step::new(KeyStory::Down.as_str(), what, path, self.graph.send(post).await);
        self.told(&step.expecting(expected))
    }

    /// A token for each channel, by the key that signs now.
    fn tokens(&self) -> Result<Tokens, SimulatorError> {
        let graph = self.graph;
        let validation = graph.identity.validation_token_v2(&graph.app_id, &graph.tenant).sign()?;
        Ok((graph.calls_token()?, validation))
    }

    /// A recording, and an encrypted change if there is a certificate, with tokens by the key that signs now.
    async fn both_channels(&mut self, story: KeyStory, by: &str) -> Result<bool, SimulatorError> {
        let (call, validation) = self.tokens()?;
        if self.channels.calls {
            let post = self.recording_with(story, &call);
            if !self.until_known(story, &format!("a recording, {by}"), &post).await {
                return Ok(false);
            }
        }
        if let Some(post) = self.encrypted_with(&validation)? {
            return Ok(self.until_known(story, &format!("an encrypted change, {by}"), &post).await);
        }
        Ok(true)
    }

    fn recording_with(&mut self, story: KeyStory, token: &str) -> Post {
        let recording = Recording::new(&mut self.seed).client_context(story.as_str());
        self.graph.calls_with(&format!("Bearer {token}"), payload::comms(&[recording.completed()]))
    }

    /// An encrypted change; `None` without a certificate, or if the channel is not played.
    fn encrypted_with(&mut self, token: &str) -> Result<Option<Post>, SimulatorError> {
        let certificate = self.graph.certificate.as_ref().filter(|_| self.channels.subscriptions);
        let Some(certificate) = certificate else { return Ok(None) };
        let item = self.graph.change(&mut self.seed).rich(certificate)?;
        Ok(Some(self.graph.notifications_with(payload::changes(&[item], &[token.to_owned()]))))
    }

    /// Sends a POST until it is accepted, or patience ends. Returns whether somebody listens.
    async fn until_known(&mut self, story: KeyStory, what: &str, post: &Post) -> bool {
        let (began, scenario) = (Instant::now(), story.as_str());
        let mut was_told = false;
        loop {
            let outcome = self.graph.send(post.clone()).await;
            let is_known = outcome.as_ref().map_or(true, |answer| !NOT_YET.contains(&answer.status));
            if is_known || began.elapsed() >= PATIENCE {
                let what = if was_told { format!("{what}, after {:?}", whole_seconds(began)) } else { what.to_owned() };
                return self.told(&Step::new(scenario, &what, post.path.clone(), outcome));
            }
            if !was_told {
                let what = format!("{what}: not known yet, sent again for up to {} minutes", PATIENCE.as_secs() / 60);
                let step = Step::new(scenario, &what, post.path.clone(), outcome);
                if !self.told(&step.taking_any_answer()) {
                    return false;
                }
                was_told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Takes the keys down, and waits. The time is the identity's, which tests move; if nobody moves it, the real one.
async fn outage(identity: &Identity, reach: Reach) {
    let (began, since) = (Instant::now(), identity.steady());
    identity.set_reach(reach);
    while began.elapsed() < OUTAGE && clock::between(since, identity.steady()) < OUTAGE {
        tokio::time::sleep(LOOK).await;
    }
}

fn whole_seconds(began: Instant) -> Duration {
    Duration::from_secs(began.elapsed().as_secs())
}
