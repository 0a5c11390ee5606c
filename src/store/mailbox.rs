//! The memory queues: new deliveries go to their dispatcher without being read back from the disk.
//!
//! **Invariants**
//! 1. A place is reserved before the commit and filled after it, so nobody holds a lease that is not durable.
//! 2. A queue is bounded in deliveries and in bytes. A delivery without a place waits in the store, and its dispatcher
//!    is woken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::domain::{Budget, Held, Lease, Room, SinkName};

/// The memory queues of all sinks.
#[derive(Debug, Default)]
pub struct Mailboxes {
    by_sink: RwLock<HashMap<SinkName, Mailbox>>,
}

#[derive(Debug)]
struct Mailbox {
    sender: Option<mpsc::Sender<Lease>>,
    budget: Arc<Budget>,
    ttl: Duration,
    wake: Arc<Notify>,
}

/// A place in a queue, to be filled after the commit.
pub struct Place {
    permit: OwnedPermit<Lease>,
    held: Held,
    /// How long the lease lasts.
    pub ttl: Duration,
}

impl Mailboxes {
    /// Opens the queue of a sink.
    pub fn open(&self, sink: &SinkName, room: &Room, ttl: Duration) -> mpsc::Receiver<Lease> {
        let (sender, receiver) = mpsc::channel(room.n.max(1));
        let budget = Arc::clone(&room.budget);
        let mut by_sink = self.by_sink.write();
        let wake = by_sink.get(sink).map_or_else(Arc::default, |known| Arc::clone(&known.wake));
        by_sink.insert(sink.clone(), Mailbox { sender: Some(sender), budget, ttl, wake });
        receiver
    }

    /// Reserves a place for `n_bytes` in the queue of a sink, if there is room.
    pub fn reserve(&self, sink: &SinkName, n_bytes: usize) -> Option<Place> {
        let by_sink = self.by_sink.read();
        let mailbox = by_sink.get(sink)?;
        let permit = mailbox.sender.clone()?.try_reserve_owned().ok()?;
        let held = mailbox.budget.try_hold(n_bytes)?;
        Some(Place { permit, held, ttl: mailbox.ttl })
    }

    /// The memory budget of a sink; `None` where no dispatcher has opened its queue, so nothing bounds it.
    pub fn budget(&self, sink: &SinkName) -> Option<Arc<Budget>> {
        self.by_sink.read().get(sink).map(|mailbox| Arc::clone(&mailbox.budget))
    }

    /// Tells the dispatcher of a sink to look into the store.
    pub fn wake(&self, sink: &SinkName) {
        if let Some(mailbox) = self.by_sink.read().get(sink) {
            mailbox.wake.notify_one();
        }
    }

    /// Resolves when the sink's dispatcher was woken.
    pub async fn woken(&self, sink: &SinkName) {
        let wake = self.by_sink.read().get(sink).map(|mailbox| Arc::clone(&mailbox.wake));
        match wake {
            Some(wake) => wake.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Closes every queue.
    pub fn close(&self) {
        for mailbox in self.by_sink.write().values_mut() {
            mailbox.sender = None;
        }
    }
}

impl Place {
    /// Fills the place.
    pub fn fill(self, lease: Lease) {
        self.permit.send(Lease { held: self.held, ..lease });
    }
}
