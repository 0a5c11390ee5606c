//! The transaction of one group of jobs, and the values that a job may use while it runs.

use std::cell::{Cell, RefCell};

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::backlogs::{Change, Changes};
use super::failure::Failure;
use super::numbers::Given;
use super::shared::Shared;
use crate::domain::SinkName;
use crate::store::Hint;
use crate::store::unanswered::Written;

/// The running transaction.
pub struct Tx<'a> {
    /// The shared state.
    pub shared: &'a Shared,
    /// When the transaction began, in microseconds of the machine's clock: for people to see.
    pub wall: i64,
    /// The same in steady time: for everything that is to happen later. See [`super::time`].
    pub steady: i64,
    connection: &'a Connection,
    any_blocked: Cell<Option<bool>>,
    /// Whether lookups were added.
    pub has_lookups: Cell<bool>,
    woken: RefCell<Vec<SinkName>>,
    changed: RefCell<Vec<i64>>,
    any_watch: Cell<bool>,
    given: RefCell<Vec<Given>>,
    /// How it changes what waits for each sink.
    pub backlogs: RefCell<Changes>,
    /// The unanswered events that this transaction writes.
    pub unanswered: Written<'a>,
}

impl<'a> Tx<'a> {
    /// Wraps a connection on which a transaction has begun.
    pub fn new(connection: &'a Connection, shared: &'a Shared) -> Self {
        let (wall, steady) = (shared.clock.now().as_microsecond(), shared.clock.steady().as_microsecond());
        let (woken, changed, given, backlogs) = Default::default();
        let (any_blocked, has_lookups, any_watch) = (Cell::new(None), Cell::new(false), Cell::new(false));
        let unanswered = Written::none(&shared.unanswered);
        Self {
            shared,
            wall,
            steady,
            connection,
            any_blocked,
            has_lookups,
            woken,
            changed,
            any_watch,
            given,
            backlogs,
            unanswered,
        }
    }

    /// Converts an instant of the machine's clock to steady time, in microseconds, by their current offset.
    pub fn in_steady_time(&self, wall: i64) -> i64 {
        wall.saturating_sub(self.wall).saturating_add(self.steady)
    }

    /// The connection, for statements that run rarely.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Changes a value that nobody reads, so that the transaction is written and synced.
    pub fn beat(&self) -> Result<(), Failure> {
        // SQLite does not write a page whose bytes stay the same, and the clock may stand still.
        self.execute("UPDATE heartbeat SET beaten_at = max(?1, beaten_at + 1)", [self.wall]).map(drop)
    }

    /// Runs a statement; returns how many rows it changed.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let n_changed = statement.execute(params)?;
        self.account(sql, &statement);
        Ok(n_changed)
    }

    /// The first row of a query, if there is one.
    pub fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row(params, read).optional()?;
        self.account(sql, &statement);
        Ok(found)
    }

    /// Every row of a query.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map(params, read)?.collect::<Result<_, _>>()?;
        self.account(sql, &statement);
        Ok(found)
    }

    /// Notes how many steps a statement took: its work, independent of the machine.
    #[cfg(test)]
    fn account(&self, sql: &str, statement: &rusqlite::Statement<'_>) {
        let n_steps = statement.reset_status(rusqlite::StatementStatus::VmStep);
        let mut work = self.shared.work.lock();
        let most = work.entry(sql.to_owned()).or_default();
        *most = n_steps.max(*most);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests account for the work")]
    fn account(&self, _sql: &str, _statement: &rusqlite::Statement<'_>) {}

    /// Runs `work` so that the values it overwrites or deletes leave nothing in the file.
    pub fn securely<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let secure_delete = |mode: &str| {
            self.connection.pragma_update_and_check(None, "secure_delete", mode, |row| row.get::<_, i64>(0))
        };
        secure_delete("on")?;
        let done = work();
        secure_delete("fast")?;
        done
    }

    /// Whether any delivery is blocked. Read once for a group: usually none is, and then settling need not search.
    pub fn any_blocked(&self) -> Result<bool, Failure> {
        if let Some(known) = self.any_blocked.get() {
            return Ok(known);
        }
        let found = self.first("SELECT 1 FROM deliveries WHERE state = 1 LIMIT 1", [], |_| Ok(()))?.is_some();
        self.any_blocked.set(Some(found));
        Ok(found)
    }

    /// Notes that a delivery was blocked in this transaction.
    pub fn blocked(&self) {
        self.any_blocked.set(Some(true));
    }

    /// Notes that deliveries of a sink were added, settled, moved or removed. Written once, before the commit.
    pub fn backlog(&self, sink: &SinkName, by: Change) {
        self.backlogs.borrow_mut().add(sink, by);
    }

    /// Wakes the dispatcher of a sink after the commit.
    pub fn wake(&self, sink: &SinkName) {
        let mut woken = self.woken.borrow_mut();
        if !woken.contains(sink) {
            woken.push(sink.clone());
        }
    }

    /// Wakes those who wait for an operation after the commit.
    pub fn changed(&self, operation: i64) {
        self.changed.borrow_mut().push(operation);
    }

    /// Makes the watch look for the nearest deadline after the commit.
    pub fn watch_moved(&self) {
        self.any_watch.set(true);
    }

    /// A number for an event that is made within the transaction. It is held until the transaction ends.
    pub fn event_number(&self) -> i64 {
        let given = self.shared.numbers.events(1);
        let number = given.first();
        self.given.borrow_mut().push(given);
        number
    }

    /// Wakes everyone whom the jobs named. Streams are woken once the events' numbers are no longer held.
    pub fn committed(self) {
        self.unanswered.committed();
        for sink in self.woken.into_inner() {
            self.shared.listener.hint(Hint::Due(&sink));
        }
        for operation in self.changed.into_inner() {
            self.shared.listener.hint(Hint::Operation(operation));
        }
        if self.any_watch.get() {
            self.shared.listener.hint(Hint::Watches);
        }
    }
}
