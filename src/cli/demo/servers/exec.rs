//! A command for each event: `tee`, which adds the event to a file. It needs no server.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::process::Command;

use super::{FarSide, Place, Tell, lines, spawn};

const PROGRAM: &str = "tee";

pub(super) struct Exec(pub(super) Place);

impl Exec {
    fn path(&self) -> PathBuf {
        self.0.folder.join("events.jsonl")
    }
}

#[async_trait]
impl FarSide for Exec {
    fn keys(&self) -> String {
        // One at a time: so no line gets into another.
        format!("command = [{PROGRAM:?}, \"-a\", {:?}]\nconcurrency = 1\n", self.path())
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let mut command = Command::new(PROGRAM);
        command.arg("--version");
        spawn(command, "Debian: apt-get install coreutils")?.wait().await?;
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        lines::follow(&self.path(), tell).await
    }
}
