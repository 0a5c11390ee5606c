//! The inbound half, a page: verify and parse (`graph`), route, accept (`store`). It answers only when what was proven,
//! and what was not, is durable.
//!
//! **Invariants**
//! 1. `Ok` means: committed and fsynced. No other way leads to a 2xx.
//! 2. What proved nothing goes through the same commit as what did, so that the answer's timing tells nothing.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::clock::Clock;
use crate::domain::{Channel, Quarantined, Raw, Reason, Verified};
use crate::graph::{Calls, Reading, Refusal, Subscriptions};
use crate::routing::Routes;
use crate::store::{Accepted, Batch, Receipt, ReplayWish, Store, StoreError, Stored};
use crate::telemetry::{Metrics, Rejections};

/// How many replay wishes are carried out in one round.
const WISHES_PER_ROUND: usize = 100;
/// How many unproven items are kept each second; beyond it they are counted, not kept.
const QUARANTINED_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// How many are kept at once after a quiet time: a whole batch of a sender that the config does not know yet.
const QUARANTINED_AT_ONCE: NonZeroU32 = NonZeroU32::new(2_000).unwrap();

/// Takes notifications in.
pub struct Intake {
    /// The calling bot's channel, where configured.
    pub calls: Option<Calls>,
    /// The subscription channel, where configured.
    pub subscriptions: Option<Subscriptions>,
    /// Client context to sinks.
    pub routes: Routes,
    /// Where it becomes durable.
    pub store: Arc<dyn Store>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is counted and logged when something is refused.
    pub rejections: Arc<Rejections>,
    /// The time.
    pub clock: Clock,
    /// The longest that a request waits for the store.
    pub answer_timeout: Duration,
    /// How many unproven items may be kept; see [`quarantine_rate`].
    pub quarantine_rate: DefaultDirectRateLimiter,
}

/// Lets [`QUARANTINED_PER_SECOND`] unproven items into the quarantine, more of them at once after a quiet time.
pub fn quarantine_rate() -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(QUARANTINED_PER_SECOND).allow_burst(QUARANTINED_AT_ONCE))
}

/// Why a request got no 2xx.
#[derive(Debug)]
pub enum Refused {
    /// By what it was.
    ByGraph(Refusal),
    /// By the store: 503, later.
    ByStore,
    /// The channel is not configured: 404.
    NotConfigured,
}

impl Intake {
    /// Takes a POST of the calling channel: `authorization` is every value of that header.
    ///
    /// # Errors
    /// See [`Refused`]; nothing was accepted, or it is not known whether it was (the repeat is then recognised).
    pub async fn calls(&self, authorization: &[&[u8]], body: Bytes) -> Result<(), Refused> {
        let calls = self.calls.as_ref().ok_or(Refused::NotConfigured)?;
        match calls.read(authorization, body.clone()).await {
            Ok(reading) => self.accept(reading).await,
            Err(refusal) => {
                if let Refusal::Malformed(reason) = refusal {
                    self.keep_unreadable(reason, body).await;
                }
                Err(Refused::ByGraph(refusal))
            }
        }
    }

    /// Keeps what a proven sender sent and nobody here can read: Graph may have changed its format. The answer stays 400,
    /// so a store that fails now loses nothing that was acknowledged.
    async fn keep_unreadable(&self, reason: Reason, body: Bytes) {
        let quarantined = vec![Quarantined { channel: Channel::Calls, reason, raw: Raw(body) }];
        let batch = Batch { received_at: self.clock.now(), accepted: Vec::new(), quarantined };
        if let Err(error) = self.store.accept(batch).await {
            tracing::warn!(%error, "an unreadable body of a proven sender could not be kept");
        }
    }

    /// Takes a POST of the subscription channel, on its notification or its lifecycle path.
    ///
    /// # Errors
    /// As [`Intake::calls`].
    pub async fn notifications(&self, channel: Channel, body: Bytes) -> Result<(), Refused> {
        let subscriptions = self.subscriptions.as_ref().ok_or(Refused::NotConfigured)?;
        let reading = subscriptions.read(body, channel).await.map_err(Refused::ByGraph)?;
        self.accept(reading).await
    }

