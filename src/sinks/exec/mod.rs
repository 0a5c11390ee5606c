//! The `exec` sink: runs a command for each event, which reads the event on its standard input.
//!
//! **Invariants**
//! 1. There is such a sink only where `server.allow_exec` is true.
//! 2. No shell is involved: each argument in the config is one argument of the command, whatever the values contain.
//! 3. An attempt that is given up ends the command and every process of its group: see `process`.
//! 4. Of the environment of this process the command gets a few variables only: see `environment`.
//! 5. A reason contains no secret that the command was given, and at most the end of what the command said.

#![cfg(feature = "exec")]

mod command_line;
mod environment;
mod messages;
mod outcome;
mod process;
mod program;

use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::process::Command;

use self::command_line::CommandLine;
use self::environment::Environment;
use super::masks::Masks;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, WITHOUT_HEADERS, reason};
use crate::config::Section;
use crate::config::value::path;
use crate::domain::Delivery;

/// Runs a command for each event.
pub struct ExecSink {
    command: CommandLine,
    environment: Environment,
    /// The working directory. `None`: that of this process.
    dir: Option<PathBuf>,
    shape: Shape,
}

impl FromConfig for ExecSink {
    const KIND: &'static str = "exec";
    const SUMMARY: &'static str = "a command for each event, which reads it on its standard input";
    const CONFIRMED: &'static str = "taken by the command: exit code 0";
    const PAGE: &'static str = include_str!("../../../docs/sinks/exec.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let command = CommandLine::read(section);
        let dir = section.read("dir", path());
        let environment = Environment::read(section);
        let shape = Shape::read(section, WITHOUT_HEADERS, context);
        if !context.allow_exec {
            section.mistake(
                "kind",
                "found \"exec\", which runs commands, expected allow_exec = true in the section [server] with it, or \
                 another kind. With allow_exec, whoever can write the config can run any program as this user",
            );
        }
        Some(Self { command: command?, environment, dir, shape })
    }
}

#[async_trait]
impl Sink for ExecSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let mut command = self.command_for(delivery)?;
        let ended = process::run(&mut command, self.shape.lines(&[delivery])).await;
        let ended = ended.map_err(|error| outcome::not_started(self.command.program(), &error))?;
        outcome::judge(&ended, || self.masks(delivery))
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let found = program::find(self.command.program(), self.environment.path(), self.dir.as_deref());
        found.map(|_path| Vec::new()).map_err(|text| reason::retry_all(&text))
    }
}

impl ExecSink {
    fn command_for(&self, delivery: &Delivery) -> Result<Command, DeliveryError> {
        let mut command = Command::new(self.command.program());
        command.args(self.command.arguments(delivery)?);
        command.env_clear().envs(self.environment.variables());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Hide what the command was given and nobody may see.
    fn masks(&self, delivery: &Delivery) -> Masks {
        let token = delivery.event.recording_access_token.as_ref().filter(|_token| self.shape.includes_access_token());
        let token = token.map(|token| token.expose_secret());
        Masks::of(self.environment.secrets().chain(token))
    }
}
