//! The writer: one task that puts what waits into one transaction.
//!
//! **Invariants**
//! 1. While a transaction is under way, others wait for the next one: so a sync serves all that came meanwhile, and one
//!    that is alone waits for nobody.
//! 2. A transaction that met another one is tried again. Where a group failed, each of its jobs is tried alone, so that one
//!    that cannot be written does not keep the others out.
//! 3. What waits is bounded. Strangers may fill half of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connections::Client;
use super::failure::Failure;
use super::shared::Shared;
use super::tx::Tx;
use crate::store::StoreError;

/// The most jobs of one transaction.
const MOST: usize = 256;
/// The most bytes that wait.
const MOST_BYTES: usize = 64 << 20;
/// How often a transaction is tried that meets others.
const TRIES: u32 = 5;
/// How long a transaction may take. After that its outcome is not known.
const PATIENCE: Duration = Duration::from_millis(2_800);
/// Housekeeping, a migration of operators' wishes: what nobody waits for on the network.
const MUCH_PATIENCE: Duration = Duration::from_secs(30);

/// A job of which many are done in one transaction.
#[async_trait]
pub trait Grouped: Send + Sized + 'static {
    /// Does all of them.
    async fn run(jobs: &mut [Self], tx: &mut Tx<'_>) -> Result<(), Failure>;

    /// Its rough size in memory.
    fn n_bytes(&self) -> usize;

    /// Tells how it ended.
    fn finish(self, outcome: Result<(), StoreError>);
}

/// What is done in a transaction of its own. It may be done more than once, until one is committed.
#[async_trait]
pub trait Work: Send {
    /// What it returns.
    type Done: Send;

    /// Does it.
    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Done, Failure>;
}

/// The task that writes.
pub struct Writer<J> {
    jobs: mpsc::UnboundedSender<Message<J>>,
    n_bytes: Arc<AtomicUsize>,
    is_closed: Arc<AtomicBool>,
}

impl<J> Clone for Writer<J> {
    fn clone(&self) -> Self {
        let Self { jobs, n_bytes, is_closed } = self;
        Self { jobs: jobs.clone(), n_bytes: Arc::clone(n_bytes), is_closed: Arc::clone(is_closed) }
    }
}

enum Message<J> {
    Grouped(J),
    Alone(Box<dyn Alone>),
    End(oneshot::Sender<()>),
}

/// A [`Work`] with whoever waits for it.
#[async_trait]
trait Alone: Send {
    async fn run(self: Box<Self>, shared: &Shared);
}

/// The jobs of a group as one [`Work`].
struct Group<'a, J>(&'a mut [J]);

#[async_trait]
impl<J: Grouped> Work for Group<'_, J> {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        J::run(self.0, tx).await
    }
}

struct Asked<W: Work> {
    work: W,
    reply: oneshot::Sender<Result<W::Done, StoreError>>,
}

#[async_trait]
impl<W: Work> Alone for Asked<W> {
    async fn run(mut self: Box<Self>, shared: &Shared) {
        let done = until_committed(shared, &mut self.work, MUCH_PATIENCE).await;
        // Whoever asked may have given up.
        let _ = self.reply.send(done.map_err(StoreError::from));
    }
}

impl<J: Grouped> Writer<J> {
    /// Starts the task. It ends with the set.
    pub fn start(tasks: &mut JoinSet<()>, shared: &Arc<Shared>) -> Self {
        let (jobs, received) = mpsc::unbounded_channel();
        let n_bytes = Arc::new(AtomicUsize::new(0));
        tasks.spawn(write(Arc::clone(shared), received, Arc::clone(&n_bytes)));
        Self { jobs, n_bytes, is_closed: Arc::default() }
    }

    /// Gives it a job of which many are done at once; `share` of the room may be full.
    ///
    /// # Errors
    /// Too much waits, or the store is closed.
    pub fn offer(&self, job: J, share: usize) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        let n_bytes = job.n_bytes();
        if self.n_bytes.fetch_add(n_bytes, Ordering::SeqCst) > MOST_BYTES / share {
            self.n_bytes.fetch_sub(n_bytes, Ordering::SeqCst);
            return Err(StoreError::Busy);
        }
        self.jobs.send(Message::Grouped(job)).map_err(|_ended| StoreError::Closed)
    }

    /// Has something done in a transaction of its own.
    ///
    /// # Errors
    /// Nothing was changed, unless the outcome of the commit is not known.
    pub async fn ask<W>(&self, work: W) -> Result<W::Done, StoreError>
    where
        W: Work + 'static,
        W::Done: 'static,
    {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        let (reply, done) = oneshot::channel();
        let asked = Message::Alone(Box::new(Asked { work, reply }));
        self.jobs.send(asked).map_err(|_ended| StoreError::Closed)?;
        done.await.map_err(|_ended| StoreError::Closed)?
    }

    /// Has something done again and again until it finds nothing more. Returns how many it found.
    ///
    /// # Errors
    /// As [`Self::ask`]; some rounds may be done.
    pub async fn in_rounds<W: Work<Done = u64> + 'static>(&self, work: impl Fn() -> W) -> Result<u64, StoreError> {
        let mut n = 0;
        loop {
            match self.ask(work()).await? {
                0 => return Ok(n),
                some => n += some,
            }
        }
    }

    /// Whether it takes no more work.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Takes no more work, and waits for the end of what was given to it. Returns whether it was open.
    pub async fn close(&self) -> bool {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return false;
        }
        let (reply, ended) = oneshot::channel();
        if self.jobs.send(Message::End(reply)).is_ok() {
            let _ = ended.await;
        }
        true
    }
}

