//! The embedded store: one SQLite file, one writer thread, a few readers.
//!
//! A request's batch is hashed and sealed by the request itself (`write::prepare`), then waits for the writer, which puts
//! whatever waits into one transaction (`engine::writer`). Reads have connections of their own (`engine::readers`).
//!
//! Four folders, each of which uses only those below it: `traits` implements the traits of the store, `write` holds what a
//! transaction does, `read` turns rows into values, and `engine` runs the database (file, lock, log, threads,
//! transactions).
//!
//! **Invariants**
//! 1. One process owns the store: a lock on its file keeps a second server out. Operators' commands read beside it.
//!    Their changes go through the server, or through a store that no server has.
//! 2. Every write goes through the writer; no task of the runtime waits for the disk.
//! 3. After a failed write or sync, and where the files are gone (`engine::files`), the process ends (`engine::failure`).
//! 4. Damage, a thread that broke and a log that grows are noted in [`Health`].

pub mod backup;
mod engine;
pub mod integrity;
pub mod probe;
mod read;
mod traits;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use self::engine::check::Check;
use self::engine::failure::store_error;
use self::engine::readers::{Bounds, Readers};
use self::engine::shared::{Parts, Shared};
use self::engine::writer::Writer;
use self::engine::{backlogs, check, frames, lock, open, time, unanswered};
use self::write::lease;
use super::decisions::leases::Leased;
use super::seal::Seal;
use super::{EventView, Health, Listener, Process, StoreError};
use crate::clock::Clock;
use crate::config;
use crate::domain::{Lease, SinkName};

/// Bounds for a query of an operator or the API that may read many rows. Two run at a time: a query behind 64 others
/// would wait longer than its result is worth.
const QUESTIONS: Bounds = Bounds { at_most: Duration::from_secs(10), max_waiting: 64 };
/// Bounds for a read of a few rows. When 10,000 waiting clients are woken at once, each of them reads.
const VIEWS: Bounds = Bounds { at_most: Duration::from_secs(30), max_waiting: 20_000 };

/// The store in one SQLite file.
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Writer,
    /// For the dispatchers and the server's own tasks.
    readers: Readers,
    /// For the views of operators and the API.
    views: Readers,
    /// For queries that may read many rows.
    questions: Readers,
    /// The check of the database that runs beside the server.
    check: Mutex<Option<Check>>,
}

impl SqliteStore {
    /// Opens the server's store for a process that keeps no memory beside it.
    ///
    /// # Errors
    /// As [`Self::open_beside`].
    pub fn open(settings: &config::Store, clock: Clock) -> Result<Self, StoreError> {
        Self::open_beside(settings, clock, Arc::new(Process::default()))
    }

    /// Opens the server's store; makes it, its folder and its key where they are missing. What a process that died had
    /// leased is due at once. `listener` is told what is committed.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another server has it, [`StoreError::Unusable`] where it is not what it should be.
    pub fn open_beside(
        settings: &config::Store,
        clock: Clock,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, StoreError> {
        open::make_folder(&settings.path)?;
        let lock = lock::take(&settings.path)?;
        let seal = Seal::new(settings.encryption_key.as_ref(), &settings.path)?;
        let lock = lock.with_database(&settings.path)?;
        let health = Arc::new(Health::default());
        tell_of_lost_frames(&settings.path, &health)?;
        let mut connection = open::writer(&settings.path, &seal)?;
        time::anchor(&connection, &clock).map_err(|error| open::broken(&settings.path, &error))?;
        let n_voided = lease::void_leases(&connection, &clock).map_err(|error| open::broken(&settings.path, &error))?;
        if n_voided > 0 {
            tracing::info!(
                n_deliveries = n_voided,
                "deliveries that the last process was attempting when it ended are due again"
            );
        }
        backlogs::correct(&connection).map_err(|error| open::broken(&settings.path, &error))?;
        let last = unanswered::begin_run(&mut connection).map_err(|error| open::broken(&settings.path, &error))?;
        if last.n_marked > 0 {
            let n_marked = last.n_marked;
            tracing::info!(n_events = n_marked, "the last stop was not clean: its last answers may not have arrived");
        }
        let is_sure = last.was_clean && !check::was_damaged(&connection);
        let check = if is_sure { None } else { Check::start(settings.path.clone(), &health)? };
        let shared = Shared::new(&connection, Parts { settings, clock, seal, health, listener })?;
        let writer = Writer::start(connection, Arc::clone(&shared), Some(lock))?;
        let store = Self::with(shared, writer);
        *store.check.lock() = check;
        Ok(store)
    }

    /// Opens the store for a command, whether or not a server runs. This takes no lock, makes no store and only reads.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where there is no store, or none of this version.
    pub fn open_for_operator(settings: &config::Store, clock: Clock) -> Result<Self, StoreError> {
        open::must_exist(&settings.path)?;
        let seal = Seal::new(settings.encryption_key.as_ref(), &settings.path)?;
        let connection = open::operator(&settings.path, &seal)?;
        time::anchor(&connection, &clock).map_err(|error| open::broken(&settings.path, &error))?;
        let (health, listener) = (Arc::default(), Arc::new(Process::default()));
        let shared = Shared::new(&connection, Parts { settings, clock, seal, health, listener })?;
        Ok(Self::with(shared, Writer::absent()))
    }

    /// Whether a server has the store open now.
    pub fn is_served(&self) -> bool {
        lock::is_taken(&self.shared.settings.path)
    }

    fn with(shared: Arc<Shared>, writer: Writer) -> Self {
        let readers = || Readers::new(shared.settings.path.clone(), Arc::clone(&shared.health));
        let (readers, views, questions) = (readers(), readers().bounded(VIEWS), readers().bounded(QUESTIONS));
        Self { shared, writer, readers, views, questions, check: Mutex::default() }
    }

    /// Ends the check of the database, if it is running.
    async fn end_check(&self) {
        let check = self.check.lock().take();
        if let Some(check) = check {
            let _ = tokio::task::spawn_blocking(move || check.end()).await;
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_by(&self.views, work).await
    }

    async fn question<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_by(&self.questions, work).await
    }

    async fn read_by<T: Send + 'static>(
        &self,
        readers: &Readers,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        readers.read(move |connection| work(connection, &shared).map_err(|error| store_error(&error))).await
    }

