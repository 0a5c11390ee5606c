//! The meaning of SQLite's failures, and which of them end the process.
//!
//! **Invariants**
//! 1. After a failed write or sync nothing is answered and nothing is tried again: the kernel may have dropped the pages
//!    it could not write, so a second sync would lie (<https://www.usenix.org/conference/atc20/presentation/rebello>).
//!    The process ends; the next start reads from the log what is really there.
//! 2. The same holds if the files are gone (`files`).

use std::fmt::Display;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use crate::store::StoreError;
use crate::store::health::WHAT_TO_DO;

/// The exit code of a process whose store's disk failed: `EX_IOERR` of sysexits.h.
const EXIT_DISK_FAILED: i32 = 74;

/// Why a job of the writer was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The store refused.
    #[error(transparent)]
    Refused(#[from] StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => store_error(&error),
            Failure::Refused(error) => error,
        }
    }
}

/// The store's error for a failure of SQLite.
pub fn store_error(error: &rusqlite::Error) -> StoreError {
    match (error.sqlite_error_code(), extended_code(error)) {
        (Some(ErrorCode::DiskFull), _) | (_, Some(ffi::SQLITE_IOERR_SHMSIZE)) => StoreError::Full,
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => StoreError::Busy,
        (Some(ErrorCode::OperationInterrupted), _) => StoreError::Slow,
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => StoreError::Damaged(error.to_string()),
        _ => StoreError::Database(error.to_string()),
    }
}

/// Whether the failure concerns the whole transaction, not the job that met it.
pub fn is_shared(error: &rusqlite::Error) -> bool {
    matches!(store_error(error), StoreError::Full | StoreError::Busy)
}

/// Ends the process where the disk failed under the writer.
pub fn end_if_disk_failed(error: &rusqlite::Error) {
    let failed = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    // A full disk can also appear as a shared-memory file that cannot grow. That failure loses nothing.
    if failed && extended_code(error) != Some(ffi::SQLITE_IOERR_SHMSIZE) {
        let code = extended_code(error);
        tracing::error!(%error, code, "the store's disk failed: ending, so that nothing is acknowledged and then lost");
        end();
    }
}

/// Ends the process because the store's files are not the ones that it opened: a commit now would be gone after a
/// restart.
pub fn end_since_files_are_gone(harm: &dyn Display) -> ! {
    tracing::error!(
        error = %harm,
        what_to_do = "put the files back where they were, then start again; keep what is there now until it serves",
        "the store's files are not the ones that it opened: ending, so that nothing is acknowledged and then lost"
    );
    end();
}

/// Ends the process at once. [`std::process::exit`] runs what libraries left for the end while their other threads still
/// work: now and then it ended with SIGABRT instead of this code.
fn end() -> ! {
    signal_hook::low_level::exit(EXIT_DISK_FAILED)
}

/// The error for a store that cannot be opened because SQLite failed.
pub fn broken(store: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => unusable(
            store,
            &format!(
                "found no readable database ({error}): it is damaged, or no store of reelhook's; {WHAT_TO_DO}; or move \
                 it away to begin a new one"
            ),
        ),
        _ => unusable(store, &format!("the database cannot be opened: {error}; what it holds was not changed")),
    }
}

/// The error for a store that cannot be used, with the reason.
pub fn unusable(path: &Path, why: &str) -> StoreError {
    StoreError::Unusable(format!("{}: {why}", path.display()))
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|it| it.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        assert!(matches!(store_error(&failed(ffi::SQLITE_FULL)), StoreError::Full));
        assert!(matches!(store_error(&failed(ffi::SQLITE_IOERR_SHMSIZE)), StoreError::Full));
        assert!(matches!(store_error(&failed(ffi::SQLITE_BUSY)), StoreError::Busy));
        assert!(matches!(store_error(&failed(ffi::SQLITE_INTERRUPT)), StoreError::Slow));
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CORRUPT_INDEX, ffi::SQLITE_NOTADB] {
            assert!(matches!(store_error(&failed(code)), StoreError::Damaged(_)), "{code}");
        }
        assert!(matches!(store_error(&failed(ffi::SQLITE_CONSTRAINT)), StoreError::Database(_)));
    }

    #[test]
    fn only_a_failing_disk_ends_the_process() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_CONSTRAINT, ffi::SQLITE_BUSY] {
            end_if_disk_failed(&failed(code));
        }
    }
}
