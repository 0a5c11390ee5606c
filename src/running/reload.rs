//! Asking for a reload: by a signal, over the API, or because the file changed. One task of the app answers, one after the
//! other.

use std::sync::OnceLock;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// How many may wait to be answered. They are answered together with one load of the config each, in their order.
const MAX_WAITING: usize = 16;
const WITHOUT_A_FILE: &str = "this server was started without a config file: there is nothing to load again";
const STOPPING: &str = "the server stops";

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What has another value now: `routes`, `sinks.crm (added)`. Never the value itself.
    pub changed: Vec<String>,
    /// The keys that the file has otherwise, and that only a restart changes.
    pub needs_restart: Vec<String>,
    /// What is right but may not be meant.
    pub warnings: Vec<String>,
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The config has mistakes: one line each, without any secret.
    Mistakes(Vec<String>),
    /// It cannot be loaded again here or now; the text says why.
    Impossible(&'static str),
}

/// What became of a reload.
pub type Outcome = Result<Change, Refusal>;

/// The last reload, for the console.
#[derive(Clone, Debug)]
pub struct Last {
    /// When, by the machine's clock.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Somebody who waits for a reload.
#[derive(Debug)]
pub struct Ask {
    /// Who: `SIGHUP`, `the changed file`, or the name of a token.
    pub by: String,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Outcome>,
}

/// Asks for reloads, and knows the last one.
#[derive(Debug, Default)]
pub struct Reload {
    asks: OnceLock<mpsc::Sender<Ask>>,
    last: ArcSwapOption<Last>,
}

impl Reload {
    /// Where the asks come out; whoever calls this answers them. `None`: somebody does already.
    pub fn answered_by(&self) -> Option<mpsc::Receiver<Ask>> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        self.asks.set(sender).is_ok().then_some(receiver)
    }

    /// Has the config loaded again, and waits until that is done or refused.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn ask(&self, by: &str) -> Outcome {
        let asks = self.asks.get().ok_or(Refusal::Impossible(WITHOUT_A_FILE))?;
        let (answer, outcome) = oneshot::channel();
        let stopping = Refusal::Impossible(STOPPING);
        if asks.send(Ask { by: by.to_owned(), answer }).await.is_err() {
            return Err(stopping);
        }
        outcome.await.unwrap_or(Err(stopping))
    }

    /// Notes what became of a reload.
    pub fn note(&self, last: Last) {
        self.last.store(Some(last.into()));
    }

    /// The last reload; `None`: there was none since the start.
    pub fn last(&self) -> Option<Last> {
        self.last.load_full().map(|last| (*last).clone())
    }
}
