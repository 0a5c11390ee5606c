//! The bounded pool for RSA operations: as many at a time as there are cores, so many waiting and no more.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds how much decryption runs and waits.
pub(super) struct Pool {
    places: Arc<Semaphore>,
    n_places: usize,
    cores: Arc<Semaphore>,
}

/// Places in the pool, given back when the last job that holds them ends.
#[derive(Clone)]
pub(super) struct Places(#[allow(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

impl Pool {
    /// A pool in which `n_places` jobs may run and wait.
    pub(super) fn new(n_places: usize) -> Self {
        let n_places = n_places.clamp(1, Semaphore::MAX_PERMITS);
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { places: Arc::new(Semaphore::new(n_places)), n_places, cores: Arc::new(Semaphore::new(n_cores)) }
    }

    /// Takes places for `n` jobs, all or none. A POST with more jobs than there are places takes all of them: it can be
    /// served, alone.
    pub(super) fn reserve(&self, n: usize) -> Option<Places> {
        let n = u32::try_from(n.min(self.n_places)).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.places).try_acquire_many_owned(n).ok()?;
        Some(Places(Arc::new(places)))
    }

    /// Runs a job on a thread for blocking work when a core is free. `None`: the runtime is stopping.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        places: Places,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let core = Arc::clone(&self.cores).acquire_owned().await.ok()?;
        // The permits go with the job: a client that hangs up stops waiting, not the job.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (core, places);
            job()
        });
        done.await.ok()
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
}
