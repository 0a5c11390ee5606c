//! Redis.

use std::collections::HashMap;

use async_trait::async_trait;
use redis::{AsyncConnectionConfig, Client};
use tokio::process::Command;

use super::{FarSide, Place, Program, Tell};

/// The stream.
const STREAM: &str = "recordings";

/// What a read of streams answers: the entries of each, with their ids and fields.
type Read = Option<Vec<(String, Vec<(String, HashMap<String, Vec<u8>>)>)>>;

pub(super) struct Redis(pub(super) Place);

#[async_trait]
impl FarSide for Redis {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.0.address.port().to_string(), "--save", "", "--dir"]);
        command.arg(&self.0.folder);
        Ok(Some(Program { command, installed_by: "Debian: apt-get install redis-server" }))
    }

    fn keys(&self) -> String {
        format!("url = \"redis://{}\"\nstream = \"{STREAM}\"\n", self.0.address)
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        // A read waits as long as nothing comes.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = Client::open(format!("redis://{}", self.0.address))?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut last = "0".to_owned();
        loop {
            let mut command = redis::cmd("XREAD");
            command.arg("BLOCK").arg(0).arg("STREAMS").arg(STREAM).arg(&last);
            let read: Read = command.query_async(&mut connection).await?;
            for (id, fields) in read.into_iter().flatten().flat_map(|(_stream, entries)| entries) {
                tell(&id, fields.get("event").map(Vec::as_slice).unwrap_or_default());
                last = id;
            }
        }
    }
}
