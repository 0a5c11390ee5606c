//! The tasks that run as long as the app. If one ended too early and nobody noticed, its work would not be done:
//! deliveries would stop while the server says that it is ready. So it is reported, and the app stops; the next start
//! begins from the durable state.
//!
//! **Invariants**
//! 1. A task that panics, or that ends before the stop begins, is logged as one error with its name.
//!    A task of a part that comes and goes ([`Tasks::part`]) may end. If it panics, it is logged too.
//! 2. Other tasks are not affected: they run until the stop ends them.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The least pause between two rounds of periodic work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest(pub Duration);

/// Starts tasks and watches them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: Arc<AtomicBool>,
    broken: CancellationToken,
    what_broke: Arc<OnceLock<String>>,
}

impl Tasks {
    /// Runs a task, with its name for the log.
    pub fn run(&self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name.into(), false, task);
    }

    /// As [`Tasks::run`], for a part of the app that may be taken away while it runs.
    pub fn part(&self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name.into(), true, task);
    }

    fn start(&self, name: String, may_end: bool, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            // Its shared state is behind locks that cannot be poisoned, or in the store.
            let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
            if panicked || !(may_end || tasks.stopping.load(Ordering::SeqCst)) {
                tracing::error!(task = name, panicked, "a task failed: its work is not done any more");
                tasks.note_broken(&name);
            }
        });
    }

    /// Repeats work until `stop`: `period` after it ended, or later if it says so.
    pub fn every<F: Future<Output = Rest> + Send>(
        &self,
        (name, period): (&str, Duration),
        stop: CancellationToken,
        mut work: impl FnMut() -> F + Send + 'static,
    ) {
        self.run(name, async move {
            let mut rest = period;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(rest) => {}
                }
                rest = period.max(work().await.0);
            }
        });
    }

    /// Notes the name of something that failed and that the app needs: the app must stop.
    pub fn note_broken(&self, name: &str) {
        let _ = self.what_broke.set(name.to_owned());
        self.broken.cancel();
    }

    /// The name of what failed first, if anything did.
    pub fn what_broke(&self) -> Option<&str> {
        self.what_broke.get().map(String::as_str)
    }

    /// Resolves when a task has failed.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// From now on tasks may end without an error.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits until all tasks have ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_noticed_and_the_others_go_on() {
        let tasks = Tasks::default();
        let stop = CancellationToken::new();
        let other = stop.clone();
        tasks.run("other", async move { other.cancelled().await });
        tasks.run("broken", async { panic!("on purpose") });
        tasks.broken().await;
        assert_eq!(tasks.what_broke(), Some("broken"));
        assert!(tasks.ended().now_or_never().is_none(), "the other one goes on");
        tasks.begin_stop();
        stop.cancel();
        tasks.ended().await;
    }

    #[tokio::test]
    async fn work_that_wants_a_longer_rest_gets_it() {
        let (tasks, stop) = (Tasks::default(), CancellationToken::new());
        let count = |rest: Duration| {
            let n_done = Arc::new(tokio::sync::Semaphore::new(0));
            let counted = Arc::clone(&n_done);
            tasks.every(("work", Duration::from_millis(1)), stop.clone(), move || {
                counted.add_permits(1);
                async move { Rest(rest) }
            });
            n_done
        };
        let (often, seldom) = (count(Duration::ZERO), count(Duration::from_secs(3600)));
        drop(seldom.acquire().await);
        drop(often.acquire_many(20).await);
        assert_eq!(seldom.available_permits(), 1);
        tasks.begin_stop();
        stop.cancel();
        tasks.ended().await;
    }

    #[tokio::test]
    async fn a_task_may_end_once_the_stop_began_and_not_before() {
        let tasks = Tasks::default();
        tasks.begin_stop();
        tasks.run("in time", async {});
        tasks.ended().await;
        assert!(tasks.broken().now_or_never().is_none());
        let tasks = Tasks::default();
        tasks.run("too early", async {});
        tasks.broken().await;
    }

    #[tokio::test]
    async fn a_part_may_end_before_the_stop_and_may_not_panic() {
        let tasks = Tasks::default();
        tasks.part("taken away", async {});
        tasks.ended().await;
        assert!(tasks.broken().now_or_never().is_none());
        let tasks = Tasks::default();
        tasks.part("broken", async { panic!("on purpose") });
        tasks.broken().await;
    }
}
