//! The signals that end a long command: SIGINT (Ctrl-C), SIGTERM, and SIGHUP (the terminal was closed).
//!
//! The first process of a container gets no default action from the kernel: a signal that it does not take itself is
//! ignored. So each long command takes these signals itself, from its start on.
//!
//! **Invariants**
//! 1. The first signal ends the command in order: what it has is told, what it made is removed.
//! 2. The second signal ends it at once.
//! 3. A SIGHUP that is ignored (`nohup`) stays ignored.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end this command.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    has_come: bool,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(SignalKind);

impl Signals {
    /// From now on the signals end nothing by themselves.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn new() -> io::Result<Self> {
        let hangup = SignalKind::hangup();
        let is_ignored = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, hangup));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if is_ignored { None } else { Some(signal(hangup)?) },
            has_come: false,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Told {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = hangup => SignalKind::hangup(),
        };
        self.has_come = true;
        Told(kind)
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        self.has_come
    }
}

impl Told {
    /// The exit code of a command that did not do what it was started for: 128 and the signal's number, as in a shell.
    pub fn code(self) -> ExitCode {
        ExitCode::from(u8::try_from(128 + self.0.as_raw_value()).unwrap_or(u8::MAX))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            kind if kind == SignalKind::interrupt() => "SIGINT",
            kind if kind == SignalKind::terminate() => "SIGTERM",
            _ => "SIGHUP",
        }
    }
}

/// Whether a process ignores a signal, by its `/proc/PID/status`.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_read_from_the_mask() {
        let status = "Name:\treelhook\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004002\n";
        assert!(ignores(status, SignalKind::hangup()));
        assert!(!ignores(status, SignalKind::terminate()) && !ignores("", SignalKind::hangup()));
    }

    #[test]
    fn a_code_is_that_of_a_shell() {
        let told = Told(SignalKind::terminate());
        assert_eq!((told.code(), told.name()), (ExitCode::from(143), "SIGTERM"));
        assert_eq!(Told(SignalKind::hangup()).code(), ExitCode::from(129));
    }
}
