//! Copying the log into the database, mostly on its own thread while the writer goes on writing.
//!
//! **Invariants**
//! 1. The log is bounded. SQLite restarts it only when all of it was copied before a write, which never happens beside
//!    a busy writer. So the last part is copied while the writer waits, and all of it once the log reaches [`LONG`].
//! 2. While a reader holds an old state the log cannot be restarted. A log that reaches [`GROWN`] is logged as a
//!    warning.
//! 3. This also checks that the store's files are still the ones that it opened (`files`): before each transaction,
//!    after its commit, and each second if there is none. If they are not, the process ends.
//! 4. A failed sync ends the process, as it does for the writer (`failure`). SQLite's own automatic checkpoint would
//!    hide the failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, wal::CheckpointMode};

use super::failure::{end_if_disk_failed, end_since_files_are_gone};
use super::files::{Files, Harm};
use super::shared::Shared;
use super::{open, threads};
use crate::store::StoreError;

/// From this many pages on, the log is copied: 8 MiB. With more, pages that change often are copied once for more of it, but
/// each copy and its sync take longer, and who is answered meanwhile waits: with 5000 the slowest percent waited 1.3 to 1.7
/// times as long.
const DUE: i32 = 1000;
/// This few pages are copied while the writer waits.
const FEW: i32 = 300;
/// After so many more pages a log is copied again that was copied whole and was not restarted.
const AGAIN: i32 = FEW / 2;
/// A log of this length is copied while the writer waits, however many pages are left.
const LONG: i32 = 8000;
/// From this many pages on, a log that cannot be restarted is logged: twice the length at which it is restarted, 125
/// MiB.
const GROWN: i32 = 2 * LONG;
/// How often that is logged.
const WARN_EVERY: Duration = Duration::from_secs(300);
/// How often the files are checked while nothing is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Copies a store's log.
pub struct Checkpoints {
    log: Arc<Log>,
    ask: SyncSender<()>,
    thread: JoinHandle<()>,
}

struct Log {
    connection: Mutex<Connection>,
    /// Pages in the log after the last commit.
    n_pages: AtomicI32,
    /// How many of them are copied.
    n_copied: AtomicI32,
    /// From how many pages on a copy is due.
    look_at: AtomicI32,
    /// The server's files; a command that runs beside it does not check them.
    files: Option<Files>,
    shared: Arc<Shared>,
    /// From how many pages on the warning is logged.
    grown: i32,
    /// When the warning was logged last.
    warned: Mutex<Option<Instant>>,
}

impl Checkpoints {
    /// Watches the commits of `writer`, and starts the thread.
    ///
    /// # Errors
    /// No second connection, no thread or no memory could be had.
    pub fn start(writer: &mut Connection, shared: &Arc<Shared>, is_owner: bool) -> Result<Self, StoreError> {
        let store = &shared.settings.path;
        let log = Arc::new(Log::new(writer, shared, is_owner)?);
        let noted = Arc::clone(&log);
        let note = move |_: &mut Wal, n_pages| {
            noted.committed(n_pages);
            Ok(())
        };
        writer.wal_hook(Some(note)).map_err(|error| open::broken(store, &error))?;
        let (ask, asked) = sync_channel(1);
        let copied = Arc::clone(&log);
        let thread = threads::start("store-log", &shared.health, move || copied.copy_when(&asked))
            .map_err(|error| open::unusable(store, &format!("cannot start the thread that copies its log: {error}")))?;
        Ok(Self { log, ask, thread })
    }

    /// Call this before each transaction. Ends the process if the log is not as the last transaction left it: writing
    /// to a log that was cut would hide the cut.
    pub fn must_have_log(&self, connection: &Connection) {
        self.log.must(connection, Files::before);
    }

    /// Call this after each commit, before anybody is answered. Ends the process if the files are not the ones that
    /// were opened.
    pub fn must_have_files(&self, connection: &Connection) {
        self.log.must(connection, Files::after);
    }

