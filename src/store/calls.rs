//! How long, and how many, ended calls matter: the settings of `[expectations]` about calls.

use std::sync::atomic::{AtomicI64, Ordering};

use super::instants::micros;
use crate::config;

/// The settings of `[expectations]` about calls.
#[derive(Debug)]
pub struct Bounds {
    /// How long after the end of its call an operation is lost, in microseconds.
    lost_after: AtomicI64,
    /// How long an ended call is stored, in microseconds.
    remembered: AtomicI64,
    /// The most ended calls that are stored.
    most: AtomicI64,
}

impl Default for Bounds {
    fn default() -> Self {
        let zero = || AtomicI64::new(0);
        let bounds = Self { lost_after: zero(), remembered: zero(), most: zero() };
        bounds.set(&config::Expectations::default());
        bounds
    }
}

impl Bounds {
    /// Uses these settings from now on.
    pub fn set(&self, settings: &config::Expectations) {
        self.lost_after.store(micros(settings.lost_after), Ordering::Relaxed);
        self.remembered.store(micros(settings.remember_calls), Ordering::Relaxed);
        self.most.store(i64::from(settings.max_remembered_calls), Ordering::Relaxed);
    }

    /// How long after the end of its call an operation is lost, in microseconds.
    pub fn lost_after(&self) -> i64 {
        self.lost_after.load(Ordering::Relaxed)
    }

    /// How long an ended call is stored, in microseconds.
    pub fn remembered(&self) -> i64 {
        self.remembered.load(Ordering::Relaxed)
    }

    /// The most ended calls that are stored.
    pub fn most(&self) -> i64 {
        self.most.load(Ordering::Relaxed)
    }
}
