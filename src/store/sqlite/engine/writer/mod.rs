//! The writer: one thread that puts all waiting jobs into one transaction (group commit), so that many requests share
//! one sync.
//!
//! **Invariants**
//! 1. A job's owner learns of success only after the commit that contains the job returned.
//! 2. A job that fails does not harm its neighbours: the group is rolled back and run again, each job in its own
//!    savepoint.
//! 3. The queue is bounded in jobs and bytes. Strangers get half of it, so they crowd out nobody else. Beyond the bound
//!    the intake is refused; outcomes wait for a place, because a lost outcome means a second delivery.

mod crowd;
mod thread;

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::crowd::Crowd;
use self::thread::Thread;
use super::answers::Answers;
use super::checkpoint::Checkpoints;
use super::failure::Failure;
pub use super::job::Job;
use super::lock::Lock;
use super::shared::Shared;
use super::threads::{self, Awaited};
use super::tx::Tx;
use crate::store::StoreError;

/// The most jobs that wait.
const MAX_WAITING: usize = 4096;
/// The most bytes of jobs that wait. A job stays in the queue after its request gave up, so the requests' own limit
/// does not bound them.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// Strangers may fill one part in this many.
const STRANGERS_PART: usize = 2;

/// Who sent the data that a job writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// An unknown sender.
    Stranger,
    /// A sender that proved something.
    Known,
}

/// The channel to the writer's thread.
pub struct Writer {
    queue: mpsc::Sender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    crowd: Arc<Crowd>,
    #[cfg(test)]
    health: Arc<crate::store::Health>,
    /// It comes after the queue, whose end ends the thread.
    _thread: Awaited,
}

enum Message {
    /// A job and its bytes.
    Job(Box<dyn Job>, usize),
    /// Finish what waits, close, and say so.
    Close(oneshot::Sender<()>),
}

type Queue = mpsc::Receiver<Message>;

