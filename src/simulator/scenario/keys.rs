//! Keys that rotate: after it, tokens name a key that the receiver does not know yet, and must fetch.
//!
//! **Invariants**
//! 1. Each token is genuine: its key is published when it is sent.
//! 2. A receiver has [`PATIENCE`] to know the new key, since receivers fetch keys only so often. The time is told.

use std::time::{Duration, Instant};

use super::{Player, Step};
use crate::simulator::SimulatorError;
use crate::simulator::client::Post;
use crate::simulator::payload::{self, Recording};

/// The longest that a receiver may take to know the new key. reelhook asks for unknown keys at most every 5 minutes.
const PATIENCE: Duration = Duration::from_secs(360);
/// The pause before a POST is sent again.
const PAUSE: Duration = Duration::from_secs(2);
/// What a receiver may answer that does not know the key yet.
const NOT_YET: [u16; 3] = [401, 403, 503];

/// What becomes of the former key. Providers do both: the first as a rule, the second after a key was stolen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays published for a while.
    Overlapping,
    /// It goes at once.
    AtOnce,
}

impl Rotation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Overlapping, Self::AtOnce];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlapping => "rotation",
            Self::AtOnce => "rotation-at-once",
        }
    }

    /// What it plays, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Overlapping => "a new key signs; the former one stays published for a while",
            Self::AtOnce => "a new key signs; the former one goes at once",
        }
    }
}

impl<F: FnMut(&Step)> Player<'_, F> {
    /// Plays a rotation. Returns whether somebody listens.
    pub(super) async fn rotation(&mut self, rotation: Rotation) -> Result<bool, SimulatorError> {
        let (identity, name) = (self.graph.identity.clone(), rotation.as_str());
        if !self.both_channels(name, "by the first key").await? {
            return Ok(false);
        }
        let former = self.graph.calls_token()?;
        identity.rotate()?;
        if rotation == Rotation::AtOnce {
            identity.retire_former();
        }
        if !self.both_channels(name, "by the new key").await? {
            return Ok(false);
        }
        if rotation == Rotation::Overlapping && self.channels.calls {
            let post = self.recording_with(&former);
            if !self.until_known(name, "a recording, by the first key, which is still published", &post).await {
                return Ok(false);
            }
            identity.retire_former();
            return self.both_channels(name, "by the new key; the first one is gone").await;
        }
        Ok(true)
    }

    /// A recording, and an encrypted change if there is a certificate, with tokens by the key that signs now.
    async fn both_channels(&mut self, scenario: &str, by: &str) -> Result<bool, SimulatorError> {
        if self.channels.calls {
            let post = self.recording_with(&self.graph.calls_token()?);
            if !self.until_known(scenario, &format!("a recording, {by}"), &post).await {
                return Ok(false);
            }
        }
        let certificate = self.graph.certificate.as_ref().filter(|_| self.channels.subscriptions);
        if let Some(certificate) = certificate {
            let item = self.graph.change(&mut self.seed).rich(certificate)?;
            let post = self.graph.notifications(&[item], true)?;
            return Ok(self.until_known(scenario, &format!("an encrypted change, {by}"), &post).await);
        }
        Ok(true)
    }

    fn recording_with(&mut self, token: &str) -> Post {
        let recording = Recording::new(&mut self.seed).client_context("rotation");
        self.graph.calls_with(&format!("Bearer {token}"), payload::comms(&[recording.completed()]))
    }

    /// Sends a POST until it is accepted, or patience ends. Returns whether somebody listens.
    async fn until_known(&mut self, scenario: &str, what: &str, post: &Post) -> bool {
        let began = Instant::now();
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

fn whole_seconds(began: Instant) -> Duration {
    Duration::from_secs(began.elapsed().as_secs())
}
