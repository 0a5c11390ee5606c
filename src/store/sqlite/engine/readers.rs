//! Connections that only read. They never wait for the writer, and run on threads that may block.
//!
//! **Invariants**
//! 1. Rare, large reads do not delay frequent, small ones: each kind has its own connections.
//! 2. A bounded read ends in time, counted from the request, and when the store closes: SQLite itself interrupts it.
//! 3. The number of waiting reads is bounded, and a read is interrupted when nobody waits for it any more: a client
//!    that hangs up and asks again delays nobody else.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::store_error;
use super::open;
use crate::store::{Health, StoreError};

/// How many reads of a kind run at a time. There are few cores, and the intake needs them too.
const MAX_READERS: usize = 2;
/// How many of SQLite's instructions run between two checks of the time: some milliseconds.
const INSTRUCTIONS: i32 = 100_000;

/// Shows whether somebody still waits for a read; gone when dropped.
#[derive(Default)]
struct Caller {
    is_gone: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }
}

/// Bounds for the reads of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest that one may take, from the request.
    pub at_most: Duration,
    /// How many may wait for a connection; further ones are refused.
    pub max_waiting: usize,
}

/// Reads of one kind, beside the writer.
#[derive(Clone)]
pub struct Readers {
    path: PathBuf,
    health: Arc<Health>,
    places: Arc<Semaphore>,
    /// Room for those that wait for a connection.
    waiting: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    bounds: Option<Bounds>,
    closing: Arc<AtomicBool>,
}

impl Readers {
    /// Readers of the database at `path`; connections are opened when needed.
    pub fn new(path: PathBuf, health: Arc<Health>) -> Self {
        let places = Arc::new(Semaphore::new(MAX_READERS));
        let waiting = Arc::new(Semaphore::new(0));
        Self { path, health, places, waiting, idle: Arc::default(), bounds: None, closing: Arc::default() }
    }

