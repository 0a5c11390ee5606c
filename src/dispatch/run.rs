//! The deliveries of one call, in their order. Some may be attempted only after the one before them was delivered or
//! became a dead letter. Pure: no clock, no I/O.
//!
//! **Invariants**
//! 1. Nothing is attempted after a delivery that it follows was put off: it is handed back, and no attempt is counted.
//! 2. Every lease ends as an outcome, or among the unused.

use std::collections::VecDeque;

use crate::domain::{Lease, Outcome, Settlement};
use crate::sinks::DeliveryError;

/// Leases that are being attempted, in order.
pub(super) struct Run {
    waiting: VecDeque<Lease>,
    outcomes: Vec<Outcome>,
    unused: Vec<Lease>,
    /// Whether the last one will be attempted again: the deliveries that follow it must wait.
    is_put_off: bool,
}

impl Run {
    pub(super) fn new(leases: Vec<Lease>) -> Self {
        Self { waiting: leases.into(), outcomes: Vec::new(), unused: Vec::new(), is_put_off: false }
    }

    /// The next ones to attempt, at most `size`; several of one operation only if the batch is delivered as a whole or
    /// not at all.
    pub(super) fn next_batch(&mut self, size: usize, is_all_or_nothing: bool) -> Option<Vec<Lease>> {
        while self.is_put_off
            && let Some(follower) = self.waiting.pop_front_if(|lease| lease.follows)
        {
            self.unused.push(follower);
        }
        let mut batch = Vec::from_iter(self.waiting.pop_front());
        while batch.len() < size
            && let Some(next) = self.waiting.pop_front_if(|lease| is_all_or_nothing || !lease.follows)
        {
            batch.push(next);
        }
        Some(batch).filter(|batch| !batch.is_empty())
    }

    /// Passes an attempted lease on to be settled. If a delivery that it follows was put off, it is handed back, unless
    /// it was delivered.
    pub(super) fn is_in_turn(
        &mut self,
        lease: Lease,
        result: Result<(), DeliveryError>,
    ) -> Option<(Lease, Result<(), DeliveryError>)> {
        if lease.follows && self.is_put_off && result.is_err() {
            self.unused.push(lease);
            return None;
        }
        Some((lease, result))
    }

    /// Notes the result of an attempt.
    pub(super) fn note(&mut self, outcome: Outcome) {
        self.is_put_off = matches!(outcome.settlement, Settlement::RetryAt { .. });
        self.outcomes.push(outcome);
    }

    /// Notes leases that are too old to be attempted; the deliveries that follow them wait.
    pub(super) fn hand_back(&mut self, leases: Vec<Lease>) {
        self.is_put_off |= !leases.is_empty();
        self.unused.extend(leases);
    }

    /// No more attempts: the rest is handed back.
    pub(super) fn stop(&mut self) {
        self.unused.extend(self.waiting.drain(..));
    }

    /// The outcomes since the last call.
    pub(super) fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// The leases that were not attempted.
    pub(super) fn into_unused(self) -> Vec<Lease> {
        self.unused
    }
}
