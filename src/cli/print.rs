//! The output of commands. `println!` panics if nobody reads it any more (`reelhook deadletters list | head -1`) or if
//! the disk behind `>` is full; here the command ends instead.
//!
//! **Invariants**
//! 1. Standard output: after a failed write nothing more is written, and the command is dropped at its next await
//!    ([`cut_off`]), so that its temporary folders and connections are cleaned up.
//! 2. Standard error: a failed write is ignored.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{LazyLock, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why standard output accepts no more.
static FAILURE: OnceLock<io::Error> = OnceLock::new();
static CUT_OFF: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// Prints a line on standard output: a result. Takes the arguments of `println!`.
macro_rules! say {
    ($($text:tt)+) => { $crate::cli::print::line(format_args!($($text)+)) };
}

/// Prints a line on standard error: warnings, mistakes, hints. Takes the arguments of `eprintln!`.
macro_rules! remark {
    ($($text:tt)+) => { $crate::cli::print::remark_line(format_args!($($text)+)) };
}

pub(super) use {remark, say};

/// See [`say`].
pub fn line(text: Arguments<'_>) {
    bytes(format!("{text}\n").as_bytes());
}

/// See [`remark`].
pub fn remark_line(text: Arguments<'_>) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Prints bytes on standard output, unchanged.
pub fn bytes(bytes: &[u8]) {
    if FAILURE.get().is_some() {
        return;
    }
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        let _ = FAILURE.set(error);
        CUT_OFF.cancel();
    }
}

/// Resolves when standard output accepts no more.
pub async fn cut_off() {
    CUT_OFF.cancelled().await;
}

/// Why standard output accepts no more. `None` if its reader just closed the pipe, which is no failure.
pub fn failure() -> Option<&'static io::Error> {
    FAILURE.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}