    /// Sets the bounds of each read.
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds: Some(bounds), waiting: Arc::new(Semaphore::new(bounds.max_waiting)), ..self }
    }

    /// Runs `work` on one state of the database. If the caller drops the future, a bounded read is interrupted.
    ///
    /// # Errors
    /// The store is closed, busy or unreadable, or the read took too long.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let asked_at = Instant::now();
        let place = self.place().await?;
        let (readers, caller) = (self.clone(), Caller::default());
        let is_over = Arc::clone(&caller.is_gone);
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            if is_over.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            let idle = readers.idle.lock().pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => open::reader(&readers.path)?,
            };
            readers.limit(&mut connection, (asked_at, is_over)).map_err(|error| store_error(&error))?;
            let snapshot = connection.unchecked_transaction().map_err(|error| store_error(&error))?;
            let result = work(&connection);
            drop(snapshot);
            readers.idle.lock().push(connection);
            match result {
                Err(StoreError::Damaged(found)) => {
                    readers.health.note_damage(&found);
                    Err(StoreError::Damaged(found))
                }
                Err(StoreError::Slow) if readers.closing.load(Ordering::Relaxed) => Err(StoreError::Closed),
                result => result,
            }
        });
        let read = read.await;
        drop(caller);
        // A read that panics fails only for its caller: its connection is closed, its permit given back.
        read.map_err(|error| {
            tracing::error!(%error, "a read of the store panicked, which is a fault in reelhook");
            StoreError::Database(format!("a read did not end: {error}"))
        })?
    }

    /// A permit to read. A bounded read waits for it no longer than it may read.
    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned();
        let Some(bounds) = self.bounds else { return place.await.map_err(|_closed| StoreError::Closed) };
        let _waiting = self.waiting.try_acquire().map_err(|_full| StoreError::Busy)?;
        match tokio::time::timeout(bounds.at_most, place).await {
            Ok(place) => place.map_err(|_closed| StoreError::Closed),
            Err(_elapsed) => Err(StoreError::Busy),
        }
    }

    /// Interrupts the connection's next read in time.
    fn limit(
        &self,
        connection: &mut Connection,
        (asked_at, is_over): (Instant, Arc<AtomicBool>),
    ) -> rusqlite::Result<()> {
        let Some(Bounds { at_most, .. }) = self.bounds else { return Ok(()) };
        let closing = Arc::clone(&self.closing);
        let is_over =
            move || asked_at.elapsed() > at_most || closing.load(Ordering::Relaxed) || is_over.load(Ordering::Relaxed);
        connection.progress_handler(INSTRUCTIONS, Some(is_over))
    }

    /// Closes every connection; later reads are refused.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        // Once all permits are taken, no read is running.
        let all = self.places.acquire_many(u32::try_from(MAX_READERS).unwrap_or(u32::MAX)).await;
        self.places.close();
        drop(all);
        self.idle.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;

    fn count(connection: &Connection, to: i64) -> Result<i64, StoreError> {
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?1) SELECT count(*) FROM n";
        connection.query_row(sql, [to], |row| row.get(0)).map_err(|error| store_error(&error))
    }

    const MAX_WAITING: usize = 64;

    /// Readers of an empty database; the folder lives as long as they do.
    fn readers(at_most: Duration) -> (Readers, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reelhook.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        (Readers::new(path, Arc::default()).bounded(Bounds { at_most, max_waiting: MAX_WAITING }), folder)
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

    /// Takes every permit for good: the reads end only when they are dropped.
    async fn taken(readers: &Readers) -> Vec<Pin<Box<dyn Future<Output = Result<i64, StoreError>>>>> {
        let mut reads: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
        for _ in 0..MAX_READERS {
            let (begin, began) = tokio::sync::oneshot::channel();
            let readers = readers.clone();
            let mut read = Box::pin(async move {
                let endless = readers.read(move |connection| {
                    let _ = begin.send(());
                    count(connection, i64::MAX)
                });
                endless.await
            });
            tokio::select! {
                ended = &mut read => panic!("{ended:?}"),
                begun = began => begun.unwrap(),
            }
            reads.push(read);
        }
        reads
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_any_more_frees_its_place() {
        let (readers, _folder) = readers(Duration::MAX);
        for _ in 0..10 {
            drop(taken(&readers).await);
        }
        assert_eq!(readers.read(|connection| count(connection, 9)).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn no_more_reads_wait_for_a_place_than_there_is_room_for() {
        let (readers, _folder) = readers(Duration::MAX);
        let taken = taken(&readers).await;
        let reads = (0..=MAX_WAITING).map(|_| readers.read(|connection| count(connection, 9)));
        let (refused, _at, waiting) = futures_util::future::select_all(reads.map(Box::pin)).await;
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        drop(taken);
        let served = futures_util::future::join_all(waiting).await;
        assert!(served.into_iter().all(|read| read.unwrap() == 9));
    }

    #[tokio::test]
    async fn the_time_of_a_read_counts_from_the_asking() {
        let at_most = Duration::from_secs(1);
        let (readers, _folder) = readers(at_most);
        let began = Instant::now();
        let endless = || readers.read(|connection| count(connection, i64::MAX));
        let ended = futures_util::future::join_all((0..3 * MAX_READERS).map(|_| endless())).await;
        assert!(ended.iter().all(|it| matches!(it, Err(StoreError::Slow | StoreError::Busy))), "{ended:?}");
        assert!(began.elapsed() < at_most * 2, "one after the other: {:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_read_that_panics_costs_whoever_asked_alone() {
        let (readers, _folder) = readers(Duration::MAX);
        for _ in 0..2 * MAX_READERS {
            let broken = readers.read(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
            assert!(matches!(broken, Err(StoreError::Database(_))), "{broken:?}");
        }
        assert_eq!(readers.read(|connection| count(connection, 9)).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn damage_that_a_read_meets_is_noted() {
        let (readers, _folder) = readers(Duration::MAX);
        let code = rusqlite::ffi::SQLITE_CORRUPT;
        let damaged = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let read = readers.read(move |_| Err::<(), _>(store_error(&damaged))).await;
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
        assert!(readers.health.damage().is_some());
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
