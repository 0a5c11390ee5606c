//! The bounded pool for RSA operations: as many run at a time as there are cores, and a limited number waits.
//!
//! **Invariants**
//! 1. A thread that has finished a job takes the next one itself, so no thread has to be woken under load.
//! 2. A job that panics fails only its own item.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Limits how many decryptions run and wait. A clone is the same pool.
#[derive(Clone)]
pub(super) struct Pool {
    places: Arc<Semaphore>,
    n_places: usize,
    queue: Arc<Queue>,
}

/// Places in the pool. They become free when the last job that holds them ends.
#[derive(Clone)]
pub(super) struct Places(#[allow(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

type Job = Box<dyn FnOnce() + Send>;

struct Queue {
    waiting: Mutex<Waiting>,
    n_threads: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// How many threads work.
    n_busy: usize,
}

impl Pool {
    /// A pool in which `n_places` jobs may run or wait.
    pub(super) fn new(n_places: usize) -> Self {
        let n_places = n_places.clamp(1, Semaphore::MAX_PERMITS);
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
        let queue = Arc::new(Queue { waiting: Mutex::default(), n_threads });
        Self { places: Arc::new(Semaphore::new(n_places)), n_places, queue }
    }

    /// This pool if it has that many places, otherwise a new one. Jobs in this pool end in it.
    pub(super) fn with_places(&self, n_places: usize) -> Self {
        if n_places == self.n_places { self.clone() } else { Self::new(n_places) }
    }

    /// Takes places for `n` jobs, all or none. A POST with more jobs than there are places takes all places, so that it
    /// can be served alone.
    pub(super) fn reserve(&self, n: usize) -> Option<Places> {
        let n = u32::try_from(n.min(self.n_places)).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.places).try_acquire_many_owned(n).ok()?;
        Some(Places(Arc::new(places)))
    }

    /// Runs a job on a blocking thread when a core is free. `None`: the job panicked, or the runtime is stopping.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        places: Places,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, done) = oneshot::channel();
        // The job holds the places: if the client hangs up, the job still runs to its end.
        let job = move || {
            let done = catch_unwind(AssertUnwindSafe(job));
            // Before the answer is sent, so that a caller with an answer finds the places free.
            drop(places);
            match done {
                // The caller may have stopped waiting.
                Ok(done) => drop(reply.send(done)),
                Err(_panic) => {
                    tracing::error!(
                        "a job of the pool panicked, which is a fault in reelhook; only its own item or POST failed"
                    )
                }
            }
        };
        if self.queue.add(Box::new(job)) {
            let queue = Arc::clone(&self.queue);
            tokio::task::spawn_blocking(move || queue.work_off());
        }
        done.await.ok()
    }
}

impl Queue {
    /// Adds a job. Returns whether another thread must be started for it.
    fn add(&self, job: Job) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.jobs.push_back(job);
        let has_core = waiting.n_busy < self.n_threads;
        waiting.n_busy += usize::from(has_core);
        has_core
    }

    fn work_off(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        let job = waiting.jobs.pop_front();
        if job.is_none() {
            waiting.n_busy -= 1;
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_all_or_none_and_given_back() {
        let pool = Pool::new(3);
        let two = pool.reserve(2).unwrap();
        assert!(pool.reserve(2).is_none());
        let shared = two.clone();
        drop(two);
        assert!(pool.reserve(3).is_none());
        drop(shared);
        assert!(pool.reserve(1000).is_some());
    }

    #[tokio::test]
    async fn a_job_runs_and_gives_its_places_back() {
        let pool = Pool::new(1);
        let places = pool.reserve(1).unwrap();
        assert_eq!(pool.run(places, || 7).await, Some(7));
        assert!(pool.reserve(1).is_some());
    }

    #[tokio::test]
    async fn a_job_that_panics_costs_no_other() {
        let pool = Pool::new(100);
        let places = pool.reserve(100).unwrap();
        let jobs = (0..100).map(|n| pool.run(places.clone(), move || if n % 3 == 0 { panic!("{n}") } else { n }));
        let done = futures_util::future::join_all(jobs).await;
        let expected: Vec<_> = (0..100).map(|n| (n % 3 != 0).then_some(n)).collect();
        assert_eq!(done, expected);
        drop(places);
        assert!(pool.reserve(100).is_some());
    }
}