    /// Converts the due times of an event's deliveries to the machine's clock.
    fn tell_due(&self, event: &mut EventView) {
        event.deliveries.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
    }

    /// Reads the events of leased deliveries. A delivery whose event can never be read becomes a dead letter; one that
    /// may be readable later is handed back.
    async fn with_events(&self, sink: &SinkName, leased: Vec<Leased>) -> Result<Vec<Lease>, StoreError> {
        let (name, shared) = (sink.clone(), Arc::clone(&self.shared));
        let rows: Vec<(i64, i64)> = leased.iter().map(|it| (it.number, it.token)).collect();
        let read = self.readers.read(move |connection| lease::with_events(connection, &shared.seal, &name, leased));
        match read.await {
            Ok((leases, lost)) => {
                if !lost.is_empty() {
                    let sink = sink.clone();
                    self.writer.ask(move |tx| lease::give_up(tx, &sink, &lost)).await?;
                }
                Ok(leases)
            }
            Err(error) => {
                let sink = sink.clone();
                self.writer.ask(move |tx| lease::hand_back(tx, &sink, &rows, tx.steady)).await?;
                Err(error)
            }
        }
    }
}

/// Reports the part of the log that SQLite will not read, and keeps a copy of the log, because opening the database
/// overwrites it.
fn tell_of_lost_frames(store: &Path, health: &Health) -> Result<(), StoreError> {
    let log = open::beside(&open::real(store), "-wal");
    let cannot = |error: std::io::Error| open::unusable(&log, &format!("the log cannot be read: {error}"));
    let Some(behind) = frames::behind_damage(&log).map_err(cannot)? else { return Ok(()) };
    health.note_lost_frames(behind.n_frames);
    let copy = open::beside(&log, ".damaged");
    let kept = std::fs::copy(&log, &copy).map_or_else(|error| error.to_string(), |_| copy.display().to_string());
    let frames::Behind { n_frames, n_commits, damaged } = behind;
    if n_commits > 1 {
        tracing::error!(
            n_frames,
            n_commits,
            damaged,
            copied_to = kept,
            "the log has frames behind a damaged one: acknowledged transactions are lost. Stop the server and \
             look at the disk; where a backup or a snapshot has a sound log, restore it"
        );
    } else {
        tracing::warn!(
            n_frames,
            damaged,
            copied_to = kept,
            "the log has frames behind a damaged one, of one transaction: after a power cut it was still being written, and \
             no acknowledged transaction is lost; without a power cut, check the disk"
        );
    }
    Ok(())
}

/// Settings for a store in `folder` with the shortest retention.
#[cfg(test)]
pub(crate) fn plain_settings(folder: &std::path::Path) -> config::Store {
    config::Store {
        url: None,
        path: folder.join("reelhook.db"),
        encryption_key: None,
        deduplicate: Duration::ZERO,
        token_retention: Duration::ZERO,
        retention: Duration::ZERO,
        disk_reserve_bytes: 0,
        quarantine_max_entries: 0,
        quarantine_max_bytes: 0,
        quarantine_strangers_share: 0.0,
        exchanges_max_entries: 10_000,
        exchanges_max_bytes: 64 << 20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer's connection to its own store in `folder`, and its shared state.
    pub fn shared(folder: &Path) -> (Connection, Arc<Shared>) {
        let settings = plain_settings(folder);
        let seal = Seal::new(None, &settings.path).unwrap();
        let connection = open::writer(&settings.path, &seal).unwrap();
        let (clock, health) = (Clock::manual(jiff::Timestamp::UNIX_EPOCH), Arc::default());
        let parts = Parts { settings: &settings, clock, seal, health, listener: Arc::new(Process::default()) };
        let shared = Shared::new(&connection, parts).unwrap();
        (connection, shared)
    }
}
