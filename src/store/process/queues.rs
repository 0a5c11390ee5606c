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

use crate::domain::{Budget, Delivery, Held, Lease, Room, SinkName};
use crate::store::{Limit, Queue, StoreError};

/// The memory queues of all sinks.
#[derive(Debug, Default)]
pub struct Queues {
    by_sink: RwLock<HashMap<SinkName, QueueOfSink>>,
}

#[derive(Debug)]
struct QueueOfSink {
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

impl Queues {
    /// Opens the queue of a sink: from now on, new deliveries arrive here already leased for `ttl`, as many at a time as it
    /// has room for; the others wait in the store. Call it for each sink before the intake starts, and again once that
    /// queue was closed.
    pub fn open(&self, sink: &SinkName, room: &Room, ttl: Duration) -> mpsc::Receiver<Lease> {
        let (sender, receiver) = mpsc::channel(room.n.max(1));
        let budget = Arc::clone(&room.budget);
        let mut by_sink = self.by_sink.write();
        let wake = by_sink.get(sink).map_or_else(Arc::default, |known| Arc::clone(&known.wake));
        by_sink.insert(sink.clone(), QueueOfSink { sender: Some(sender), budget, ttl, wake });
        receiver
    }

    /// A place for so many bytes in the queue of a sink, if it has one.
    pub fn reserve(&self, sink: &SinkName, n_bytes: usize) -> Option<Place> {
        let by_sink = self.by_sink.read();
        let queue = by_sink.get(sink)?;
        let permit = queue.sender.clone()?.try_reserve_owned().ok()?;
        let held = queue.budget.try_hold(n_bytes)?;
        Some(Place { permit, held, ttl: queue.ttl })
    }

    /// Leases up to `limit` deliveries from the store, as many as the sink's memory has room for, and holds that memory.
    ///
    /// # Errors
    /// Nothing was leased; try again later.
    pub async fn lease(
        &self,
        store: &dyn Queue,
        sink: &SinkName,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let Some(budget) = self.budget(sink) else { return store.lease(sink, Limit::of(limit), ttl).await };
        let mut leases = store.lease(sink, Limit::within(limit, &budget), ttl).await?;
        for lease in &mut leases {
            lease.held = budget.hold(Delivery::n_bytes_with(&lease.delivery.event.data));
        }
        Ok(leases)
    }

    /// The memory of a sink; `None` where nothing bounds it: no dispatcher has opened its queue.
    fn budget(&self, sink: &SinkName) -> Option<Arc<Budget>> {
        self.by_sink.read().get(sink).map(|queue| Arc::clone(&queue.budget))
    }

    /// Tells the dispatcher of a sink to look into the store.
    pub fn wake(&self, sink: &SinkName) {
        if let Some(queue) = self.by_sink.read().get(sink) {
            queue.wake.notify_one();
        }
    }

    /// Resolves when deliveries of the sink may have become due in the store other than by time: one did not fit the queue,
    /// was unblocked, released, or replayed. May resolve without cause, or miss one: look from time to time anyway.
    pub async fn woken(&self, sink: &SinkName) {
        let wake = self.by_sink.read().get(sink).map(|queue| Arc::clone(&queue.wake));
        match wake {
            Some(wake) => wake.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Closes every queue.
    pub fn close(&self) {
        for queue in self.by_sink.write().values_mut() {
            queue.sender = None;
        }
    }
}

impl Place {
    /// Fills the place.
    pub fn fill(self, lease: Lease) {
        self.permit.send(Lease { held: self.held, ..lease });
    }
}
