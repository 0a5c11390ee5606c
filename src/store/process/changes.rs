//! Wakes those who wait for a commit: a request that waits for the end of its operation, a stream that waits for the
//! next event, the watch for deadlines.
//!
//! **Invariants**
//! 1. Only waiters cost anything: a commit that nobody waits for reads two numbers.
//! 2. A waiter that registers before it reads the state misses nothing: any later change wakes it.
//! 3. A waiter that is dropped leaves nothing behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// The waiters for changes.
#[derive(Debug)]
pub struct Changes {
    operations: Mutex<HashMap<i64, Arc<Notify>>>,
    n_waiters: AtomicUsize,
    events: watch::Sender<u64>,
    watches: Notify,
}

/// Waits for changes of one operation.
#[derive(Debug)]
pub struct Waiter {
    changes: Arc<Changes>,
    number: i64,
    changed: Arc<Notify>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            operations: Mutex::default(),
            n_waiters: AtomicUsize::new(0),
            events: watch::Sender::new(0),
            watches: Notify::new(),
        }
    }
}

impl Changes {
    /// Registers for changes of an operation, by its number.
    pub fn of_operation(self: &Arc<Self>, number: i64) -> Waiter {
        self.n_waiters.fetch_add(1, Ordering::SeqCst);
        let changed = Arc::clone(self.operations.lock().entry(number).or_default());
        Waiter { changes: Arc::clone(self), number, changed }
    }

    /// Changes whenever new events may be read.
    pub fn of_events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Resolves when the next deadline may have changed since the last call. For one waiter only: the watch.
    pub async fn of_watches(&self) {
        self.watches.notified().await;
    }

    /// Call this after a commit that set or moved a deadline: the answer of [`crate::store::Watches::next_watch`] may have
    /// changed.
    pub fn watches_moved(&self) {
        // The wake-up is stored until the watch waits again, so none is missed while it works.
        self.watches.notify_one();
    }

    /// Call this after a commit that changed an operation.
    pub fn operation_changed(&self, number: i64) {
        if self.n_waiters.load(Ordering::SeqCst) > 0
            && let Some(changed) = self.operations.lock().get(&number)
        {
            changed.notify_waiters();
        }
    }

    /// Call this after a commit that added events.
    pub fn events_added(&self) {
        if self.events.receiver_count() > 0 {
            self.events.send_modify(|n| *n += 1);
        }
    }
}

impl Waiter {
    /// Resolves with the next change after this call. To miss no change: create the future, `enable` it, read the
    /// state, then await it.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.changes.n_waiters.fetch_sub(1, Ordering::SeqCst);
        let mut operations = self.changes.operations.lock();
        // One reference is the map's, the other is this one.
        if Arc::strong_count(&self.changed) <= 2 {
            operations.remove(&self.number);
        }
    }
}