async fn write<J: Grouped>(
    shared: Arc<Shared>,
    mut received: mpsc::UnboundedReceiver<Message<J>>,
    n_waiting: Arc<AtomicUsize>,
) {
    let _alarm = Alarm(&shared);
    while let Some(first) = received.recv().await {
        let (mut group, mut alone, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Grouped(job) => group.push(job),
                Message::Alone(asked) => alone.push(asked),
                Message::End(reply) => ends.push(reply),
            }
            next = if group.len() < MOST { received.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            n_waiting.fetch_sub(group.iter().map(Grouped::n_bytes).sum(), Ordering::SeqCst);
            together(&shared, group).await;
        }
        for asked in alone {
            asked.run(&shared).await;
        }
        for reply in ends {
            let _ = reply.send(());
        }
    }
}

/// Tells when the task panics: nobody writes any more.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.health.note_broken("store writer");
        }
    }
}

/// Does a group in one transaction; where that fails by one of them, each alone.
async fn together<J: Grouped>(shared: &Shared, mut group: Vec<J>) {
    match until_committed(shared, &mut Group(&mut group), PATIENCE).await {
        Ok(()) => group.into_iter().for_each(|job| job.finish(Ok(()))),
        Err(failure) if failure.is_shared() || group.len() == 1 => {
            let error = StoreError::from(failure);
            tracing::warn!(%error, "nothing of a transaction is known to be written");
            group.into_iter().for_each(|job| job.finish(Err(copy(&error))));
        }
        Err(failure) => {
            tracing::warn!(error = %StoreError::from(failure), "what was to be written together is written one by one");
            for job in group {
                let mut one = [job];
                let done = until_committed(shared, &mut Group(&mut one), PATIENCE).await;
                let [job] = one;
                job.finish(done.map_err(StoreError::from));
            }
        }
    }
}

/// Does something in a transaction, and tries again while that meets another one.
async fn until_committed<W: Work>(shared: &Shared, work: &mut W, patience: Duration) -> Result<W::Done, Failure> {
    for _ in 1..TRIES {
        match within(shared, work, patience).await {
            Err(failure) if failure.is_a_conflict() => {
                tracing::debug!(error = %failure, "a transaction met another one");
            }
            other => return other,
        }
    }
    within(shared, work, patience).await
}

/// Does something in a transaction. A connection whose state is not known afterwards is not used again.
async fn within<W: Work>(shared: &Shared, work: &mut W, patience: Duration) -> Result<W::Done, Failure> {
    let client = shared.connections.get().await?;
    match timeout(patience, attempt(shared, &client, work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(failure)) => {
            if failure.is_shared() {
                drop(Client::take(client));
            }
            Err(failure)
        }
        Err(_elapsed) => {
            drop(Client::take(client));
            Err(StoreError::Database(format!("PostgreSQL did not answer within {} ms", patience.as_millis())).into())
        }
    }
}

async fn attempt<W: Work>(shared: &Shared, client: &Client, work: &mut W) -> Result<W::Done, Failure> {
    let begun = Tx::begin(client, shared).await;
    let mut tx = match begun {
        Ok(tx) => tx,
        Err(failure) => {
            // It may have begun without the lock.
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(failure);
        }
    };
    match work.run(&mut tx).await {
        Ok(done) => tx.commit().await.map(|()| done),
        Err(failure) => {
            tx.undo().await;
            Err(failure)
        }
    }
}

/// The same error for another job.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Busy => StoreError::Busy,
        StoreError::Slow => StoreError::Slow,
        StoreError::Closed => StoreError::Closed,
        StoreError::Unusable(text) => StoreError::Unusable(text.clone()),
        other => StoreError::Database(other.to_string()),
    }
}
