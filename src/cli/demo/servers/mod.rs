//! Servers that the demo starts beside itself (`--sinks`), so that its events arrive at something real.
//!
//! **Invariant**: a server ends with the demo, whatever ends the demo in order.

#[cfg(feature = "nats")]
mod nats;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_trait::async_trait;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::now;
use crate::cli::print::say;
use crate::cli::text;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most characters of a line about an event.
const MAX_SHOWN: usize = 60;

/// Makes what the demo knows about a server at a place.
type Make = fn(Place) -> Box<dyn FarSide>;

/// The kinds that the demo can start a server for, in this build.
const KINDS: &[(&str, Make)] = &[
    #[cfg(feature = "nats")]
    (nats::KIND, |place| Box::new(nats::Nats(place))),
];

/// Takes an event that arrived: where it stands there, and its text.
type Tell<'t> = dyn Fn(&str, &[u8]) + Sync + 't;

/// Where a server listens, and a folder of its own.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "a build without such a kind starts no server"))]
struct Place {
    address: SocketAddr,
    folder: PathBuf,
}

/// What the demo knows about a kind of server.
#[async_trait]
trait FarSide: Send + Sync {
    /// Debian's package with the server.
    fn package(&self) -> &'static str;
    /// Starts it.
    fn command(&self) -> Command;
    /// The keys of a sink that delivers to it, but for `kind`.
    fn keys(&self) -> String;
    /// Makes what the sink needs there.
    async fn prepare(&self) -> anyhow::Result<()>;
    /// Reads what arrives, and tells where it stands and what it is.
    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()>;
}

/// A server that runs.
pub struct Server {
    /// The kind of sink that delivers to it; the sink has this name.
    pub kind: String,
    far_side: Box<dyn FarSide>,
    address: SocketAddr,
    _process: Child,
}

impl Server {
    /// Starts the server of a kind in a folder below `folder`.
    ///
    /// # Errors
    /// The demo knows no such server, it is not installed, or it does not start.
    pub async fn start(kind: &str, folder: &Path) -> anyhow::Result<Self> {
        let Some((_, make)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
            bail!("--sinks: found {kind:?}, expected one of: {}", known.join(", "));
        };
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let place = Place { address, folder: folder.join(kind) };
        std::fs::create_dir(&place.folder)?;
        let far_side = make(place);
        let mut command = far_side.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let (program, package) = (command.as_std().get_program().to_string_lossy().into_owned(), far_side.package());
        let mut process = command
            .spawn()
            .with_context(|| format!("{program} cannot be started; Debian: apt-get install {package}"))?;
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = process.try_wait()? {
                bail!("{program} ended by itself: {status}");
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "{program} does not listen on {address}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        far_side.prepare().await?;
        Ok(Self { kind: kind.to_owned(), far_side, address, _process: process })
    }

    /// The section of its sink.
    pub fn section(&self) -> String {
        format!("[sinks.{0}]\nkind = \"{0}\"\n{1}", self.kind, self.far_side.keys())
    }

    /// Prints each event that arrives there, for ever.
    ///
    /// # Errors
    /// It cannot be read any more.
    pub async fn show(&self) -> anyhow::Result<()> {
        let kind = &self.kind;
        let tell = |at: &str, body: &[u8]| {
            let event: Value = serde_json::from_slice(body).unwrap_or_default();
            let [what, context] =
                ["type", "clientcontext"].map(|name| text::safe(event[name].as_str().unwrap_or(""), MAX_SHOWN));
            say!("{}  {kind} has {what:<30} at {}  {context}", now(), text::safe(at, MAX_SHOWN));
        };
        self.far_side.read(&tell).await
    }

    /// A line for the greeting.
    pub fn told(&self) -> String {
        format!("a {} server is at {}: every event goes there too, and is read back below", self.kind, self.address)
    }
}
