//! The writer's thread: collects jobs into groups, and commits each group.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, wal::CheckpointMode};
use tokio::sync::oneshot;

use super::crowd::Crowd;
use super::{Job, Message, Queue};
use crate::store::StoreError;
use crate::store::sqlite::engine::answers::Answers;
use crate::store::sqlite::engine::check;
use crate::store::sqlite::engine::checkpoint::Checkpoints;
use crate::store::sqlite::engine::failure::{Failure, end_if_disk_failed, is_shared, store_error};
use crate::store::sqlite::engine::lookups;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::engine::threads::break_if_asked;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::unanswered;

/// The most jobs of one transaction: bounds how long the first of them waits.
const MAX_GROUP: usize = 512;
/// The most bytes of one transaction, give or take one job.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// A transaction waits until as many jobs wait as the last one contained, but no longer than this after that one began.
/// So a lone sender never waits for others, senders that were written together come back together, and a steady stream
/// is written in groups that grow until they are this far apart: a sync costs as much for one job as for many.
const MOST_APART: Duration = Duration::from_millis(5);
/// This many jobs are worth a sync, whatever the last transaction contained.
const ENOUGH: usize = 64;

/// The thread's state.
pub(super) struct Thread {
    pub connection: Connection,
    pub shared: Arc<Shared>,
    /// The bytes of the jobs that wait.
    pub waiting_bytes: Arc<AtomicUsize>,
    pub crowd: Arc<Crowd>,
    pub checkpoints: Checkpoints,
    pub answers: Answers,
}

/// Why a group was not committed as a whole.
enum Broken {
    /// One of its jobs failed.
    ByAJob,
    /// The transaction failed, whatever was in it.
    AsAWhole(rusqlite::Error),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::AsAWhole(error)
    }
}

impl Thread {
    /// Works until the store is closed or dropped; returns the channel on which to report the end, once the lock is
    /// released.
    pub fn serve(self, mut queue: Queue, is_owner: bool) -> Option<oneshot::Sender<()>> {
        let mut closer = None;
        let (mut began, mut n_expected) = (Instant::now(), 0usize);
        while let Some(first) = queue.blocking_recv() {
            // The first is one of them.
            self.crowd.gather(n_expected.saturating_sub(1), began + MOST_APART, || queue.len());
            began = Instant::now();
            let mut group = Vec::new();
            let (mut n_bytes, mut next) = (0, Some(first));
            while let Some(message) = next {
                match message {
                    Message::Job(job, job_bytes) => {
                        n_bytes += job_bytes;
                        group.push(job);
                    }
                    Message::Close(reply) => {
                        queue.close();
                        closer = Some(reply);
                    }
                }
                let takes_more = group.len() < MAX_GROUP && n_bytes < MAX_GROUP_BYTES;
                next = if takes_more { queue.try_recv().ok() } else { None };
            }
            self.waiting_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
            n_expected = group.len().min(ENOUGH);
            break_if_asked("store-writer");
            self.checkpoints.must_have_log(&self.connection);
            self.commit(group);
            self.copy_log_if_due();
        }
        self.close(is_owner);
        closer
    }

    fn commit(&self, mut group: Vec<Box<dyn Job>>) {
        let failures = match self.together(&mut group) {
            Ok(()) => Ok(Vec::new()),
            Err(Broken::ByAJob) => self.apart(&mut group),
            Err(Broken::AsAWhole(error)) => Err(error),
        };
        match failures {
            Ok(failures) => {
                self.checkpoints.must_have_files(&self.connection);
                failures.iter().flatten().for_each(|failure| self.note_damage(failure));
                let outcomes = failures.into_iter().map(|failure| failure.map_or(Ok(()), Err));
                self.answers.tell(group.into_iter().zip(outcomes.chain(std::iter::repeat_with(|| Ok(())))).collect());
            }
            Err(error) => {
                self.roll_back();
                // Files that were taken away are told as such, not as what SQLite makes of them.
                self.checkpoints.must_have_files(&self.connection);
                let error = || store_error(&error);
                self.note_damage(&error());
                // On a full disk outcomes still fit where a request's batch does not.
                if group.len() > 1 && matches!(error(), StoreError::Full) {
                    group.into_iter().for_each(|job| self.commit(vec![job]));
                } else {
                    self.answers.tell(group.into_iter().map(|job| (job, Err(error()))).collect());
                }
            }
        }
    }

    /// Runs all jobs in one transaction, the usual way.
    fn together(&self, group: &mut [Box<dyn Job>]) -> Result<(), Broken> {
        let tx = self.begin()?;
        for job in group {
            match self.run(job, &tx)? {
                Ok(()) => {}
                Err(_failed) => {
                    self.roll_back();
                    return Err(Broken::ByAJob);
                }
            }
        }
        self.end(tx)?;
        Ok(())
    }

