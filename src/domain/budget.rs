//! A budget of memory: how many bytes of a sink's deliveries may be held at a time.
//!
//! **Invariants**
//! 1. No more is held than the budget allows, with one exception: a single delivery that is larger than the whole
//!    budget.
//! 2. A delivery counts until its [`Held`] is dropped, wherever it is: in a queue, or being attempted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that may be held.
#[derive(Debug)]
pub struct Budget {
    n_bytes: usize,
    held: AtomicUsize,
}

/// A share of a budget; the default is an empty share of no budget. It is given back when it is dropped.
#[derive(Debug, Default)]
pub struct Held(Option<(Arc<Budget>, usize)>);

impl Budget {
    /// A budget of `n_bytes`.
    pub fn new(n_bytes: usize) -> Arc<Self> {
        Arc::new(Self { n_bytes, held: AtomicUsize::new(0) })
    }

    /// A share, if it fits; the first share always fits.
    pub fn try_hold(self: &Arc<Self>, n_bytes: usize) -> Option<Held> {
        let grown = |held: usize| {
            let more = held.saturating_add(n_bytes);
            (held == 0 || more <= self.n_bytes).then_some(more)
        };
        let fits = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        fits.then(|| Held(Some((Arc::clone(self), n_bytes))))
    }

    /// A share for a delivery that is held already, whether it fits or not.
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

    /// Whether more than half of it is held: deliveries may wait in the store because they did not fit.
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
