//! Durability: the receiver is killed after a 2xx, and started again.
//!
//! **Invariants**
//! 1. A receiver that did not go down is never said to have survived a crash.

use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Told;
use super::check::{Channel, Level, Mark, Source, Weight};
use super::checks;
use super::ended::Ended;
use super::grading::{Outcome, Verdict};
use super::held::Held;
use super::needs;
use super::run::{Run, delivers};
use super::sources::DELIVERY;
use crate::simulator::SimulatorError;
use crate::simulator::client::{ClientError, Post};
use crate::simulator::payload::{Recording, Seed};

/// How many notifications are accepted right before.
const N: usize = 20;
/// How long the command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Why the check shows nothing.
pub(super) const NOT_RESTARTED: &str =
    "the receiver was not restarted: the connection that was held open meanwhile still answers";
/// The same, if the command did not end well.
pub(super) const COMMAND_FAILED: &str = "the restart command failed";
/// How often is looked whether the receiver is back.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Begins other ids than those of the checks.
const OTHER_SEED: u64 = 0x5eed;

/// The check's name.
pub(super) const NAME: &str = "survives-a-crash";

pub(super) fn verdict(outcome: Outcome) -> Verdict {
    Verdict {
        name: NAME,
        channel: Channel::Both,
        level: Level::Must,
        expected: "each notification that was answered 2xx is delivered, after the restart if need be".into(),
        source: Source::Says("If the notification isn't processed or queued, return a 5xx class code", DELIVERY),
        outcome,
        weight: Weight::Itself,
    }
}

impl<T: FnMut(Told<'_>)> Run<'_, T> {
    /// The check, if there is a command and an observer. It is the last one: the receiver may not come back.
    ///
    /// # Errors
    /// A token or content could not be made.
    pub(super) async fn restart(&mut self) -> Result<(), SimulatorError> {
        let Some(command) = self.setting.restart_command.clone() else { return Ok(()) };
        let before = delivers(self.setting.channel);
        let of = if self.setting.channel == Channel::Subscriptions { Channel::Subscriptions } else { Channel::Calls };
        // Who loses some without a crash loses some at a crash too.
        let cause = self.causes.get(before).copied().or_else(|| self.loses_some(of));
        let needs = needs::of(checks::named(&[before]));
        let outcome = match (&self.ended, needs::missing(&needs, self.graph, self.setting), cause) {
            (Some(ended), ..) => Outcome::Skip(ended.to_string()),
            (_, Some(missing), _) => Outcome::Skip(missing),
            (_, _, Some(cause)) => Outcome::Follows(cause),
            _ => self.killed_and_started(&command).await?,
        };
        self.add(usize::MAX, verdict(outcome));
        Ok(())
    }

    async fn killed_and_started(&mut self, command: &str) -> Result<Outcome, SimulatorError> {
        (self.tell)(Told::Restarts);
        let accepted = self.accepted().await?;
        if accepted.is_empty() {
            return Ok(Outcome::Fail("no POST before the restart was answered 2xx".into()));
        }
        let mut held = match Held::open(&self.graph.client).await {
            Ok(held) => held,
            Err(error) => return Ok(Outcome::Skip(format!("no connection to hold over the restart: {error}"))),
        };
        match run(command, &mut held).await {
            Ok(status) if status.success() => {}
            Ok(status) => return Ok(self.not_made(format!("{COMMAND_FAILED}: {status}"))),
            Err(error) => return Ok(self.not_made(format!("{COMMAND_FAILED}: {error}"))),
        }
        let handshake = self.graph.handshake(&self.graph.paths.notifications, "held");
        if held.answer(&handshake, self.setting.patience.first).await.is_some() {
            return Ok(self.not_made(NOT_RESTARTED.into()));
        }
        if let Err(error) = self.comes_back().await {
            self.ended = Some(Ended::NotBack(error.to_string()));
            return Ok(Outcome::Skip(format!("the receiver did not come back: {error}")));
        }
        let Some(observer) = &mut self.setting.observer else { return Ok(Outcome::Pass) };
        let (seen, _) = observer.look(&accepted.iter().collect::<Vec<_>>(), &[]).await;
        Ok(match seen.iter().filter(|seen| !**seen).count() {
            0 => Outcome::Pass,
            n => Outcome::Fail(format!("{n} of {} notifications that were answered 2xx are lost", accepted.len())),
        })
    }

    /// The outcome if the command did not do what it must.
    fn not_made(&mut self, why: String) -> Outcome {
        self.not_done.push(NAME);
        Outcome::Skip(why)
    }

    /// Waits until the receiver takes connections again.
    async fn comes_back(&self) -> Result<(), ClientError> {
        let until = Instant::now() + self.setting.patience.to_come_back;
        loop {
            match Held::open(&self.graph.client).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => sleep(LOOK_AGAIN_AFTER).await,
            }
        }
    }

    /// What was accepted right before the restart.
    async fn accepted(&mut self) -> Result<Vec<Mark>, SimulatorError> {
        let (mut seed, mut accepted) = (Seed::new(self.setting.seed ^ OTHER_SEED), Vec::new());
        for _ in 0..N {
            let (post, mark) = self.genuine(&mut seed)?;
            if self.waiting.send(self.graph, post).await.is_ok_and(|answer| answer.is_2xx()) {
                accepted.push(mark);
            }
        }
        Ok(accepted)
    }

    fn genuine(&self, seed: &mut Seed) -> Result<(Post, Mark), SimulatorError> {
        if self.setting.channel == Channel::Subscriptions {
            let change = self.graph.change(seed);
            return Ok((self.graph.notifications(&[change.basic()], false)?, Mark::change(&change)));
        }
        let recording = Recording::new(seed);
        Ok((self.graph.calls(&[recording.completed()])?, Mark::recording(&recording)))
    }
}

/// Runs the command, and holds the connection until it has ended or the receiver is down.
async fn run(command: &str, held: &mut Held<'_>) -> std::io::Result<ExitStatus> {
    let mut running = pin!(restarted(command));
    tokio::select! {
        ended = &mut running => return ended,
        () = held.until_down() => {}
    }
    running.await
}

/// Runs the command. It ends with this future, should a signal end the grading.
async fn restarted(command: &str) -> std::io::Result<ExitStatus> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(COMMAND_TIMEOUT, shell.status()).await;
    ended.unwrap_or_else(|_elapsed| Err(std::io::Error::other(format!("it did not end within {COMMAND_TIMEOUT:?}"))))
}
