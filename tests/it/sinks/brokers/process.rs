//! A server's process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed at the end of its test.
pub struct Process {
    child: Child,
    /// What it is asked to stop by.
    stop: Signal,
}

impl Process {
    /// Starts a program, and waits until it listens.
    pub async fn start(command: &mut Command, address: SocketAddr) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: {error}; scripts/test installs it"));
        let mut process = Self { child, stop: Signal::TERM };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < PATIENCE, "{name} does not listen on {address}");
            assert!(process.child.try_wait().unwrap().is_none(), "{name} ended by itself");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        process
    }

    /// For a server that is asked to stop by another signal, and that does not clean up when it is killed: at the end of the
    /// test it is stopped too.
    pub fn stopped_by(mut self, stop: Signal) -> Self {
        self.stop = stop;
        self
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(&mut self) {
        self.ask();
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "it does not stop");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn ask(&self) {
        let _ = kill_process(Pid::from_child(&self.child), self.stop);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let began = Instant::now();
        if self.stop != Signal::TERM && matches!(self.child.try_wait(), Ok(None)) {
            self.ask();
            while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// An address that nobody listens on, and whose port the system gives to nobody who does not ask for it: for a server that
/// opens its ports so slowly that another would have got them meanwhile.
pub fn below_the_chosen() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Several runs of the tests at a time begin at other ports.
    let first = u16::try_from(std::process::id() % 100).unwrap() * 120;
    loop {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + (first + n) % 12_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
