//! Connections that only read: they never wait for the writer, and run where they may block.
//!
//! **Invariants**
//! 1. Who asks seldom and much does not keep waiting who asks often and little: each kind has places of its own.
//! 2. A read of a bounded kind ends in time, and when the store is closed: SQLite itself gives it up.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::store_error;
use super::open;
use crate::store::StoreError;

/// How many reads of a kind run at a time: there are few cores, and the intake needs them too.
const MAX_READERS: usize = 2;
/// How many of SQLite's instructions run between two looks at the time: some milliseconds.
const INSTRUCTIONS: i32 = 100_000;

/// Reads of one kind beside the writer.
#[derive(Clone)]
pub struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    at_most: Option<Duration>,
    closing: Arc<AtomicBool>,
}

impl Readers {
    /// Readers of the database at `path`; connections are opened when they are needed.
    pub fn new(path: PathBuf) -> Self {
        let places = Arc::new(Semaphore::new(MAX_READERS));
        Self { path, places, idle: Arc::default(), at_most: None, closing: Arc::default() }
    }

    /// Each read takes so long at most.
    pub fn bounded(self, at_most: Duration) -> Self {
        Self { at_most: Some(at_most), ..self }
    }

    /// Runs `work` on one state of the database.
    ///
    /// # Errors
    /// The store is closed or could not be read, or the read took too long.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| StoreError::Closed)?;
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            let idle = readers.idle.lock().pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => open::reader(&readers.path)?,
            };
            readers.limit(&mut connection).map_err(|error| store_error(&error))?;
            let snapshot = connection.unchecked_transaction().map_err(|error| store_error(&error))?;
            let result = work(&connection);
            drop(snapshot);
            readers.idle.lock().push(connection);
            match result {
                Err(StoreError::Slow) if readers.closing.load(Ordering::Relaxed) => Err(StoreError::Closed),
                result => result,
            }
        });
        read.await.map_err(|error| StoreError::Database(format!("a read did not end: {error}")))?
    }

    /// Has the connection's next read given up in time.
    fn limit(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let Some(at_most) = self.at_most else { return Ok(()) };
        let (began, closing) = (Instant::now(), Arc::clone(&self.closing));
        let is_over = move || began.elapsed() > at_most || closing.load(Ordering::Relaxed);
        connection.progress_handler(INSTRUCTIONS, Some(is_over))
    }

    /// Closes every connection; later reads are refused.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        // Once all places are taken, no read is under way.
        let all = self.places.acquire_many(u32::try_from(MAX_READERS).unwrap_or(u32::MAX)).await;
        self.places.close();
        drop(all);
        self.idle.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(connection: &Connection, to: i64) -> Result<i64, StoreError> {
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?1) SELECT count(*) FROM n";
        connection.query_row(sql, [to], |row| row.get(0)).map_err(|error| store_error(&error))
    }

    /// Readers of an empty database; the folder lives as long as they.
    fn readers(at_most: Duration) -> (Readers, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reelhook.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        (Readers::new(path).bounded(at_most), folder)
    }

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_given_up_and_the_next_one_is_served() {
        let (readers, _folder) = readers(Duration::from_millis(20));
        for _ in 0..2 * MAX_READERS {
            let endless = readers.read(|connection| count(connection, i64::MAX)).await;
            assert!(matches!(endless, Err(StoreError::Slow)), "{endless:?}");
            assert_eq!(readers.read(|connection| count(connection, 9)).await.unwrap(), 9);
        }
    }

    #[tokio::test]
    async fn closing_does_not_wait_for_a_long_read() {
        let (readers, _folder) = readers(Duration::MAX);
        let (begin, began) = tokio::sync::oneshot::channel();
        let endless = readers.read(move |connection| {
            let _ = begin.send(());
            count(connection, i64::MAX)
        });
        let close = async {
            began.await.unwrap();
            readers.close().await;
        };
        let (endless, ()) = tokio::join!(endless, close);
        assert!(matches!(endless, Err(StoreError::Closed)), "{endless:?}");
        assert!(matches!(readers.read(|connection| count(connection, 9)).await, Err(StoreError::Closed)));
    }
}
