//! Durability: the receiver is killed after a 2xx, and started again.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::Told;
use super::check::{Channel, Level, Mark, Source, Weight};
use super::grading::{Outcome, Verdict};
use super::run::{Run, delivers};
use super::sources::DELIVERY;
use crate::simulator::SimulatorError;
use crate::simulator::client::Post;
use crate::simulator::payload::{Recording, Seed};

/// How many notifications are accepted right before.
const N: usize = 20;
/// How long the command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Begins other ids than those of the checks.
const OTHER_SEED: u64 = 0x5eed;

pub(super) fn verdict(outcome: Outcome) -> Verdict {
    Verdict {
        name: "survives-a-crash",
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
        let cause = self.causes.get(delivers(self.setting.channel)).copied();
        let outcome = match (&self.ended, cause, &self.setting.observer) {
            (Some(ended), ..) => Outcome::Skip(ended.clone()),
            (_, Some(cause), _) => Outcome::Skip(format!("follows from {cause}")),
            (_, _, None) => Outcome::Skip("needs --observe: answers do not show it".into()),
            _ => self.killed_and_started(&command).await?,
        };
        self.add(usize::MAX, verdict(outcome));
        Ok(())
    }

    async fn killed_and_started(&mut self, command: &str) -> Result<Outcome, SimulatorError> {
        (self.tell)(Told::Restarts);
        let (mut seed, mut accepted) = (Seed::new(self.setting.seed ^ OTHER_SEED), Vec::new());
        for _ in 0..N {
            let (post, mark) = self.genuine(&mut seed)?;
            if self.waiting.send(self.graph, post).await.is_ok_and(|answer| answer.is_2xx()) {
                accepted.push(mark);
            }
        }
        match restarted(command).await {
            Ok(status) if status.success() => {}
            Ok(status) => return Ok(Outcome::Skip(format!("the restart command failed: {status}"))),
            Err(error) => return Ok(Outcome::Skip(format!("the restart command failed: {error}"))),
        }
        let Some(observer) = &mut self.setting.observer else { return Ok(Outcome::Pass) };
        let (seen, _) = observer.look(&accepted.iter().collect::<Vec<_>>(), &[]).await;
        let n_lost = seen.iter().filter(|seen| !**seen).count();
        Ok(match n_lost {
            0 if accepted.is_empty() => Outcome::Fail("no POST before it was answered 2xx".into()),
            0 => Outcome::Pass,
            n => Outcome::Fail(format!("{n} of {} notifications that were answered 2xx are lost", accepted.len())),
        })
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

/// Runs the command. It ends with this future, should a signal end the grading.
async fn restarted(command: &str) -> std::io::Result<ExitStatus> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(COMMAND_TIMEOUT, shell.status()).await;
    ended.unwrap_or_else(|_elapsed| Err(std::io::Error::other(format!("it did not end within {COMMAND_TIMEOUT:?}"))))
}
