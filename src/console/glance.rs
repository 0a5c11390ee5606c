//! What the store holds at a glance: the numbers of the tiles and of the sinks.
//!
//! **Invariants**
//! 1. Open pages share one look at the store, however many they are. After a look there is a pause that is much longer
//!    than the look took.
//! 2. A page that is loaded looks itself, and what it saw is the newest that the open ones show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::operator::{Operator, SinkSummary};
use crate::store::{StoreError, Tallies};

/// The least time between two looks for the open pages.
const PAUSE: Duration = Duration::from_millis(900);
/// The pause as a multiple of the time that the look took.
const RESTS: u32 = 50;

/// What was seen.
#[derive(Debug)]
pub struct Glance {
    /// What somebody may have to look at.
    pub tallies: Tallies,
    /// The sinks.
    pub sinks: Vec<SinkSummary>,
    good_until: Instant,
}

/// The last glance.
#[derive(Debug, Default)]
pub struct Glances {
    last: Mutex<Option<Arc<Glance>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Glances {
    /// Looks now.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn fresh(&self, operator: &Operator) -> Result<Arc<Glance>, StoreError> {
        let began = Instant::now();
        let (tallies, sinks) = (operator.store.tallies().await?, operator.sink_summaries().await?);
        let now = Instant::now();
        let good_until = now + PAUSE.max((now - began) * RESTS);
        let glance = Arc::new(Glance { tallies, sinks, good_until });
        *self.last.lock() = Some(Arc::clone(&glance));
        Ok(glance)
    }

    /// The last glance, or a new one if that is too old.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn recent(&self, operator: &Operator) -> Result<Arc<Glance>, StoreError> {
        let _turn = self.turn.lock().await;
        let last = self.last.lock().clone().filter(|last| Instant::now() < last.good_until);
        match last {
            Some(last) => Ok(last),
            None => self.fresh(operator).await,
        }
    }
}