    /// Runs each job in its own savepoint. Returns the failure of each job that failed.
    fn apart(&self, group: &mut [Box<dyn Job>]) -> Result<Vec<Option<StoreError>>, rusqlite::Error> {
        let tx = self.begin()?;
        let mut failures = Vec::with_capacity(group.len());
        for job in group {
            self.step("SAVEPOINT job")?;
            let before = tx.backlogs.borrow().clone();
            let failure = self.run(job, &tx)?.err();
            if failure.is_some() {
                self.step("ROLLBACK TO job")?;
                tx.backlogs.replace(before);
            }
            self.step("RELEASE job")?;
            failures.push(failure.map(StoreError::from));
        }
        self.end(tx)?;
        Ok(failures)
    }

    /// Runs a job. The outer error is one that fails every job of this transaction.
    fn run(&self, job: &mut Box<dyn Job>, tx: &Tx<'_>) -> Result<Result<(), Failure>, rusqlite::Error> {
        match job.run(tx) {
            Err(Failure::Sqlite(error)) => {
                end_if_disk_failed(&error);
                // After some failures SQLite rolls everything back by itself.
                let is_over = self.connection.is_autocommit();
                if is_over || is_shared(&error) { Err(error) } else { Ok(Err(error.into())) }
            }
            done => Ok(done),
        }
    }

    fn begin(&self) -> Result<Tx<'_>, rusqlite::Error> {
        self.step("BEGIN IMMEDIATE")?;
        let tx = Tx::new(&self.connection, &self.shared);
        // Before any job, because jobs look at the marks when they identify repeats. Outcomes must fit on a full disk,
        // so a failure here stops nothing.
        match unanswered::write_down(&tx) {
            Ok(()) => Ok(tx),
            Err(noted_again) => {
                if let Failure::Sqlite(error) = &noted_again {
                    end_if_disk_failed(error);
                }
                drop(tx);
                self.roll_back();
                self.step("BEGIN IMMEDIATE")?;
                Ok(Tx::new(&self.connection, &self.shared))
            }
        }
    }

    fn end(&self, tx: Tx<'_>) -> Result<(), rusqlite::Error> {
        let backlogs = tx.backlogs.take().write(&self.connection).map_err(Failure::from);
        if let Err(Failure::Sqlite(error)) = backlogs.and_then(|()| lookups::settle_some(&tx)) {
            end_if_disk_failed(&error);
            return Err(error);
        }
        self.step("COMMIT")?;
        tx.committed();
        Ok(())
    }

    fn note_damage(&self, error: &StoreError) {
        if let StoreError::Damaged(found) = error {
            self.shared.health.note_damage(found);
        }
    }

    fn roll_back(&self) {
        // SQLite has already rolled back after some failures.
        if !self.connection.is_autocommit()
            && let Err(error) = self.step("ROLLBACK")
        {
            tracing::error!(%error, "the store could not roll back");
        }
    }

    fn step(&self, sql: &str) -> Result<(), rusqlite::Error> {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.map(drop).inspect_err(end_if_disk_failed)
    }

    fn copy_log_if_due(&self) {
        if self.checkpoints.after_commit()
            && let Err(error) = self.shared.note_reusable(&self.connection)
        {
            tracing::warn!(%error, "the store's free pages could not be counted");
        }
    }

    /// Answers everybody, copies the whole log if it is this process's, and closes.
    fn close(self, is_owner: bool) {
        let Self { connection, checkpoints, answers, shared, .. } = self;
        answers.close();
        checkpoints.close();
        let is_damaged = shared.health.damage().is_some();
        if is_owner && let Err(error) = check::note_damage(&connection, is_damaged) {
            tracing::warn!(%error, is_damaged, "the store's damage could not be stored");
        }
        if is_owner && let Err(error) = end_run(&connection, &shared) {
            tracing::warn!(%error, "the clean stop could not be stored: the next start treats it as a crash");
        }
        // Beside a server, only the server copies the log.
        if is_owner && let Err(error) = connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::TRUNCATE)
        {
            end_if_disk_failed(&error);
            tracing::warn!(%error, "the store's log could not be copied into the database; the next start does it");
        }
    }
}

/// Notes a clean stop in the database.
fn end_run(connection: &Connection, shared: &Shared) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| {
        end_if_disk_failed(&error);
        store_error(&error)
    };
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let tx = Tx::new(connection, shared);
    unanswered::end_run(&tx).map_err(StoreError::from)?;
    transaction.commit().map_err(failed)?;
    tx.committed();
    Ok(())
}
