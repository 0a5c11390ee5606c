//! Checks that the store's files are still the ones that it opened. SQLite goes on writing to a file that was removed,
//! renamed or replaced; those commits would be gone at the next start.
//!
//! **Invariants**
//! 1. A file is the same if its path leads to the same device and inode, and if it is not shorter than what was written
//!    to it.
//! 2. A file that seems too short is not enough: another process may have cut the log by SQLite's own rules. SQLite is
//!    then asked how long the log must be.
//! 3. A log that was cut while a transaction wrote to it has its old length again, with zeros in it. So the last frame
//!    before the transaction is compared with itself after the commit (`tail`).

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, wal::CheckpointMode};

use super::layout::log_bytes;
use super::open;
use super::tail::Tail;
use crate::store::StoreError;

/// SQLite itself may cut the log to this length at any time; see [`open::LOG_LIMIT_BYTES`].
const SURE_BYTES: u64 = open::LOG_LIMIT_BYTES;

/// The files of an open store.
#[derive(Debug)]
pub struct Files {
    database: File,
    log: File,
    /// The index of the log, and the path in the config, which may be a link.
    others: Vec<File>,
    page_bytes: u64,
    /// The database's length when it was last looked at.
    database_bytes: AtomicU64,
    tail: Tail,
}

/// A path and the file that was there.
#[derive(Debug)]
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// The damage to a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Harm {
    /// There is no file at the path.
    #[error("{0} was removed or renamed")]
    Gone(String),
    /// There is another file at the path.
    #[error("{0} was replaced by another file")]
    Other(String),
    /// It is shorter than what was written.
    #[error("{path} was cut: found {found} bytes, expected {expected} at least")]
    Cut {
        /// The file.
        path: String,
        /// Its length.
        found: u64,
        /// The length that it must have.
        expected: u64,
    },
    /// What was written to it is there no more, although it is long enough.
    #[error("{path} was cut and grew again: the frame at byte {at} is not the one that was written")]
    Hole {
        /// The file.
        path: String,
        /// Where the frame is.
        at: u64,
    },
}

impl Files {
    /// The files of the store at `path`, which `connection` has open and has written to.
    ///
    /// # Errors
    /// The metadata of one of them cannot be read.
    pub fn of(path: &Path, connection: &Connection) -> Result<Self, StoreError> {
        let page_bytes = number(connection, "page_size").map_err(|error| open::broken(path, &error))?;
        let real = open::real(path);
        let database = File::at(real.clone())?;
        let others = vec![File::at(open::beside(&real, "-shm"))?, File::at(path.to_owned())?];
        let log = File::at(open::beside(&real, "-wal"))?;
        let database_bytes = AtomicU64::new(database.look().ok().flatten().unwrap_or_default());
        let tail = Tail::of(&log.path, page_bytes)?;
        Ok(Self { database, log, others, page_bytes, database_bytes, tail })
    }

    /// Checks the log before a transaction, when it has `n_pages`. Returns its length.
    ///
    /// # Errors
    /// The damage.
    pub fn before(&self, n_pages: u64) -> Result<u64, Harm> {
        let n_bytes = self.look_at_log(n_pages)?;
        self.tail.note(n_pages);
        Ok(n_bytes)
    }

    /// Checks all of them after the transaction, when the log has `n_pages`. Returns the log's length.
    ///
    /// # Errors
    /// The damage.
    pub fn after(&self, n_pages: u64) -> Result<u64, Harm> {
        let n_bytes = self.look(n_pages)?;
        self.tail.lost_at().map_or(Ok(n_bytes), |at| Err(Harm::Hole { path: self.log.name(), at }))
    }

    /// Checks all of them, after a commit that left `n_pages` in the log. Returns the log's length.
    ///
    /// # Errors
    /// The damage.
    pub fn look(&self, n_pages: u64) -> Result<u64, Harm> {
        self.others.iter().try_for_each(|file| file.look().map(drop))?;
        if let Some(found) = self.database.look()? {
            let expected = self.database_bytes.fetch_max(found, Ordering::Relaxed);
            if found < expected {
                return Err(self.database.cut(found, expected));
            }
        }
        self.look_at_log(n_pages)
    }

    fn look_at_log(&self, n_pages: u64) -> Result<u64, Harm> {
        let expected = log_bytes(n_pages, self.page_bytes).min(SURE_BYTES);
        match self.log.look()? {
            Some(found) if found < expected => Err(self.log.cut(found, expected)),
            found => Ok(found.unwrap_or_default()),
        }
    }

