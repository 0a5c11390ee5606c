//! A writing transaction, and what it tells the process after its commit.
//!
//! **Invariants**
//! 1. It holds the store's lock from its beginning to its commit.
//! 2. Its time is read from the database after it has the lock.
//! 3. The epoch of its process is in the database: a process that was halted, and counted as dead, goes on under it.

use futures_util::future::try_join;

use super::connections::Client;
use super::failure::Failure;
use super::shared::Shared;
use super::{sql, time};
use crate::domain::SinkName;
use crate::store::Hint;
use crate::store::process::Place;
use crate::store::unanswered::Written;

/// The lock of the store.
const LOCK: i64 = 0x0072_6565_6c68_0002;

/// A running transaction.
pub struct Tx<'a> {
    /// Its connection.
    pub client: &'a Client,
    /// The shared state.
    pub shared: &'a Shared,
    /// When it began, in microseconds of the machine's clock: for people to see.
    pub wall: i64,
    /// The same in steady time: for everything that is to happen later.
    pub steady: i64,
    /// The unanswered events that it writes.
    pub unanswered: Written<'a>,
    /// What it changed that others wait for.
    pub effects: Effects,
}

/// What a transaction changed that others wait for.
#[derive(Default)]
pub struct Effects {
    woken: Vec<SinkName>,
    changed: Vec<i64>,
    any_watch: bool,
    any_event: bool,
    /// Fresh deliveries that it made.
    fresh: Vec<i64>,
    /// Fresh deliveries that are settled, or wait.
    settled: Vec<i64>,
}

impl<'a> Tx<'a> {
    /// Begins one.
    ///
    /// # Errors
    /// The database failed, or others held the lock for too long.
    pub async fn begin(client: &'a Client, shared: &'a Shared) -> Result<Self, Failure> {
        client.batch_execute("BEGIN").await?;
        let locked = format!("SELECT {} AS now FROM (SELECT pg_advisory_xact_lock($1)) AS locked", time::NOW);
        let lock: sql::Values<'_> = &[&LOCK];
        // Both are sent at once. The second one sees what was committed before the lock was given.
        let (row, ()) = try_join(sql::first(client, &locked, lock), shared.epoch.goes_on(client)).await?;
        let now = row.map_or(Ok(0), |row| sql::get(&row, "now"))?;
        let steady = if shared.clock.is_manual() { shared.clock.steady().as_microsecond() } else { now };
        let (wall, unanswered) = (shared.clock.now().as_microsecond(), Written::none(&shared.unanswered));
        Ok(Self { client, shared, wall, steady, unanswered, effects: Effects::default() })
    }

    /// Commits it, and tells the process.
    ///
    /// # Errors
    /// The database failed. It may be committed all the same.
    pub async fn commit(self) -> Result<(), Failure> {
        self.client.batch_execute("COMMIT").await?;
        self.unanswered.committed();
        self.effects.tell(self.shared);
        Ok(())
    }

    /// Undoes it.
    pub async fn undo(self) {
        self.shared.epoch.forget(&self.effects.fresh);
        if let Err(error) = self.client.batch_execute("ROLLBACK").await {
            tracing::debug!(%error, "a transaction was undone by the end of its connection");
        }
    }

    /// Converts an instant of the machine's clock to steady time, in microseconds, by their current offset.
    pub fn in_steady_time(&self, wall: i64) -> i64 {
        wall.saturating_sub(self.wall).saturating_add(self.steady)
    }

    /// Notes a fresh delivery that is leased to a place in this process's memory.
    pub fn fresh(&mut self, number: i64, sink: &SinkName, until: i64) {
        self.shared.epoch.note(number, sink, until);
        self.effects.fresh.push(number);
    }

    /// A place in a memory queue.
    pub fn place(&self, sink: &SinkName, n_bytes: usize) -> Option<Place> {
        self.shared.listener.place(sink, n_bytes)
    }

    /// Numbers of a sequence: the first of so many that follow one another, because no other transaction takes any.
    ///
    /// # Errors
    /// The database failed.
    pub async fn numbers(&self, sequence: &str, n: usize) -> Result<i64, Failure> {
        if n == 0 {
            return Ok(0);
        }
        let sql = "SELECT min(n) AS first FROM (SELECT nextval($1::text::regclass) AS n FROM generate_series(1, $2::bigint)) AS numbers";
        let row = sql::first(self.client, sql, &[&sequence, &sql::number(n)]).await?;
        row.map_or(Ok(0), |row| sql::get(&row, "first"))
    }
}

impl Effects {
    /// Wakes the dispatcher of a sink.
    pub fn wake(&mut self, sink: &SinkName) {
        if !self.woken.contains(sink) {
            self.woken.push(sink.clone());
        }
    }

    /// Wakes those who wait for an operation.
    pub fn changed(&mut self, operation: i64) {
        self.changed.push(operation);
    }

    /// Makes the watch look for the nearest deadline.
    pub fn watch_moved(&mut self) {
        self.any_watch = true;
    }

    /// Wakes the streams.
    pub fn event_added(&mut self) {
        self.any_event = true;
    }

    /// A fresh delivery is settled, or waits.
    pub fn no_longer_fresh(&mut self, number: i64) {
        self.settled.push(number);
    }

    fn tell(self, shared: &Shared) {
        shared.epoch.forget(&self.settled);
        self.woken.iter().for_each(|sink| shared.listener.hint(Hint::Due(sink)));
        self.changed.iter().for_each(|operation| shared.listener.hint(Hint::Operation(*operation)));
        if self.any_watch {
            shared.listener.hint(Hint::Watches);
        }
        if self.any_event {
            shared.listener.hint(Hint::Events);
        }
    }
}
