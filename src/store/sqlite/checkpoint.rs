//! Copying the log into the database, mostly on a thread of its own while the writer goes on writing.
//!
//! **Invariants**
//! 1. The log is bounded. SQLite begins it anew only when all of it was copied before a write, which never happens beside
//!    a busy writer: so the last stretch is copied while the writer waits, and all of it once the log is [`LONG`].
//! 2. A failed sync ends the process, as it does for the writer (`failure`): SQLite's own automatic checkpoint would hide it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, wal::CheckpointMode};

use super::failure::end_if_disk_failed;
use super::open;
use crate::store::StoreError;

/// The pages of the log from which on it is copied.
const DUE: i32 = 2000;
/// So few pages are copied while the writer waits.
const FEW: i32 = 300;
/// A log so long is copied while the writer waits, whatever is left.
const LONG: i32 = 8000;

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
    /// How many of them are copied; 0 once all were.
    n_copied: AtomicI32,
    /// From how many pages on it is looked at.
    look_at: AtomicI32,
}

impl Checkpoints {
    /// Watches the commits of `writer`, and starts the thread.
    ///
    /// # Errors
    /// No second connection, no thread, or no memory for the watch could be had.
    pub fn start(writer: &mut Connection, store: &Path) -> Result<Self, StoreError> {
        let log = Arc::new(Log {
            connection: Mutex::new(open::checkpointer(store)?),
            n_pages: AtomicI32::new(0),
            n_copied: AtomicI32::new(0),
            look_at: AtomicI32::new(DUE),
        });
        let noted = Arc::clone(&log);
        let note = move |_: &mut Wal, n_pages| {
            noted.n_pages.store(n_pages, Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(note)).map_err(|error| open::broken(store, &error))?;
        let (ask, asked) = sync_channel(1);
        let copied = Arc::clone(&log);
        let thread = std::thread::Builder::new()
            .name("store-log".into())
            .spawn(move || copied.copy_when(&asked))
            .map_err(|error| open::unusable(store, &format!("its log cannot be copied by a thread: {error}")))?;
        Ok(Self { log, ask, thread })
    }

    /// To be called after each commit. Whether the writer waited for a copy.
    pub fn after_commit(&self) -> bool {
        let n_pages = self.log.n_pages.load(Ordering::Relaxed);
        if n_pages < self.log.look_at.load(Ordering::Relaxed) {
            return false;
        }
        let is_long = n_pages >= LONG;
        if !is_long && n_pages - self.log.n_copied.load(Ordering::Relaxed) > FEW {
            // One that is asked for already is enough.
            let _ = self.ask.try_send(());
            return false;
        }
        let connection = if is_long { Some(self.log.connection.lock()) } else { self.log.connection.try_lock() };
        let Some(connection) = connection else { return false };
        let is_whole = self.log.copy(&connection);
        // While a reader holds an old state the log cannot begin anew: not again at once.
        self.log.look_at.store(if is_whole { DUE } else { n_pages.saturating_add(DUE) }, Ordering::Relaxed);
        true
    }

    /// Ends the thread and closes its connection.
    pub fn close(self) {
        drop(self.ask);
        let _ = self.thread.join();
    }
}

impl Log {
    fn copy_when(&self, asked: &Receiver<()>) {
        for () in asked {
            self.copy(&self.connection.lock());
        }
    }

    /// Copies what readers allow. Whether that was all.
    fn copy(&self, connection: &Connection) -> bool {
        match connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE) {
            Ok((n_pages, n_copied)) => {
                let is_whole = n_copied == n_pages;
                self.n_copied.store(if is_whole { 0 } else { n_copied }, Ordering::Relaxed);
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