    async fn accept(&self, reading: Reading) -> Result<(), Refused> {
        let Reading { verified, mut quarantined } = reading;
        for item in &quarantined {
            self.rejections.note(path_label(item.channel), item.reason, None);
        }
        // A flood of unproven items must not wash the others out of the bounded quarantine. All of them still wait for
        // the commit.
        quarantined.retain(|_| self.quarantine_rate.check().is_ok());
        let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
        let channels = self.count(&accepted);
        let batch = Batch { received_at: self.clock.now(), accepted, quarantined };
        match tokio::time::timeout(self.answer_timeout, self.store.accept(batch)).await {
            Ok(Ok(receipt)) => {
                self.count_stored(&channels, &receipt);
                Ok(())
            }
            Ok(Err(error)) => {
                self.log_store_error(&error);
                Err(Refused::ByStore)
            }
            Err(_elapsed) => {
                tracing::error!(waited = ?self.answer_timeout, "the store did not commit in time");
                Err(Refused::ByStore)
            }
        }
    }

    fn route(&self, notification: Verified) -> Accepted {
        let deliveries = self.routes.matches(&notification.notification().routing_key());
        Accepted { notification, deliveries }
    }

    /// Counts what is known before the commit; returns what is needed after it, for each notification.
    fn count(&self, accepted: &[Accepted]) -> Vec<(Channel, bool)> {
        let mut channels = Vec::with_capacity(accepted.len());
        for item in accepted {
            let notification = item.notification.notification();
            for dialect in &notification.dialects {
                self.metrics.dialect(*dialect);
            }
            channels.push((notification.channel, item.deliveries.is_empty()));
        }
        channels
    }

    fn count_stored(&self, channels: &[(Channel, bool)], receipt: &Receipt) {
        for ((channel, unmatched), stored) in channels.iter().zip(&receipt.stored) {
            match stored {
                Stored::Duplicate => self.metrics.duplicate(*channel),
                Stored::New { order, id_conflict, ambiguous, .. } => {
                    self.metrics.accepted(*channel);
                    if *unmatched {
                        self.metrics.unmatched();
                    }
                    if let Some(order) = order {
                        self.metrics.order(*order);
                    }
                    if *id_conflict {
                        self.metrics.id_conflict();
                        tracing::warn!(channel = channel.as_str(), "a known notification id came with other bytes");
                    }
                    if *ambiguous {
                        self.metrics.ambiguous();
                    }
                }
            }
        }
    }

    fn log_store_error(&self, error: &StoreError) {
        match error {
            StoreError::Busy | StoreError::Full | StoreError::Closed => tracing::warn!(%error, "answered 503"),
            _ => tracing::error!(%error, "answered 503"),
        }
    }

    /// Carries out what operators wished to be judged again. Returns how many wishes were ended.
    ///
    /// # Errors
    /// The store failed; the wishes stay.
    pub async fn replay(&self) -> Result<usize, StoreError> {
        let wishes = self.store.replay_wishes(WISHES_PER_ROUND).await?;
        let n = wishes.len();
        for wish in wishes {
            let id = wish.id;
            let refused = match self.judge_again(wish).await {
                Ok(verified) => {
                    let accepted = vec![self.route(verified)];
                    let batch = Batch { received_at: self.clock.now(), accepted, quarantined: Vec::new() };
                    self.store.accept(batch).await?;
                    None
                }
                Err(reason) => Some(reason),
            };
            self.store.end_wish(id, refused).await?;
            tracing::info!(id, refused = refused.map(Reason::as_str), "a quarantined item was judged again");
        }
        Ok(n)
    }

    async fn judge_again(&self, wish: ReplayWish) -> Result<Verified, Reason> {
        match wish.channel {
            Channel::Calls => {
                let calls = self.calls.as_ref().ok_or(Reason::Shape)?;
                calls.judge_again(wish.raw, wish.vouched)
            }
            Channel::Subscriptions | Channel::Lifecycle => {
                let subscriptions = self.subscriptions.as_ref().ok_or(Reason::Shape)?;
                subscriptions.judge_again(wish.raw, wish.channel, wish.vouched).await
            }
        }
    }
}

/// The label of a channel's path in the rejection metric.
pub fn path_label(channel: Channel) -> &'static str {
    match channel {
        Channel::Calls => "calls",
        Channel::Subscriptions => "notifications",
        Channel::Lifecycle => "lifecycle",
    }
}
