//! A file. It needs no server.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{FarSide, Place, Tell, lines};

pub(super) struct File(pub(super) Place);

impl File {
    fn path(&self) -> PathBuf {
        self.0.folder.join("events.jsonl")
    }
}

#[async_trait]
impl FarSide for File {
    fn keys(&self) -> String {
        format!("path = {:?}\n", self.path())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        lines::follow(&self.path(), tell).await
    }
}
