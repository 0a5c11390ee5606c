//! What one process keeps in memory beside the store: the memory queues of its dispatchers, who waits for a change,
//! and how the quarantine entries of operators' jobs were judged.
//!
//! A store tells its process of what it committed, as [`Hint`]s. A store on another machine can do that too: it passes on
//! what its change feed says.
//!
//! **Invariants**
//! 1. A hint may come late, more than once, without cause, or not at all. Whoever lives on hints also asks the store from
//!    time to time, and does nothing that only a hint could undo.
//! 2. A place in a memory queue is only a place: the lease is the row's, written by the store in the commit that accepts.

mod changes;
mod queues;
mod reception;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

pub use changes::{Changes, Waiter};
pub use queues::{Place, Queues};
pub use reception::Reception;
pub use verdicts::{Judged, Verdicts};

use crate::domain::SinkName;

/// After so long without a hint a waiter asks the store by itself. Ten thousand that wait are 333 reads a second.
pub const ASK_ANYWAY: Duration = Duration::from_secs(30);

/// What a commit may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// Deliveries of this sink may be due in the store, other than by time.
    Due(&'a SinkName),
    /// This operation changed, by its number.
    Operation(i64),
    /// More events may be read.
    Events,
    /// A deadline was set or moved.
    Watches,
    /// The store is closed: no fresh delivery comes any more.
    Closed,
}

/// What a store asks of its process, and tells it.
pub trait Listener: Send + Sync {
    /// A place in the memory queue of a sink, for a delivery of so many bytes. Where there is one, the delivery is written
    /// as leased, and the place filled after the commit.
    fn place(&self, sink: &SinkName, n_bytes: usize) -> Option<Place>;

    /// To be called after a commit. It returns at once.
    fn hint(&self, hint: Hint<'_>);
}

/// The memory of this process beside the store.
#[derive(Debug, Default)]
pub struct Process {
    /// Fresh deliveries for the dispatchers.
    pub queues: Arc<Queues>,
    /// Who waits for a change.
    pub changes: Arc<Changes>,
    /// How the entries of operators' jobs were judged.
    pub verdicts: Arc<Verdicts>,
}

impl Listener for Process {
    fn place(&self, sink: &SinkName, n_bytes: usize) -> Option<Place> {
        self.queues.reserve(sink, n_bytes)
    }

    fn hint(&self, hint: Hint<'_>) {
        match hint {
            Hint::Due(sink) => self.queues.wake(sink),
            Hint::Operation(number) => self.changes.operation_changed(number),
            Hint::Events => self.changes.events_added(),
            Hint::Watches => self.changes.watches_moved(),
            Hint::Closed => self.queues.close(),
        }
    }
}
