//! Here the writer waits until enough jobs wait, and the senders of jobs wake it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

/// The writer does not wait.
const NONE_WANTED: usize = usize::MAX;

/// The jobs that wait, counted for the writer.
#[derive(Debug)]
pub(super) struct Crowd {
    n_wanted: AtomicUsize,
    writer: OnceLock<Thread>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { n_wanted: AtomicUsize::new(NONE_WANTED), writer: OnceLock::new() }
    }
}

impl Crowd {
    /// A job arrived; `n_waiting` jobs wait now. Wakes the writer if that is enough.
    pub fn joined(&self, n_waiting: usize) {
        if n_waiting >= self.n_wanted.load(Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Waits until `n_wanted` jobs wait, but not longer than until `latest`. Only one thread may call it.
    pub fn gather(&self, n_wanted: usize, latest: Instant, n_waiting: impl Fn() -> usize) {
        self.writer.get_or_init(thread::current);
        // Stored before the count is read: a sender whose job arrives after the count sees it.
        self.n_wanted.store(n_wanted, Ordering::SeqCst);
        while n_waiting() < n_wanted {
            let Some(left) = latest.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                break;
            };
            thread::park_timeout(left);
        }
        self.n_wanted.store(NONE_WANTED, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn the_writer_goes_on_as_soon_as_enough_are_there() {
        let (crowd, n_waiting) = (Arc::new(Crowd::default()), Arc::new(AtomicUsize::new(0)));
        let bringer = {
            let (crowd, n_waiting) = (Arc::clone(&crowd), Arc::clone(&n_waiting));
            thread::spawn(move || {
                for _ in 0..10 {
                    crowd.joined(n_waiting.fetch_add(1, Ordering::SeqCst) + 1);
                }
            })
        };
        // If nothing woke it, it would wait for a day.
        crowd.gather(10, Instant::now() + Duration::from_secs(86_400), || n_waiting.load(Ordering::SeqCst));
        assert_eq!(n_waiting.load(Ordering::SeqCst), 10);
        bringer.join().unwrap();
    }

    #[test]
    fn it_waits_no_longer_than_it_may() {
        Crowd::default().gather(1, Instant::now() + Duration::from_millis(1), || 0);
    }
}
