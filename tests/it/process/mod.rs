//! The real binary as a process of its own: started, fed, stopped, killed, and given a disk that fails.

mod check;
mod commands;
mod config;
mod damage;
mod exchanges;
mod faults;
mod floods;
mod gone_sinks;
mod manual;
mod memory;
mod operators;
mod own_sink;
mod postgres_store;
mod reload;
mod remote;
mod signals;
mod simulate;
pub mod site;
mod stops;
mod store_command;
mod store_files;
mod threads;
mod token;
mod usage;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a process may take for anything before the test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub fn reelhook() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_reelhook")))
}

/// A command with no variable of the surroundings that it would read, and with nothing to read from.
fn clean(mut command: Command) -> Command {
    command
        .env_remove("REELHOOK_CONFIG")
        .env_remove("REELHOOK_CLIENT_STATE")
        .env_remove("REELHOOK_TOKEN")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    reelhook().args(arguments).output().unwrap()
}

/// What another process does cannot be awaited: looks again and again.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// As [`wait_until`], for a look that takes requests, and beside other work of the test.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A running `reelhook serve`; killed when dropped.
pub struct Server {
    child: Child,
    /// Where Graph posts to.
    pub public: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    /// Every line of its log from then on.
    pub log: mpsc::Receiver<String>,
    /// Every line of its log until it served.
    pub before: Vec<String>,
}

impl Server {
    /// Starts, by a command that was made ready, and waits until it says that it serves.
    pub fn start_with(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Where nobody listens any more the pipe is still read, so that the server never blocks on it.
                let _ = sender.send(line);
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, public: nowhere, admin: nowhere, log, before: Vec::new() };
        loop {
            let next = server.log.recv_timeout(PATIENCE);
            let line = next.unwrap_or_else(|_| panic!("it never served: {:#?}", server.before));
            if let Some(addresses) = addresses(&line) {
                (server.public, server.admin) = addresses;
                return server;
            }
            server.before.push(line);
        }
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where a path of the Graph-facing listener is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    /// Where a path of the admin listener is.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// The most memory that it has held so far.
    #[cfg(target_os = "linux")]
    pub fn most_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    /// The memory that it holds now.
    #[cfg(target_os = "linux")]
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Waits until its log has a line that says this.
    pub fn said(&self, words: &str) {
        while !self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never said {words:?}")).contains(words) {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two addresses in the line that says that it serves.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line["message"] != "serving" {
        return None;
    }
    Some((line["public"].as_str()?.parse().ok()?, line["admin"].as_str()?.parse().ok()?))
}

/// Compiles the C source beside this file to a library that can be preloaded.
pub fn failing_sync(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/process/failing_sync.c");
    let library = folder.join("failing_sync.so");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(compiled.unwrap().success());
    library
}
