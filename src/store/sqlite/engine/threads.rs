//! The store's threads. Nobody does the work of a thread that panicked, so the panic is noted and the app ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::store::health::Health;

/// Starts a thread. If it panics, `health` is told.
///
/// # Errors
/// No thread could be started.
pub fn start(
    name: &'static str,
    health: &Arc<Health>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let health = Arc::clone(health);
    std::thread::Builder::new().name(name.into()).spawn(move || {
        // The panic drops its values: those who wait for it see that the store is closing.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            health.note_broken(name);
        }
    })
}

/// A thread that is waited for when this value is dropped. Whoever drops the last handle of a store may then remove its
/// files: no thread looks for them any more.
#[derive(Default)]
pub struct Awaited(Option<JoinHandle<()>>);

impl From<JoinHandle<()>> for Awaited {
    fn from(thread: JoinHandle<()>) -> Self {
        Self(Some(thread))
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        // A job may own the last handle of its store. Then the thread itself drops this, and cannot wait for itself.
        if let Some(thread) = self.0.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// Panics if the file that `REELHOOK_FAULT` names contains the name of this thread. A test, and `scripts/faults`, can
/// so break one thread of a running server. Only debug builds have this.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "the fault that tests inject")]
pub fn break_if_asked(name: &str) {
    static FAULT: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let Some(file) = FAULT.get_or_init(|| std::env::var_os("REELHOOK_FAULT")) else { return };
    if std::fs::read_to_string(file).is_ok_and(|asked| asked.trim() == name) {
        panic!("{name} breaks, as it was asked to");
    }
}

/// Release builds break no thread.
#[cfg(not(debug_assertions))]
pub fn break_if_asked(_name: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_is_told_of_and_one_that_ends_is_not() {
        let health = Arc::new(Health::default());
        start("ends", &health, || {}).unwrap().join().unwrap();
        start("breaks", &health, || panic!("on purpose")).unwrap().join().unwrap();
        assert_eq!(health.broken().await, "breaks");
    }
}
