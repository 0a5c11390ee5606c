//! Servers that the demo starts beside itself (`--sinks`), so that its events arrive at something real.
//!
//! **Invariant**: a server ends with the demo, whatever ends the demo in order.

#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
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
    #[cfg(feature = "mqtt")]
    ("mqtt", |place| Box::new(mqtt::Mqtt(place))),
    #[cfg(feature = "nats")]
    ("nats", |place| Box::new(nats::Nats(place))),
    #[cfg(feature = "postgres")]
    ("postgres", |place| Box::new(postgres::Postgres(place))),
    #[cfg(feature = "rabbitmq")]
    ("rabbitmq", |place| Box::new(rabbitmq::Rabbitmq::at(place))),
    #[cfg(feature = "redis")]
    ("redis", |place| Box::new(redis::Redis(place))),
];

/// Takes an event that arrived: where it stands there, and its text.
type Tell<'t> = dyn Fn(&str, &[u8]) + Sync + 't;

/// Where a server listens, and a folder of its own.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without such a kind starts no server"))]
struct Place {
    address: SocketAddr,
    folder: PathBuf,
}

/// What the demo knows about a kind of server.
#[async_trait]
trait FarSide: Send + Sync {
    /// Debian's package with the server.
    fn package(&self) -> &'static str;
    /// Starts it, with nothing before it or with what must run before.
    ///
    /// # Errors
    /// What must be done before cannot be done.
    fn command(&self) -> anyhow::Result<Command>;
    /// Another program that it needs while it runs.
    fn companion(&self) -> Option<Command> {
        None
    }
    /// What it is asked to stop by.
    fn stop(&self) -> Signal {
        Signal::TERM
    }
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
    process: Child,
    // Removed after the processes have ended.
    _companion: Option<Child>,
    _folder: TempDir,
}

impl Server {
    /// Starts the server of a kind, in a folder of its own.
    ///
    /// # Errors
    /// The demo knows no such server, it is not installed, or it does not start.
    pub async fn start(kind: &str) -> anyhow::Result<Self> {
        let Some((_, make)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
            bail!("--sinks: found {kind:?}, expected one of: {}", known.join(", "));
        };
        let address = free_address()?;
        // Some servers run as a user of their own, who must get through to what is theirs.
        let through = Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("reelhook-demo-").permissions(through).tempdir()?;
        let far_side = make(Place { address, folder: folder.path().to_owned() });
        let package = far_side.package();
        let companion = far_side.companion().map(|command| spawn(command, package)).transpose()?;
        let mut process = spawn(far_side.command()?, package)?;
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = process.try_wait()? {
                bail!("the {kind} server ended by itself: {status}");
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "the {kind} server does not listen on {address}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let server = Self { kind: kind.to_owned(), far_side, address, process, _companion: companion, _folder: folder };
        server.far_side.prepare().await?;
        Ok(server)
    }

    /// Asks it to stop, and waits until it has: so it leaves no file behind.
    pub async fn stop(mut self) {
        if let Some(pid) = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = kill_process(pid, self.far_side.stop());
            drop(tokio::time::timeout(PATIENCE, self.process.wait()).await);
        }
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

fn spawn(mut command: Command, package: &str) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("{program} cannot be started; Debian: apt-get install {package}"))
}

/// An address that nobody listens on.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
