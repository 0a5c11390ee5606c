//! What a store noticed about itself: damage, a thread that panicked, a log that grows. The console and the metrics
//! read it.
//!
//! **Invariants**
//! 1. Damage is logged once, however often it is met, and stays noted until the next start.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// What an operator should do about damage.
pub const WHAT_TO_DO: &str = "stop the server, keep a copy of its folder, and restore a backup; or save what can be read \
                              with `sqlite3 <store.path> .recover`";

/// What a store noticed about itself. Share it behind an `Arc`.
#[derive(Debug, Default)]
pub struct Health {
    damage: OnceLock<String>,
    broken: OnceLock<&'static str>,
    is_broken: CancellationToken,
    log_bytes: AtomicU64,
    n_lost_frames: AtomicU64,
}

impl Health {
    /// Notes that the database is damaged, in SQLite's words.
    pub fn note_damage(&self, found: &str) {
        if self.damage.set(found.to_owned()).is_ok() {
            tracing::error!(error = found, what_to_do = WHAT_TO_DO, "the store is damaged");
        }
    }

    /// SQLite's words for the damage, if the database is damaged.
    pub fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// Notes that a thread panicked: nobody does its work any more.
    pub fn note_broken(&self, thread: &'static str) {
        let _ = self.broken.set(thread);
        self.is_broken.cancel();
    }

    /// Resolves with the name of a thread once that thread has panicked.
    pub async fn broken(&self) -> &'static str {
        self.is_broken.cancelled().await;
        self.broken.get().copied().unwrap_or_default()
    }

    /// Notes how long the log is.
    pub fn note_log(&self, n_bytes: u64) {
        self.log_bytes.store(n_bytes, Ordering::Relaxed);
    }

    /// The length of the log as of the last look, in bytes.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Notes how many frames of the log the start could not read because a frame before them is damaged.
    pub fn note_lost_frames(&self, n: u64) {
        self.n_lost_frames.store(n, Ordering::Relaxed);
    }

    /// How many frames of the log the start could not read.
    pub fn n_lost_frames(&self) -> u64 {
        self.n_lost_frames.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_first_damage_and_the_first_broken_thread_are_what_is_told() {
        let health = Health::default();
        assert!(health.damage().is_none() && health.broken().now_or_never().is_none());
        health.note_damage("page 7");
        health.note_damage("page 8");
        health.note_broken("store-writer");
        health.note_broken("store-log");
        assert_eq!((health.damage(), health.broken().await), (Some("page 7"), "store-writer"));
    }
}