    /// Asks SQLite whether a file that seems too short really is.
    ///
    /// # Errors
    /// It is too short, or there is other damage.
    pub fn confirm(&self, harm: Harm, connection: &Connection) -> Result<(), Harm> {
        let Harm::Cut { path, found, .. } = harm else { return Err(harm) };
        let is_log = path == self.log.name();
        let expected = if is_log { self.log_expected(connection) } else { self.database_expected(connection) };
        match expected {
            Some(expected) if found < expected => Err(Harm::Cut { path, found, expected }),
            _ => {
                self.database_bytes.store(0, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn database_expected(&self, connection: &Connection) -> Option<u64> {
        Some(number(connection, "page_count").ok()?.saturating_mul(self.page_bytes))
    }

    fn log_expected(&self, connection: &Connection) -> Option<u64> {
        match connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE) {
            Ok((n_pages, _copied)) => Some(log_bytes(u64::try_from(n_pages).unwrap_or_default(), self.page_bytes)),
            // Another process copies the log and will meet the missing part itself.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => None,
            Err(_unreadable) => Some(u64::MAX),
        }
    }
}

impl File {
    fn at(path: PathBuf) -> Result<Self, StoreError> {
        let found = std::fs::metadata(&path).map_err(|error| {
            open::unusable(&path, &format!("the metadata of a file of the store cannot be read: {error}"))
        })?;
        Ok(Self { device: found.dev(), inode: found.ino(), path })
    }

    /// Its length, if that can be read.
    fn look(&self) -> Result<Option<u64>, Harm> {
        match std::fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(Some(found.len())),
            Ok(_other) => Err(Harm::Other(self.name())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(Harm::Gone(self.name()))
            }
            // The folder may be unreadable now, which says nothing about the files.
            Err(_unknown) => Ok(None),
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn cut(&self, found: u64, expected: u64) -> Harm {
        Harm::Cut { path: self.name(), found, expected }
    }
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with a log, its files, and the folder that they are in.
    fn opened() -> (Connection, Files, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reelhook.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode=wal; CREATE TABLE t (x); INSERT INTO t (x) VALUES (1);").unwrap();
        let files = Files::of(&path, &connection).unwrap();
        (connection, files, folder)
    }

    #[test]
    fn files_that_nobody_touched_are_the_same() {
        let (connection, files, folder) = opened();
        let n_bytes = files.look(1).unwrap();
        assert_eq!(n_bytes, folder.path().join("reelhook.db-wal").metadata().unwrap().len());
        connection.execute_batch("INSERT INTO t (x) VALUES (2)").unwrap();
        assert!(files.look(4).is_ok());
    }

    #[test]
    fn a_log_that_was_cut_by_sqlites_own_rules_is_no_harm_and_another_is() {
        let (connection, files, folder) = opened();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let seems_cut = files.look(2).unwrap_err();
        assert!(matches!(seems_cut, Harm::Cut { found: 0, .. }), "{seems_cut:?}");
        assert_eq!(files.confirm(seems_cut, &connection), Ok(()));

        connection.execute_batch("INSERT INTO t (x) VALUES (3)").unwrap();
        let log = folder.path().join("reelhook.db-wal");
        std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap();
        let cut = files.look(1).unwrap_err();
        assert!(files.confirm(cut, &connection).is_err());
    }

    #[test]
    fn a_log_that_was_cut_while_a_transaction_wrote_to_it_is_harmed_however_little_was_cut() {
        for n_cut in [1, 1000, u64::MAX] {
            let (connection, files, folder) = opened();
            let log = folder.path().join("reelhook.db-wal");
            let n_bytes = log.metadata().unwrap().len();
            let n_pages = (1..).find(|n| log_bytes(*n, files.page_bytes) >= n_bytes).unwrap();
            files.before(n_pages).unwrap();
            let cut = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
            cut.set_len(n_bytes.saturating_sub(n_cut)).unwrap();
            connection.execute_batch("INSERT INTO t (x) VALUES (2)").unwrap();
            assert!(files.look(n_pages + 1).is_ok(), "it is long enough");
            let hole = files.after(n_pages + 1).unwrap_err();
            assert!(matches!(hole, Harm::Hole { .. }), "{n_cut}: {hole:?}");
            assert!(files.confirm(hole, &connection).is_err());
        }
    }

    #[test]
    fn a_log_that_sqlite_began_anew_within_the_transaction_is_no_harm() {
        let (connection, files, _folder) = opened();
        connection.execute_batch("INSERT INTO t (x) VALUES (zeroblob(20000))").unwrap();
        files.before(2).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint; INSERT INTO t (x) VALUES (zeroblob(30000))").unwrap();
        assert!(files.after(2).is_ok());
        files.before(2).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        connection.execute_batch("INSERT INTO t (x) VALUES (zeroblob(30000))").unwrap();
        assert!(files.after(2).is_ok());
    }

    #[test]
    fn a_database_that_shrank_by_sqlites_own_rules_is_no_harm() {
        let (connection, files, _folder) = opened();
        connection.execute_batch("INSERT INTO t (x) VALUES (zeroblob(1000000)); PRAGMA wal_checkpoint").unwrap();
        assert!(files.look(0).is_ok());
        connection.execute_batch("DELETE FROM t; VACUUM; PRAGMA wal_checkpoint").unwrap();
        let seems_cut = files.look(0).unwrap_err();
        assert_eq!(files.confirm(seems_cut, &connection), Ok(()));
        assert!(files.look(0).is_ok());
    }
}
