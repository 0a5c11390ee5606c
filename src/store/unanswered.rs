//! Events whose POST was not answered 2xx in time, until the store has written that fact.
//!
//! **Invariants**
//! 1. What is noted here is written with the next commit that accepts something, or when the store closes; a rollback
//!    puts it back.
//! 2. The list is bounded: beyond [`MAX_NOTED`] nothing is noted. The repeat of such an event is delivered and marked
//!    as possibly a repeat.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// The most events that are noted: 8 bytes each.
const MAX_NOTED: usize = 131_072;

/// Numbers of events, to be written.
#[derive(Debug, Default)]
pub struct Unanswered {
    noted: Mutex<Vec<i64>>,
    /// So that a commit can see without a lock that the list is empty.
    n: AtomicUsize,
}

impl Unanswered {
    /// Notes events.
    pub fn note(&self, events: impl IntoIterator<Item = i64>) {
        let mut noted = self.noted.lock();
        let room = MAX_NOTED - noted.len().min(MAX_NOTED);
        noted.extend(events.into_iter().take(room));
        self.n.store(noted.len(), Ordering::Release);
    }

    /// Takes what is noted, to write it.
    fn take(&self) -> Vec<i64> {
        if self.n.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut noted = self.noted.lock();
        self.n.store(0, Ordering::Release);
        std::mem::take(&mut noted)
    }
}

/// The events that a transaction writes. If it is dropped before the commit, they are noted again.
#[derive(Debug)]
pub struct Written<'a> {
    events: Mutex<Vec<i64>>,
    unanswered: &'a Unanswered,
}

impl<'a> Written<'a> {
    /// No events yet.
    pub fn none(unanswered: &'a Unanswered) -> Self {
        Self { events: Mutex::default(), unanswered }
    }

    /// Takes what is noted, to write it.
    pub fn take(&self) -> Vec<i64> {
        let events = self.unanswered.take();
        self.events.lock().extend(&events);
        events
    }

    /// The transaction was committed.
    pub fn committed(self) {
        self.events.lock().clear();
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        let events = std::mem::take(self.events.get_mut());
        if !events.is_empty() {
            self.unanswered.note(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_taken_once_and_bounded() {
        let unanswered = Unanswered::default();
        assert!(unanswered.take().is_empty());
        unanswered.note([1, 2]);
        unanswered.note([3]);
        assert_eq!(unanswered.take(), [1, 2, 3]);
        assert!(unanswered.take().is_empty());
        unanswered.note(0..200_000);
        unanswered.note([7]);
        assert_eq!(unanswered.take().len(), MAX_NOTED);
    }
}
