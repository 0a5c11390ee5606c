//! What a command says. `println!` panics where nobody reads any more (`reelhook deadletters list | head -1`) and where the
//! disk behind `>` is full; a command ends instead.
//!
//! **Invariants**
//! 1. Standard output: after a failed write nothing more is written, and the command is dropped at its next await
//!    ([`cut_off`]), so that what it made (a temporary folder, a connection) is put away.
//! 2. Standard error: what cannot be said there is not said, and changes nothing.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{LazyLock, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why standard output takes nothing more.
static FAILURE: OnceLock<io::Error> = OnceLock::new();
static CUT_OFF: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// Says a line on standard output: what the command was asked for. Takes what `println!` takes.
macro_rules! say {
    ($($text:tt)+) => { $crate::cli::print::line(format_args!($($text)+)) };
}

/// Says a line on standard error: warnings, mistakes, hints. Takes what `eprintln!` takes.
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

/// Says bytes on standard output, just as they are.
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

/// Resolves when standard output takes nothing more.
pub async fn cut_off() {
    CUT_OFF.cancelled().await;
}

/// Why standard output takes nothing more, unless its reader just had enough: that is no failure.
pub fn failure() -> Option<&'static io::Error> {
    FAILURE.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}