    /// Call this after each commit. Returns whether the writer waited for a copy.
    pub fn after_commit(&self) -> bool {
        let n_pages = self.log.n_pages.load(Ordering::Relaxed);
        if n_pages < self.log.look_at.load(Ordering::Relaxed) {
            return false;
        }
        let is_long = n_pages >= LONG;
        if !is_long && n_pages - self.log.n_copied.load(Ordering::Relaxed) > FEW {
            // A request that waits already is enough.
            let _ = self.ask.try_send(());
            return false;
        }
        let connection = if is_long { Some(self.log.connection.lock()) } else { self.log.connection.try_lock() };
        let Some(connection) = connection else { return false };
        // The next write restarts the log, unless somebody reads just then or holds an old state. Then the next try is not
        // at once.
        let step = if self.log.copy(&connection) { AGAIN } else { DUE };
        self.log.look_at.store(n_pages.saturating_add(step), Ordering::Relaxed);
        true
    }

    /// Ends the thread and closes its connection.
    pub fn close(self) {
        drop(self.ask);
        let _ = self.thread.join();
    }
}

impl Log {
    fn new(writer: &Connection, shared: &Arc<Shared>, is_owner: bool) -> Result<Self, StoreError> {
        let store = &shared.settings.path;
        Ok(Self {
            connection: Mutex::new(open::checkpointer(store)?),
            n_pages: AtomicI32::new(0),
            n_copied: AtomicI32::new(0),
            look_at: AtomicI32::new(DUE),
            files: if is_owner { Some(Files::of(store, writer)?) } else { None },
            shared: Arc::clone(shared),
            grown: GROWN,
            warned: Mutex::new(None),
        })
    }

    /// Notes a commit, after which the log has so many pages: fewer than before if it was restarted.
    fn committed(&self, n_pages: i32) {
        if n_pages < self.n_pages.swap(n_pages, Ordering::Relaxed) {
            self.n_copied.store(0, Ordering::Relaxed);
            self.look_at.store(DUE, Ordering::Relaxed);
        }
    }

