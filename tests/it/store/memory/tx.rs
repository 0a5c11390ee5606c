//! One change of the rows, under their lock; then the process beside the store gets its hints.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::rows::{Counter, Kind, Rows, micros};
use reelhook::clock::Clock;
use reelhook::config::{self, Expectations};
use reelhook::domain::{SinkName, Watch};
use reelhook::store::{Choosing, Hint, Listener, Routing, StoreError};

/// The store without its rows.
pub struct Around {
    /// `[store]`
    pub settings: config::Store,
    /// The clock.
    pub clock: Clock,
    /// The process beside the store.
    pub listener: std::sync::Arc<dyn Listener>,
    /// The routes, once they are given.
    pub routing: OnceLock<Routing>,
    /// Which events the sinks choose, once that is given.
    pub choosing: OnceLock<Choosing>,
    /// `[expectations]`
    pub expectations: Mutex<Expectations>,
    /// Whether it is closed.
    pub is_closed: AtomicBool,
}

/// A running change.
pub struct Tx<'a> {
    /// The rows.
    pub rows: &'a mut Rows,
    /// The store without its rows.
    pub around: &'a Around,
    /// When it began, in microseconds of the machine's clock.
    pub wall: i64,
    /// The same in steady time.
    pub steady: i64,
    woken: RefCell<Vec<SinkName>>,
    changed: RefCell<Vec<i64>>,
    any_watch: RefCell<bool>,
}

impl Around {
    /// Whether there is too little room. No memory has as much as the largest reserve.
    pub fn is_full(&self) -> bool {
        self.settings.disk_reserve_bytes == u64::MAX
    }

    /// Whether a sink gets events of this type, if they are routed to it.
    pub fn takes(&self, sink: &SinkName, kind: &str) -> bool {
        self.choosing.get().is_none_or(|choosing| choosing(sink, kind))
    }

    /// How long after the end of its call an operation is lost, in microseconds.
    pub fn lost_after(&self) -> i64 {
        micros(self.expectations.lock().lost_after)
    }

    /// Does `work` to the rows, then tells the process.
    ///
    /// # Errors
    /// The store is closed, or `work` failed and changed nothing.
    pub fn write<T>(
        &self,
        rows: &Mutex<Rows>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        let mut rows = rows.lock();
        let last_event = rows.last[0];
        let (wall, steady) = (self.clock.now().as_microsecond(), self.clock.steady().as_microsecond());
        let (woken, changed, any_watch) = Default::default();
        let mut tx = Tx { rows: &mut rows, around: self, wall, steady, woken, changed, any_watch };
        let done = work(&mut tx)?;
        let (woken, changed, any_watch) = (tx.woken, tx.changed, tx.any_watch);
        let has_events = rows.last[0] > last_event;
        drop(rows);
        woken.into_inner().iter().for_each(|sink| self.listener.hint(Hint::Due(sink)));
        changed.into_inner().into_iter().for_each(|number| self.listener.hint(Hint::Operation(number)));
        if any_watch.into_inner() {
            self.listener.hint(Hint::Watches);
        }
        if has_events {
            self.listener.hint(Hint::Events);
        }
        Ok(done)
    }

    /// Reads the rows.
    ///
    /// # Errors
    /// The store is closed.
    pub fn read<T>(&self, rows: &Mutex<Rows>, work: impl FnOnce(&Rows) -> T) -> Result<T, StoreError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        Ok(work(&rows.lock()))
    }
}

impl Tx<'_> {
    /// Wakes the dispatcher of a sink afterwards.
    pub fn wake(&self, sink: &SinkName) {
        let mut woken = self.woken.borrow_mut();
        if !woken.contains(sink) {
            woken.push(sink.clone());
        }
    }

    /// Wakes those who wait for an operation afterwards.
    pub fn changed(&self, operation: i64) {
        self.changed.borrow_mut().push(operation);
    }

    /// Adds a watch, at an instant of steady time.
    pub fn watch(&mut self, at: i64, operation: i64, watch: Watch) {
        self.rows.watches.insert((at, operation, kind(watch)));
        *self.any_watch.borrow_mut() = true;
    }

    /// Removes the watches of an operation, of one kind or of all.
    pub fn unwatch(&mut self, operation: i64, watch: Option<Watch>) {
        let goes = |it: &(i64, i64, Kind)| it.1 == operation && watch.is_none_or(|watch| kind(watch) == it.2);
        self.rows.watches.retain(|it| !goes(it));
    }

    /// Whether an operation has a watch, of one kind or of any.
    pub fn is_watched(&self, operation: i64, watch: Option<Watch>) -> bool {
        self.rows.watches.iter().any(|it| it.1 == operation && watch.is_none_or(|watch| kind(watch) == it.2))
    }

    /// Converts an instant of the machine's clock to steady time, in microseconds.
    pub fn in_steady_time(&self, wall: i64) -> i64 {
        wall.saturating_sub(self.wall).saturating_add(self.steady)
    }

    /// A number for a row.
    pub fn number(&mut self, counter: Counter) -> i64 {
        self.rows.number(counter)
    }
}

/// The number of a kind of watch.
pub fn kind(watch: Watch) -> Kind {
    match watch {
        Watch::Overdue => 0,
        Watch::Lost => 1,
    }
}
