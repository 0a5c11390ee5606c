//! The lock that keeps out a second server.
//!
//! **Invariants**
//! 1. On Linux, `flock` holds the database's own file. So neither another name of the file (a link) nor a missing lock
//!    file lets another server in. `flock` and SQLite's own locks do not interfere on Linux (`fcntl(2)`, "Record
//!    locks"). On other systems they do; there only the lock file beside the database is held.
//! 2. Closing a file ends all of SQLite's locks on it in this process. So a [`Lock`] is dropped after the last
//!    connection, and the lock file is taken first: a second store of the same process is refused before it opens the
//!    database.
//! 3. If the database is missing but its log is there, no new database is made.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::open::{beside, make_file, real, unusable};
use crate::store::StoreError;

/// The held lock. It ends with this value, or with the process.
#[derive(Debug)]
pub struct Lock {
    beside: File,
    database: Option<File>,
}

impl Drop for Lock {
    /// A child process that is just being started still has the files: closing them here would not end the lock.
    fn drop(&mut self) {
        for file in self.database.iter().chain([&self.beside]) {
            let _ = file.unlock();
        }
    }
}

/// Takes the lock file beside the store.
///
/// # Errors
/// [`StoreError::Locked`]; the lock file cannot be made; or the database is missing but its log is there.
pub fn take(store: &Path) -> Result<Lock, StoreError> {
    let path = beside(&real(store), ".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| unusable(&path, &format!("the lock cannot be made: {error}")))?;
    let held = held(file, &path)?;
    must_not_be_lost(store)?;
    Ok(Lock { beside: held, database: None })
}

/// Whether a server has the store open now.
pub fn is_taken(store: &Path) -> bool {
    let file = File::open(beside(&real(store), ".lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

impl Lock {
    /// Locks the database's file as well; makes it if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or the file cannot be opened.
    pub fn with_database(mut self, store: &Path) -> Result<Self, StoreError> {
        make_file(store)?;
        if !cfg!(target_os = "linux") {
            return Ok(self);
        }
        let file = OpenOptions::new().read(true).write(true).open(store);
        let file = file.map_err(|error| unusable(store, &format!("the database cannot be opened: {error}")))?;
        self.database = Some(held(file, store)?);
        Ok(self)
    }
}

fn held(file: File, path: &Path) -> Result<File, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(unusable(path, &format!("the lock cannot be taken: {error}"))),
    }
}

/// Beside a new or empty database SQLite would remove the log, and with it the acknowledged notifications.
fn must_not_be_lost(store: &Path) -> Result<(), StoreError> {
    let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
    let log = beside(&real(store), "-wal");
    let n_bytes = length(&log);
    if n_bytes == 0 || length(store) > 0 {
        return Ok(());
    }
    Err(unusable(
        store,
        &format!(
            "found no database, but its log {} ({n_bytes} bytes), which holds notifications that were acknowledged: put \
             the database back (from where it was moved to, or from a backup of the same moment); or move the log away \
             too, to begin a new store without them",
            log.display()
        ),
    ))
}