    fn copy_when(&self, asked: &Receiver<()>) {
        loop {
            match asked.recv_timeout(LOOK_EVERY) {
                Ok(()) => drop(self.copy(&self.connection.lock())),
                Err(RecvTimeoutError::Timeout) => self.must(&self.connection.lock(), Files::look),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            threads::break_if_asked("store-log");
        }
    }

    fn must(&self, connection: &Connection, look: fn(&Files, u64) -> Result<u64, Harm>) {
        let Some(files) = &self.files else { return };
        let n_pages = u64::try_from(self.n_pages.load(Ordering::Relaxed)).unwrap_or_default();
        match look(files, n_pages) {
            Ok(n_bytes) => self.shared.health.note_log(n_bytes),
            Err(harm) => {
                if let Err(harm) = files.confirm(harm, connection) {
                    end_since_files_are_gone(&harm);
                }
            }
        }
    }

    /// Logs a warning if the log has grown and cannot be restarted.
    fn warn_if_grown(&self, n_pages: i32) -> bool {
        let mut warned = self.warned.lock();
        let is_due = n_pages >= self.grown && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if is_due {
            *warned = Some(Instant::now());
            tracing::warn!(
                n_pages,
                log_bytes = self.shared.health.log_bytes(),
                file = %self.shared.settings.path.display(),
                "the store's log grows, since something reads an old state of the database: where it goes on, end what has \
                 the file open beside reelhook (lsof or fuser name it), or its transaction; the log is then used again \
                 from its beginning"
            );
        }
        is_due
    }

    /// Copies what readers allow. Returns whether that was all.
    fn copy(&self, connection: &Connection) -> bool {
        match connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE) {
            Ok((n_pages, n_copied)) => {
                let is_whole = n_copied == n_pages;
                // Beside the copy, the writer may have restarted the log.
                let is_restarted = self.n_pages.load(Ordering::Relaxed) < n_copied;
                self.n_copied.store(if is_restarted { 0 } else { n_copied }, Ordering::Relaxed);
                if !is_whole {
                    self.warn_if_grown(n_pages);
                }
                is_whole
            }
            Err(error) => {
                end_if_disk_failed(&error);
                tracing::warn!(%error, "the store's log could not be copied into the database; trying again");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::tests::shared;

    /// Writes a row of so many bytes, each different.
    fn add(connection: &Connection, n_bytes: i32) {
        let sql = "INSERT INTO upkeep (look_at, event) VALUES (1, randomblob(?1))";
        connection.execute(sql, [n_bytes]).unwrap();
    }

    #[test]
    fn a_log_that_has_grown_is_warned_of_and_not_again_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (mut connection, shared) = shared(folder.path());
        let checkpoints = Checkpoints::start(&mut connection, &shared, true).unwrap();
        let log = &checkpoints.log;
        assert!(!log.warn_if_grown(GROWN - 1));
        assert!(log.warn_if_grown(GROWN));
        assert!(!log.warn_if_grown(GROWN + DUE));
        *log.warned.lock() = Instant::now().checked_sub(WARN_EVERY);
        assert!(log.warn_if_grown(GROWN + DUE));
        checkpoints.close();
    }

    #[test]
    fn a_copy_that_a_transaction_began_beside_is_finished_while_the_writer_waits_and_the_log_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let (mut connection, shared) = shared(folder.path());
        let checkpoints = Checkpoints::start(&mut connection, &shared, true).unwrap();
        let log = Arc::clone(&checkpoints.log);
        let n_pages = || log.n_pages.load(Ordering::Relaxed);
        while n_pages() < DUE {
            add(&connection, 80_000);
        }
        let beside = connection.transaction().unwrap();
        add(&beside, 80_000);
        assert!(log.copy(&log.connection.lock()), "as the thread does");
        beside.commit().unwrap();
        assert!(n_pages() > DUE, "the transaction began before the copy was done, so the log goes on");
        assert!(checkpoints.after_commit(), "the few pages since are copied at once");
        add(&connection, 80_000);
        assert!(n_pages() < FEW, "the log was restarted: {} pages", n_pages());
        assert!(!checkpoints.after_commit(), "no copy is due");
        checkpoints.close();
    }

    #[test]
    fn a_log_that_is_copied_whole_and_not_restarted_is_not_copied_after_each_commit() {
        let folder = tempfile::tempdir().unwrap();
        let (mut connection, shared) = shared(folder.path());
        let checkpoints = Checkpoints::start(&mut connection, &shared, true).unwrap();
        let log = Arc::clone(&checkpoints.log);
        while log.n_pages.load(Ordering::Relaxed) < DUE {
            add(&connection, 80_000);
        }
        let reader = Connection::open(&shared.settings.path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM upkeep").unwrap();
        assert!(log.copy(&log.connection.lock()), "it reads the newest state");
        assert!(checkpoints.after_commit());
        add(&connection, 1);
        assert!(log.n_pages.load(Ordering::Relaxed) > DUE, "somebody reads what is in the log");
        assert!(!checkpoints.after_commit());
        checkpoints.close();
    }

    #[test]
    fn a_foreign_reader_keeps_the_log_from_being_copied_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (mut connection, shared) = shared(folder.path());
        let checkpoints = Checkpoints::start(&mut connection, &shared, true).unwrap();
        let log = Log { grown: 100, ..Log::new(&connection, &shared, true).unwrap() };
        let foreign = Connection::open(&shared.settings.path).unwrap();
        foreign.execute_batch("BEGIN; SELECT count(*) FROM upkeep").unwrap();
        for n in 0..100 {
            connection.execute("INSERT INTO upkeep (look_at, event) VALUES (?1, zeroblob(8192))", [n]).unwrap();
            assert!(!log.copy(&log.connection.lock()), "the reader sees the state before");
            assert!(n > 0 || log.warned.lock().is_none(), "it is short");
        }
        assert!(log.warned.lock().is_some(), "it has grown");
        checkpoints.must_have_files(&connection);
        assert!(shared.health.log_bytes() > 100 * 8192);
        foreign.execute_batch("COMMIT").unwrap();
        assert!(log.copy(&log.connection.lock()));
        checkpoints.close();
    }
}
