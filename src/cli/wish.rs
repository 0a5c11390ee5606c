//! Asking the server that has the store for something, and waiting for it.

use std::time::{Duration, Instant};

use crate::store::sqlite::SqliteStore;
use crate::store::wishes::{Granted, Wish};

/// How long a server gets to carry out a wish before the command says that it waits.
const PATIENCE: Duration = Duration::from_secs(30);
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
    loop {
        if let Some(granted) = store.granted(&id)? {
            return Ok(Became::Granted(granted));
        }
        if !store.is_served() {
            return Ok(Became::Unserved);
        }
        if began.elapsed() > PATIENCE {
            return Ok(Became::Waits);
        }
        tokio::time::sleep(STEP).await;
    }
}

impl Became {
    /// When what was asked for happens, where it has not yet.
    pub fn when(self) -> &'static str {
        match self {
            Self::Granted(_) => "now",
            Self::Waits => "once the server comes to it: it is busy",
            Self::Unserved => "when the server starts: none has this store now",
        }
    }
}
