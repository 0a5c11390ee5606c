//! Asks the server that has the store for something, and waits until it has done it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::print::remark;
use super::text;
use crate::store::sqlite::SqliteStore;
use crate::store::wishes::{Granted, Wish};

/// How long the command waits before it says that the server has not done it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the command waits in silence.
const QUIET: Duration = Duration::from_secs(2);
/// The exit code if the server has not done it yet.
const EXIT_WAITS: u8 = 3;
/// How often the command checks.
const STEP: Duration = Duration::from_millis(50);

/// The result of a wish.
#[derive(Clone, Copy, Debug)]
pub enum Became {
    /// The server did it.
    Granted(Granted),
    /// The server has not done it yet.
    Waits,
    /// No server has the store: the next one that starts will do it.
    Unserved,
}

/// Writes a wish and waits until the server has done it.
pub async fn ask(store: &SqliteStore, wish: &Wish) -> anyhow::Result<Became> {
    let id = store.wish(wish)?;
    let began = Instant::now();
    let mut is_told = false;
    loop {
        if let Some(granted) = store.granted(&id)? {
            return Ok(Became::Granted(granted));
        }
        if !store.is_served() {
            return Ok(Became::Unserved);
        }
        if !is_told && began.elapsed() > QUIET {
            is_told = true;
            remark!("waiting for the running server to do it");
        }
        if began.elapsed() > PATIENCE {
            let time = text::duration(PATIENCE);
            remark!(
                "the running server did not do it within {time}: the request is stored, and done when the server responds again"
            );
            return Ok(Became::Waits);
        }
        tokio::time::sleep(STEP).await;
    }
}

impl Became {
    /// The exit code: 0 if a server did it or the next one will, 3 if the running one has not done it yet.
    pub fn code(self) -> ExitCode {
        match self {
            Self::Waits => ExitCode::from(EXIT_WAITS),
            Self::Granted(_) | Self::Unserved => ExitCode::SUCCESS,
        }
    }

    /// When it happens, in words.
    pub fn when(self) -> &'static str {
        match self {
            Self::Granted(_) => "now",
            Self::Waits => "when the server responds again: it is busy or suspended",
            Self::Unserved => "when a server starts: none has this store now",
        }
    }
}
