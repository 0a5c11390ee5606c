//! A budget of memory: how many bytes of a sink's deliveries may be held at a time.
//!
//! **Invariants**
//! 1. No more is held than the budget allows, but for one delivery that is larger than all of it, alone.
//! 2. What is held counts until its [`Held`] is dropped, wherever it is by then: in a queue, or under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that may be held.
#[derive(Debug)]
pub struct Budget {
    n_bytes: usize,
    held: AtomicUsize,
}

/// A share of a budget; the default one is of none. Given back when it is dropped.
#[derive(Debug, Default)]
pub struct Held(Option<(Arc<Budget>, usize)>);

impl Budget {
    /// A budget of so many bytes.
    pub fn new(n_bytes: usize) -> Arc<Self> {
        Arc::new(Self { n_bytes, held: AtomicUsize::new(0) })
    }

    /// A share, where it fits; the first one always does.
    pub fn try_hold(self: &Arc<Self>, n_bytes: usize) -> Option<Held> {
        let grown = |held: usize| {
            let more = held.saturating_add(n_bytes);
            (held == 0 || more <= self.n_bytes).then_some(more)
        };
        let fits = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        fits.then(|| Held(Some((Arc::clone(self), n_bytes))))
    }

    /// A share of what is held already, whether it fits or not.
    pub fn hold(self: &Arc<Self>, n_bytes: usize) -> Held {
        self.held.fetch_add(n_bytes, Ordering::Relaxed);
        Held(Some((Arc::clone(self), n_bytes)))
    }

    /// How many bytes fit now.
    pub fn left(&self) -> usize {
        self.n_bytes.saturating_sub(self.held.load(Ordering::Relaxed))
    }

    /// Whether nothing is held: then one delivery fits, however large it is.
    pub fn is_free(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    /// Whether more than half of it is held: what waits may not have fitted.
    pub fn is_tight(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.n_bytes / 2
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((budget, n_bytes)) = self.0.take() {
            budget.held.fetch_sub(n_bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_until_room_is_given_back() {
        let budget = Budget::new(100);
        let first = budget.try_hold(60).unwrap();
        assert!(budget.try_hold(41).is_none() && budget.is_tight());
        let second = budget.try_hold(40).unwrap();
        assert_eq!(budget.left(), 0);
        drop(first);
        assert_eq!((budget.left(), budget.is_tight()), (60, false));
        drop(second);
        assert!(budget.is_free());
    }

    #[test]
    fn what_is_larger_than_all_of_it_is_held_alone() {
        let budget = Budget::new(100);
        let huge = budget.try_hold(1000).unwrap();
        assert!(budget.try_hold(1).is_none());
        drop(huge);
        assert!(budget.try_hold(1).is_some());
    }
}
