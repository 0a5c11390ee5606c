//! The check of the database after an unclean stop, or after a run that met damage: `PRAGMA quick_check` finds damage
//! before a request needs the damaged data.
//!
//! **Invariants**
//! 1. A database up to [`SMALL_BYTES`] is checked before the server starts to serve, a larger one while it serves.
//! 2. The check is bounded in time, and so is each of its statements: the log cannot be restarted while one reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::{open, threads};
use crate::store::StoreError;
use crate::store::health::Health;

/// The start waits for the check of a database up to this size: a few seconds of disk reads.
const SMALL_BYTES: u64 = 1 << 30;
/// The longest that the start waits for it.
const AT_MOST_BEFORE: Duration = Duration::from_secs(10);
/// How long the check of one table may take while the server runs.
const AT_MOST_A_TABLE: Duration = Duration::from_secs(60);
/// How many of SQLite's instructions run between two checks of the time. Each of them may read many pages here.
const INSTRUCTIONS: i32 = 100;

/// A check that may run while the server runs.
#[derive(Debug)]
pub struct Check {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Whether the last run met damage.
pub fn was_damaged(connection: &Connection) -> bool {
    connection.query_row("SELECT was_damaged FROM last_stop", [], |row| row.get(0)).unwrap_or(true)
}

/// Stores, at the end of a run, whether it met damage: then the next start checks the database.
///
/// # Errors
/// It could not be written.
pub fn note_damage(connection: &Connection, was_damaged: bool) -> rusqlite::Result<()> {
    connection.execute("UPDATE last_stop SET was_damaged = ?1", [was_damaged]).map(drop)
}

impl Check {
    /// Checks the database at `path`: a small one now, a large one on its own thread, which is returned.
    ///
    /// # Errors
    /// No connection or no thread could be made.
    pub fn start(path: PathBuf, health: &Arc<Health>) -> Result<Option<Self>, StoreError> {
        let mut connection = open::reader(&path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let n_bytes = path.metadata().map_or(0, |found| found.len());
        if n_bytes <= SMALL_BYTES {
            let began = Instant::now();
            let is_over = move || began.elapsed() > AT_MOST_BEFORE;
            tell(&checked(&mut connection, "PRAGMA quick_check(1)", is_over), health);
            return Ok(None);
        }
        tracing::info!(n_bytes, "the last stop was not clean: the database is checked while the server runs");
        let (told, stopped) = (Arc::clone(health), Arc::clone(&stop));
        let thread = threads::start("store-check", health, move || check_tables(&mut connection, &told, &stopped));
        let thread = thread
            .map_err(|error| open::unusable(&path, &format!("cannot start the thread that checks it: {error}")))?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends it.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

/// The result of a check.
#[derive(Debug, PartialEq, Eq)]
enum Checked {
    Sound,
    Damaged(String),
    /// Why it was stopped.
    Unknown(String),
}

/// Checks each table in its own transaction.
fn check_tables(connection: &mut Connection, health: &Health, stop: &Arc<AtomicBool>) {
    let names = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0")
        .and_then(|mut tables| tables.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>());
    for name in names.unwrap_or_default() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (began, stopped) = (Instant::now(), Arc::clone(stop));
        let is_over = move || began.elapsed() > AT_MOST_A_TABLE || stopped.load(Ordering::Relaxed);
        tell(&checked(connection, &format!("PRAGMA quick_check('{name}')"), is_over), health);
    }
    tracing::info!("the check of the database ended");
}

fn checked(connection: &mut Connection, sql: &str, is_over: impl FnMut() -> bool + Send + 'static) -> Checked {
    let found = connection
        .progress_handler(INSTRUCTIONS, Some(is_over))
        .and_then(|()| connection.query_row(sql, [], |row| row.get::<_, String>(0)));
    match found {
        Ok(text) if text == "ok" => Checked::Sound,
        Ok(text) => Checked::Damaged(text),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Checked::Damaged(error.to_string()),
            Some(ErrorCode::OperationInterrupted) => Checked::Unknown("it took too long".into()),
            _ => Checked::Unknown(error.to_string()),
        },
    }
}

fn tell(checked: &Checked, health: &Health) {
    match checked {
        Checked::Sound => {}
        Checked::Damaged(found) => health.note_damage(found),
        Checked::Unknown(why) => tracing::warn!(error = why, "a check of the database was stopped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_database_is_sound_and_a_check_that_takes_too_long_is_given_up() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        for sql in ["PRAGMA quick_check(1)", "PRAGMA quick_check('t')"] {
            assert_eq!(checked(&mut connection, sql, || false), Checked::Sound, "{sql}");
        }
        let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
        assert_eq!(checked(&mut connection, many, || true), Checked::Unknown("it took too long".into()));
    }

    #[test]
    fn every_table_of_a_store_can_be_checked_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reelhook.db");
        let seal = crate::store::seal::Seal::new(None, &path).unwrap();
        let mut connection = open::writer(&path, &seal).unwrap();
        assert!(!was_damaged(&connection), "a new store");
        note_damage(&connection, true).unwrap();
        assert!(was_damaged(&connection));
        let health = Health::default();
        check_tables(&mut connection, &health, &Arc::default());
        assert!(health.damage().is_none());
    }
}
