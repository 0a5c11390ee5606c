//! A command from its start to its end.
//!
//! **Invariants**
//! 1. Every command is in a process group of its own. Whoever drops [`run`] before its end kills that group.
//! 2. A command that does not read its input, or that says very much, is waited for like any other.
//! 3. What a command leaves running does not hold up an attempt.

use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::messages::Messages;

/// How long the end of the messages is waited for after a command failed: another process may hold the pipe open.
const LAST_MESSAGES: Duration = Duration::from_secs(1);

/// A command that ended.
pub(super) struct Ended {
    /// How.
    pub(super) status: ExitStatus,
    /// What it said.
    pub(super) messages: Messages,
}

/// A command that runs.
struct Running(Child);

/// Runs a command with this input.
///
/// # Errors
/// It could not be started.
pub(super) async fn run(command: &mut Command, input: Vec<u8>) -> io::Result<Ended> {
    let mut running = Running(command.process_group(0).spawn()?);
    let (stdin, stderr) = (running.0.stdin.take(), running.0.stderr.take());
    let mut messages = Messages::new();
    let status = {
        let hear = async {
            if let Some(stderr) = stderr {
                messages.read(stderr).await;
            }
        };
        let mut talk = pin!(async { tokio::join!(feed(stdin, input), hear) });
        let mut end = pin!(running.0.wait());
        tokio::select! {
            _ = &mut talk => end.await?,
            status = &mut end => {
                let status = status?;
                if !status.success() {
                    drop(tokio::time::timeout(LAST_MESSAGES, talk).await);
                }
                status
            }
        }
    };
    Ok(Ended { status, messages })
}

/// Writes the input, and closes it. The exit code says whether a command that did not read all of it is content.
async fn feed(stdin: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        drop(stdin.write_all(&input).await);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // There is an id until the end was seen. As long, no other process can have it. The runtime then sees the end.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id {
            // If it ended just now, there is nobody to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