impl Writer {
    /// Starts the thread. It holds `lock` until the connection is closed.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(mut connection: Connection, shared: Arc<Shared>, lock: Option<Lock>) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let checkpoints = Checkpoints::start(&mut connection, &shared, lock.is_some())?;
        let health = Arc::clone(&shared.health);
        let unstarted = |error| StoreError::Unusable(format!("the store's writer cannot be started: {error}"));
        let answers = Answers::start(Arc::clone(&shared)).map_err(unstarted)?;
        let crowd = Arc::new(Crowd::default());
        let (bytes, gathered) = (Arc::clone(&waiting_bytes), Arc::clone(&crowd));
        let thread = Thread { connection, shared, waiting_bytes: bytes, crowd: gathered, checkpoints, answers };
        // If the thread panics, nothing is dropped: the lock is held until the process has ended.
        let lock = ManuallyDrop::new(lock);
        let work = move || {
            let closer = thread.serve(waiting, lock.is_some());
            drop(ManuallyDrop::into_inner(lock));
            if let Some(closer) = closer {
                let _ = closer.send(());
            }
        };
        let thread = threads::start("store-writer", &health, work).map_err(unstarted)?;
        Ok(Self {
            queue,
            waiting_bytes,
            crowd,
            #[cfg(test)]
            health,
            _thread: thread.into(),
        })
    }

    /// No writer: every job is refused as closed.
    pub fn absent() -> Self {
        let (queue, _gone) = mpsc::channel(1);
        Self {
            queue,
            waiting_bytes: Arc::default(),
            crowd: Arc::default(),
            #[cfg(test)]
            health: Arc::default(),
            _thread: Awaited::default(),
        }
    }

    /// Puts a job into the queue, unless the queue is full (for a stranger: half full).
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Closed`]: the job is not done.
    pub fn offer(&self, job: Box<dyn Job>, n_bytes: usize, sender: Sender) -> Result<(), StoreError> {
        let part = if sender == Sender::Stranger { STRANGERS_PART } else { 1 };
        if self.n_waiting() >= MAX_WAITING / part {
            return Err(StoreError::Busy);
        }
        if self.waiting_bytes.fetch_add(n_bytes, Ordering::Relaxed) > MAX_WAITING_BYTES / part {
            self.waiting_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        self.queue.try_send(Message::Job(job, n_bytes)).map_err(|error| {
            self.waiting_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            }
        })?;
        self.crowd.joined(self.n_waiting());
        Ok(())
    }

    fn n_waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Runs `work` in a transaction; waits for a place in the queue. `work` may run more than once.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn ask<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&Tx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Ask { work, answer: None, reply });
        self.queue.send(Message::Job(job, 0)).await.map_err(|_closed| StoreError::Closed)?;
        self.crowd.joined(self.n_waiting());
        answer.await.map_err(|_gone| StoreError::Closed)?
    }

    /// Has `round` done in a transaction again and again, until one changes nothing more. Returns how many changes there
    /// were. No transaction is long, so others come in between.
    ///
    /// # Errors
    /// The rounds before the one that failed are done.
    pub async fn in_rounds(
        &self,
        round: impl Fn(&Tx<'_>) -> Result<usize, Failure> + Clone + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut n_done = 0;
        loop {
            match self.ask(round.clone()).await? {
                0 => return Ok(n_done),
                n => n_done += n as u64,
            }
        }
    }

    /// Finishes the waiting jobs, copies the log into the database, closes it and releases the lock.
    pub async fn close(&self) {
        let (closer, closed) = oneshot::channel();
        if self.queue.send(Message::Close(closer)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// Work whose result goes to a waiting task.
struct Ask<T, W> {
    work: W,
    answer: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: FnMut(&Tx<'_>) -> Result<T, Failure> + Send> Job for Ask<T, W> {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.answer = None;
        self.answer = Some((self.work)(tx)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { answer, reply, .. } = *self;
        // The task may have stopped waiting.
        let _ = reply.send(outcome.and_then(|()| answer.ok_or(StoreError::Closed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::domain::SinkName;
    use crate::store::sqlite::engine::backlogs::Change;
    use crate::store::sqlite::tests::shared;

    /// A writer on its own store.
    fn writer() -> (Writer, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (connection, shared) = shared(folder.path());
        (Writer::start(connection, shared, None).unwrap(), folder)
    }

    fn add(tx: &Tx<'_>, at: i64) -> Result<(), Failure> {
        tx.execute("INSERT INTO upkeep (look_at, event) VALUES (?1, zeroblob(2000))", [at]).map(drop)
    }

    async fn count(writer: &Writer) -> i64 {
        let count = |tx: &Tx<'_>| tx.first("SELECT count(*) FROM upkeep", [], |row| row.get(0));
        writer.ask(count).await.unwrap().unwrap()
    }

    /// Keeps the writer busy until the returned sender is used or dropped.
    fn hold(writer: &Writer) -> std::sync::mpsc::Sender<()> {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (reply, _) = oneshot::channel();
        let work = move |_: &Tx<'_>| {
            let _ = held.recv();
            Ok(())
        };
        writer.offer(Box::new(Ask { work, answer: None, reply }), 0, Sender::Known).unwrap();
        release
    }

    #[tokio::test]
    async fn a_job_that_fails_leaves_nothing_and_costs_its_neighbours_nothing() {
        let (writer, _folder) = writer();
        let release = hold(&writer);
        let good = |at| writer.ask(move |tx| add(tx, at));
        let refused = writer.ask(|tx| {
            add(tx, 2)?;
            Err::<(), _>(StoreError::Unusable("poison".into()).into())
        });
        let broken = writer.ask(|tx| {
            add(tx, 3)?;
            tx.execute("INSERT INTO upkeep (look_at, event) VALUES (NULL, NULL)", []).map(drop)
        });
        let let_go = async { drop(release) };
        let (first, refused, broken, last, ()) = tokio::join!(good(1), refused, broken, good(4), let_go);
        assert!(first.is_ok() && last.is_ok());
        assert!(matches!(refused, Err(StoreError::Unusable(text)) if text == "poison"));
        assert!(matches!(broken, Err(StoreError::Database(text)) if text.contains("NOT NULL")));
        assert_eq!(count(&writer).await, 2);
    }

    #[tokio::test]
    async fn what_a_failed_job_said_of_a_backlog_does_not_count() {
        let (writer, _folder) = writer();
        let sink = || SinkName::new("crm");
        let release = hold(&writer);
        let good = |n| {
            writer.ask(move |tx| {
                tx.backlog(&sink(), Change::ADDED.times(n));
                Ok(())
            })
        };
        let refused = writer.ask(move |tx| {
            tx.backlog(&sink(), Change::ADDED.times(100));
            Err::<(), _>(StoreError::Unusable("poison".into()).into())
        });
        let let_go = async { drop(release) };
        let (first, refused, last, ()) = tokio::join!(good(1), refused, good(10), let_go);
        assert!(first.is_ok() && refused.is_err() && last.is_ok());
        let kept = |tx: &Tx<'_>| tx.first("SELECT n_open FROM backlogs WHERE sink = 'crm'", [], |row| row.get(0));
        assert_eq!(writer.ask(kept).await.unwrap(), Some(11));
    }

    #[tokio::test]
    async fn on_a_full_disk_only_what_does_not_fit_fails_and_room_mends_it() {
        let (writer, _folder) = writer();
        let limit = |room: i64| {
            writer.ask(move |tx| {
                let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
                let n_pages = tx.connection().pragma_query_value(None, "page_count", number)? + room;
                Ok(tx.connection().pragma_update_and_check(None, "max_page_count", n_pages, number)?)
            })
        };
        limit(3).await.unwrap();
        let much = || writer.ask(|tx| (0..50).try_for_each(|at| add(tx, at)));
        let release = hold(&writer);
        let let_go = async { drop(release) };
        let (full, little, ()) = tokio::join!(much(), writer.ask(|tx| add(tx, 99)), let_go);
        assert!(matches!(full, Err(StoreError::Full)));
        little.unwrap();
        assert_eq!(count(&writer).await, 1);
        limit(1 << 20).await.unwrap();
        much().await.unwrap();
        assert_eq!(count(&writer).await, 51);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_intake_and_lets_outcomes_wait() {
        let (writer, _folder) = writer();
        let release = hold(&writer);
        let offer_by = |n_bytes, sender| {
            let (reply, _) = oneshot::channel();
            writer.offer(Box::new(Ask { work: |_: &Tx<'_>| Ok(()), answer: None, reply }), n_bytes, sender)
        };
        let offer = |n_bytes| offer_by(n_bytes, Sender::Known);
        let by_strangers = (0..2 * MAX_WAITING).take_while(|_| offer_by(0, Sender::Stranger).is_ok()).count();
        // The job that holds the writer may still be in the queue; or the writer took a group out of it before it was
        // held.
        let half = MAX_WAITING / 2 - 1..=MAX_WAITING / 2 + 512;
        assert!(half.contains(&by_strangers), "{by_strangers}: half is theirs");
        offer(MAX_WAITING_BYTES / 2 + 1).unwrap();
        assert!(matches!(offer_by(1, Sender::Stranger), Err(StoreError::Busy)), "half of the bytes too");
        offer(MAX_WAITING_BYTES / 2 + 1).unwrap();
        assert!(matches!(offer(1), Err(StoreError::Busy)), "too many bytes");
        let n_taken = (0..2 * MAX_WAITING).take_while(|_| offer(0).is_ok()).count();
        assert!(n_taken < 2 * MAX_WAITING, "too many jobs");
        let outcome = writer.ask(|tx| add(tx, 1));
        let let_go = async { drop(release) };
        let (outcome, ()) = tokio::join!(outcome, let_go);
        outcome.unwrap();
        offer(1).unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_is_told_of_and_nothing_is_taken_any_more() {
        let (writer, _folder) = writer();
        let broken = writer.ask(|_| -> Result<(), Failure> { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(StoreError::Closed)), "{broken:?}");
        assert_eq!(writer.health.broken().await, "store-writer");
        assert!(matches!(writer.ask(|tx| add(tx, 1)).await, Err(StoreError::Closed)));
        writer.close().await;
    }

    #[tokio::test]
    async fn what_waits_is_finished_before_the_writer_closes() {
        let (writer, folder) = writer();
        let release = hold(&writer);
        let let_go = async { drop(release) };
        let (first, (), (), late) =
            tokio::join!(writer.ask(|tx| add(tx, 1)), writer.close(), let_go, writer.ask(|tx| add(tx, 2)));
        first.unwrap();
        assert!(late.is_ok() || matches!(late, Err(StoreError::Closed)));
        assert!(matches!(writer.ask(|tx| add(tx, 3)).await, Err(StoreError::Closed)));
        let connection = Connection::open(folder.path().join("reelhook.db")).unwrap();
        let n: i64 = connection.query_row("SELECT count(*) FROM upkeep", [], |row| row.get(0)).unwrap();
        assert_eq!(n, 1 + i64::from(late.is_ok()));
    }
}
