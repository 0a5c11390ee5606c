//! Asking the server that has the store for something, and waiting for it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::print::remark;
use super::text;
use crate::store::sqlite::SqliteStore;
use crate::store::wishes::{Granted, Wish};

/// How long a server gets to carry out a wish before the command says that it waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the command waits without a word.
const QUIET: Duration = Duration::from_secs(2);
/// The exit code where the server has not come to it yet.
const EXIT_WAITS: u8 = 3;
/// How often the command looks.
const STEP: Duration = Duration::from_millis(50);

/// What became of a wish.
#[derive(Clone, Copy, Debug)]
pub enum Became {
    /// The server carried it out.
    Granted(Granted),
    /// The server has not come to it yet.
    Waits,
    /// No server has the store: the next one that starts carries it out.
    Unserved,
}

/// Writes a wish down and waits until the server has carried it out.
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
            remark!("the running server did not do it in {time}: it is written down, and done once the server goes on");
            return Ok(Became::Waits);
        }
        tokio::time::sleep(STEP).await;
    }
}

impl Became {
    /// The exit code: 0 where a server did it or the next one will, 3 where the running one has not yet.
    pub fn code(self) -> ExitCode {
        match self {
            Self::Waits => ExitCode::from(EXIT_WAITS),
            Self::Granted(_) | Self::Unserved => ExitCode::SUCCESS,
        }
    }

    /// When what was asked for happens, where it has not yet.
    pub fn when(self) -> &'static str {
        match self {
            Self::Granted(_) => "now",
            Self::Waits => "once the server goes on: it is busy or stands still",
            Self::Unserved => "when the server starts: none has this store now",
        }
    }
}
