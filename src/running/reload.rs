//! Requests for a reload: by a signal, over the API, or because the file changed. One task of the app handles them, one
//! after the other.

use std::sync::OnceLock;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// The most requests that may wait. Each loads the config once, in their order.
const MAX_WAITING: usize = 16;
const WITHOUT_A_FILE: &str = "this server was started without a config file: there is nothing to load again";
const STOPPING: &str = "the server stops";

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The parts that have a new value: `routes`, `sinks.crm (added)`. Never the value itself.
    pub changed: Vec<String>,
    /// The keys that have another value in the file, but change only with a restart.
    pub needs_restart: Vec<String>,
    /// Warnings: something is allowed, but perhaps not intended.
    pub warnings: Vec<String>,
}

/// Why nothing was reloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The config has mistakes: one line each, without any secret.
    Mistakes(Vec<String>),
    /// A reload is not possible here or now. The text says why.
    Impossible(&'static str),
}

/// The result of a reload.
pub type Outcome = Result<Change, Refusal>;

/// The last reload, for the console.
#[derive(Clone, Debug)]
pub struct Last {
    /// When, by the machine's clock.
    pub at: Timestamp,
    /// Who asked for it: see [`Ask`].
    pub by: String,
    /// The result.
    pub outcome: Outcome,
}

/// A request for a reload.
#[derive(Debug)]
pub struct Ask {
    /// Who asks: `SIGHUP`, `the changed file`, or the name of a token.
    pub by: String,
    /// Where the result goes.
    pub answer: oneshot::Sender<Outcome>,
}

/// Takes requests for reloads, and knows the result of the last one.
#[derive(Debug, Default)]
pub struct Reload {
    asks: OnceLock<mpsc::Sender<Ask>>,
    last: ArcSwapOption<Last>,
}

impl Reload {
    /// The receiving end of the requests, for the one task that handles them. `None`: it was taken before.
    pub fn answered_by(&self) -> Option<mpsc::Receiver<Ask>> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        self.asks.set(sender).is_ok().then_some(receiver)
    }

    /// Asks for a reload, and waits for its result.
    ///
    /// # Errors
    /// Nothing was changed; the error says why.
    pub async fn ask(&self, by: &str) -> Outcome {
        let asks = self.asks.get().ok_or(Refusal::Impossible(WITHOUT_A_FILE))?;
        let (answer, outcome) = oneshot::channel();
        let stopping = Refusal::Impossible(STOPPING);
        if asks.send(Ask { by: by.to_owned(), answer }).await.is_err() {
            return Err(stopping);
        }
        outcome.await.unwrap_or(Err(stopping))
    }

    /// Stores the result of a reload.
    pub fn note(&self, last: Last) {
        self.last.store(Some(last.into()));
    }

    /// The result of the last reload; `None`: there was none since the start.
    pub fn last(&self) -> Option<Last> {
        self.last.load_full().map(|last| (*last).clone())
    }
}
