//! When a dispatcher reads from the store, and what it takes.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Dispatcher, LOOK_ANYWAY};

/// The pause before the store is asked for due deliveries again, after it failed or had none although some were due.
const REST: Duration = Duration::from_millis(500);
/// How many leases are taken from the store at a time, at least.
const LEASE_LIMIT: usize = 64;

impl Dispatcher {
    /// Leases from the store if needed. Called while new deliveries flow too, so that they do not delay those in the
    /// store.
    pub(super) async fn look_into_the_store(&mut self) {
        if !self.leased.is_empty() {
            return;
        }
        if self.worker.shared.queues.woken(&self.worker.name).now_or_never().is_some() {
            self.look = true;
        }
        if !self.look && self.until_asked().is_zero() {
            self.ask_what_is_due().await;
        }
        if self.look {
            self.lease_from_store().await;
        }
    }

    async fn lease_from_store(&mut self) {
        let worker = &self.worker;
        let limit = worker.sink.batch_size().max(LEASE_LIMIT);
        self.look = false;
        match worker.lease(limit).await {
            Ok(leases) => {
                if leases.is_empty() && worker.until_due().is_some_and(|until| until.is_zero()) {
                    self.rests_until = Instant::now() + REST;
                }
                self.is_tight = worker.budget.is_tight();
                self.look = leases.len() >= limit || (self.is_tight && !leases.is_empty());
                self.leased.extend(leases);
            }
            Err(error) => {
                tracing::warn!(sink = %worker.name, %error, "could not lease deliveries; trying again");
                self.rest();
            }
        }
    }

    /// Asks the store when the next delivery falls due, and leases if it is due now.
    pub(super) async fn ask_what_is_due(&mut self) {
        self.asked_at = Instant::now();
        let worker = &self.worker;
        match worker.shared.store.next_due(&worker.name).await {
            Ok(due) => {
                worker.know_due(due);
                self.look = due.is_some_and(|due| due <= worker.shared.clock.steady());
            }
            Err(error) => {
                tracing::warn!(sink = %worker.name, %error, "could not read which deliveries are due; trying again");
                self.rest();
            }
        }
    }

    /// How long until the store is asked for due deliveries.
    pub(super) fn until_asked(&self) -> Duration {
        let now = Instant::now();
        let anyway = (self.asked_at + LOOK_ANYWAY).saturating_duration_since(now);
        let due = self.worker.until_due().unwrap_or(anyway);
        due.min(anyway).max(self.rests_until.saturating_duration_since(now))
    }

    /// Asks the store nothing for a while. The store may still wake the dispatcher.
    fn rest(&mut self) {
        self.rests_until = Instant::now() + REST;
    }
}
