//! Servers that the demo starts beside itself (`--sinks`), so that its events arrive at something real.
//!
//! **Invariant**: a server ends with the demo, whatever ends the demo in order.

#[cfg(feature = "exec")]
mod exec;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(any(feature = "exec", feature = "file"))]
mod lines;
#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "object")]
mod object;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "pubsub")]
mod pubsub;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqs")]
mod sqs;
#[cfg(any(feature = "pubsub", feature = "sqs"))]
mod web;

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
use crate::sinks;

/// How often a destination is looked at that does not tell what is new there.
#[cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without such a kind looks at nothing"))]
const PAUSE: Duration = Duration::from_millis(100);
/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most characters of a line about an event.
const MAX_SHOWN: usize = 60;

/// Makes what the demo knows about a server at a place.
type Make = fn(Place) -> Box<dyn FarSide>;

/// The kinds that the demo can start a server for, in this build.
const KINDS: &[(&str, Make)] = &[
    #[cfg(feature = "exec")]
    ("exec", |place| Box::new(exec::Exec(place))),
    #[cfg(feature = "file")]
    ("file", |place| Box::new(file::File(place))),
    #[cfg(feature = "kafka")]
    ("kafka", |place| Box::new(kafka::Kafka(place))),
    #[cfg(feature = "mqtt")]
    ("mqtt", |place| Box::new(mqtt::Mqtt(place))),
    #[cfg(feature = "nats")]
    ("nats", |place| Box::new(nats::Nats(place))),
    #[cfg(feature = "object")]
    ("object", |place| Box::new(object::Object(place))),
    #[cfg(feature = "postgres")]
    ("postgres", |place| Box::new(postgres::Postgres(place))),
    #[cfg(feature = "pubsub")]
    ("pubsub", |place| Box::new(pubsub::Pubsub(place))),
    #[cfg(feature = "rabbitmq")]
    ("rabbitmq", |place| Box::new(rabbitmq::Rabbitmq::at(place))),
    #[cfg(feature = "redis")]
    ("redis", |place| Box::new(redis::Redis(place))),
    // Its broker is RabbitMQ, and is looked into as such.
    #[cfg(all(feature = "servicebus", feature = "rabbitmq"))]
    ("servicebus", |place| Box::new(rabbitmq::Servicebus::at(place))),
    #[cfg(feature = "sqs")]
    ("sqs", |place| Box::new(sqs::Sqs(place))),
];

/// Takes an event that arrived: where it stands there, and its text.
type Tell<'t> = dyn Fn(&str, &[u8]) + Sync + 't;

/// Where a server listens, and a folder of its own. A kind without a server has the folder alone.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without such a kind starts no server"))]
struct Place {
    address: SocketAddr,
    folder: PathBuf,
}

/// A server's program.
struct Program {
    command: Command,
    /// How it is installed.
    installed_by: &'static str,
}

/// What the demo knows about the destination of a kind.
#[async_trait]
trait FarSide: Send + Sync {
    /// The server that must run. `None`: the sink needs none.
    ///
    /// # Errors
    /// It is not installed, or what must be done before it starts cannot be done.
    fn program(&self) -> anyhow::Result<Option<Program>> {
        Ok(None)
    }
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
    async fn prepare(&self) -> anyhow::Result<()> {
        Ok(())
    }
    /// Reads what arrives, and tells where it stands and what it is.
    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()>;
}

/// A server that runs, or the folder of a kind that needs none.
pub struct Server {
    /// The kind of sink that delivers to it; the sink has this name.
    pub kind: String,
    far_side: Box<dyn FarSide>,
    place: Place,
    process: Option<Child>,
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
            let why = sinks::left_out(kind).map(|why| format!(": {why}")).unwrap_or_default();
            bail!("--sinks: found {kind:?}, expected one of: {}{why}", known.join(", "));
        };
        let address = free_address()?;
        // Some servers run as a user of their own, who must get through to what is theirs.
        let through = Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("reelhook-demo-").permissions(through).tempdir()?;
        let place = Place { address, folder: folder.path().to_owned() };
        let far_side = make(place.clone());
        let (mut process, mut companion) = (None, None);
        if let Some(program) = far_side.program()? {
            companion = far_side.companion().map(|command| spawn(command, program.installed_by)).transpose()?;
            process = Some(started(kind, program, address).await?);
        }
        let server = Self { kind: kind.to_owned(), far_side, place, process, _companion: companion, _folder: folder };
        server.far_side.prepare().await?;
        Ok(server)
    }

    /// Asks it to stop, and waits until it has: so it leaves no file behind.
    pub async fn stop(mut self) {
        let Some(process) = &mut self.process else { return };
        if let Some(pid) = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = kill_process(pid, self.far_side.stop());
            drop(tokio::time::timeout(PATIENCE, process.wait()).await);
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
        let what = match self.process {
            Some(_) => format!("a {} server is at {}", self.kind, self.place.address),
            None => format!("the sink {} writes to {}", self.kind, self.place.folder.display()),
        };
        format!("{what}: every event goes there too, and is read back below")
    }
}

/// A server of this kind, once it listens.
async fn started(kind: &str, program: Program, address: SocketAddr) -> anyhow::Result<Child> {
    let mut process = spawn(program.command, program.installed_by)?;
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if let Some(status) = process.try_wait()? {
            bail!("the {kind} server ended by itself: {status}");
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "the {kind} server does not listen on {address}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(process)
}

fn spawn(mut command: Command, installed_by: &str) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("{program} cannot be started; {installed_by}"))
}

/// An address that nobody listens on.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
