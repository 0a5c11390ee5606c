//! The inbound half: verify and parse (`graph`), route, accept (`store`). It answers only when the verified and the
//! quarantined items are durable.
//!
//! **Invariants**
//! 1. `Ok` means: committed and fsynced. No other way leads to a 2xx.
//! 2. Quarantined items are written in the same commit as verified ones, so the answer's timing reveals nothing.
//! 3. A flood of strangers removes nothing that a known sender sent.
//! 4. An item that could not be verified because the keys were missing is verified once they are there, even after a
//!    restart; or it was never acknowledged.
//! 5. Items are counted when they are durable: a POST that is answered 503 may arrive again, and is counted then.
//! 6. If an accepted POST is not answered in time, the store notes it, because Graph repeats it ([`Taken`]).

mod acceptance;
mod channels;
mod replay;
mod taken;
mod waiting;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::domain::{Channel, Quarantined, Raw, Request};
use crate::graph::{self, Reading, Refusal, Sender};
use crate::routing::Router;
use crate::store::{Batch, Reception, Store, Verdicts};
use crate::telemetry::{Metrics, Rejections};

pub use self::channels::Channels;
pub use self::taken::Taken;

/// How many places for unverified items are free each second; further items are counted but not stored.
const QUARANTINED_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// How many places are free at once after a quiet time: enough for a whole batch of a sender that is not in the config
/// yet.
const QUARANTINED_AT_ONCE: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
/// Receives notifications.
pub struct Intake {
    /// The channels that Graph posts to, as the running config has them.
    pub channels: ArcSwap<Channels>,
    /// The routes.
    pub routes: Arc<Router>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Records times at which something could not be received.
    pub reception: Arc<Reception>,
    /// Operators' jobs learn here how their entries were judged.
    pub verdicts: Arc<Verdicts>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Counts and logs refusals.
    pub rejections: Arc<Rejections>,
    /// The clock.
    pub clock: Clock,
    /// How many unverified items may be stored; see [`quarantine_rate`].
    pub quarantine_rate: DefaultDirectRateLimiter,
    /// The items that wait for keys. Their reader bounds them.
    pub undecided: Mutex<VecDeque<Undecided>>,
}

/// An item that waits for keys.
#[derive(Clone)]
pub struct Undecided {
    /// Its quarantine entry.
    id: i64,
    item: graph::Undecided,
    /// The facts of its POST.
    request: Arc<Request>,
}

/// A quarantine entry that was verified again.
struct Entry {
    id: i64,
    /// When it arrived.
    received_at: Timestamp,
    /// The facts of its POST.
    request: Arc<Request>,
}

/// Frees 100 places of 4 KiB in the quarantine each second, and 2,000 at once after a quiet time.
pub fn quarantine_rate() -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(QUARANTINED_PER_SECOND).allow_burst(QUARANTINED_AT_ONCE))
}

/// Why a request got no 2xx.
#[derive(Debug)]
pub enum Refused {
    /// Refused by verification or parsing, for this reason.
    ByGraph(Refusal),
    /// Refused by the store: 503, retry later.
    ByStore,
    /// The channel is not configured: 404.
    NotConfigured,
}

/// The result of a POST on the subscription channel.
pub struct Arrived {
    /// As in [`Intake::calls`].
    pub outcome: Result<Taken, Refused>,
    /// Whether Graph sent it: at least one of its items comes from a known sender.
    pub is_graphs: bool,
}

impl From<Refused> for Arrived {
    fn from(refused: Refused) -> Self {
        Self { outcome: Err(refused), is_graphs: false }
    }
}

impl Intake {
    /// Verifies the sender of a POST of the calling channel before its body is read. `authorization` has every value of
    /// that header.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn prove(&self, authorization: &[&[u8]]) -> Result<Sender, Refused> {
        let channels = self.channels.load_full();
        let calls = channels.calls.as_ref().ok_or(Refused::NotConfigured)?;
        let proven = calls.prove(authorization).await;
        if matches!(proven, Err(Refusal::Undecided(_))) {
            // Nothing can be verified now.
            self.refused();
        }
        proven.map_err(Refused::ByGraph)
    }

    /// Receives the body of a POST of the calling channel. `request` has the ids and the callback of its head.
    ///
    /// # Errors
    /// See [`Refused`]. Nothing was accepted, or it is not known whether it was (then the repeat is recognised).
    pub async fn calls(&self, sender: &Sender, request: &Arc<Request>, body: Bytes) -> Result<Taken, Refused> {
        let channels = self.channels.load_full();
        let calls = channels.calls.as_ref().ok_or(Refused::NotConfigured)?;
        match calls.read(sender, body.clone()).await {
            Ok(reading) => self.accept(reading, request).await,
            Err(refusal) => {
                if let Refusal::Malformed(reason) = refusal {
                    let body = sender.quarantined(reason, Raw(body));
                    self.keep_unreadable(Quarantined { request: Arc::clone(request), ..body }).await;
                }
                Err(Refused::ByGraph(refusal))
            }
        }
    }

    /// Remembers subscriptions that send encrypted content.
    pub fn remember_rich(&self, subscription_ids: &[String]) {
        if let Some(subscriptions) = &self.channels.load().subscriptions {
            subscriptions.remember_rich(subscription_ids);
        }
    }

    fn answer_timeout(&self) -> Duration {
        self.channels.load().answer_timeout
    }

    /// Notes that a call's notification was answered 503: it may arrive again, so no deadline runs out meanwhile.
    pub fn refused(&self) {
        self.reception.begins_again();
    }

    /// Stores the unreadable body of a verified sender, because Graph may have changed its format. The answer stays
    /// 400, so a store that fails now loses nothing that was acknowledged.
    async fn keep_unreadable(&self, body: Quarantined) {
        let (reason, quarantined) = (body.reason, vec![body]);
        let batch = Batch { received_at: self.clock.now(), accepted: Vec::new(), quarantined };
        let answer_timeout = self.answer_timeout();
        match tokio::time::timeout(answer_timeout, self.store.accept(batch)).await {
            Ok(Ok(_receipt)) => self.metrics.in_quarantine(reason, self.clock.now()),
            Ok(Err(error)) => tracing::warn!(%error, "an unreadable body of a verified sender could not be stored"),
            Err(_elapsed) => tracing::error!(waited = ?answer_timeout, "the store did not commit in time"),
        }
    }

    /// Receives a POST of the subscription channel, on its notification path or its lifecycle path.
    pub async fn notifications(&self, channel: Channel, request: &Arc<Request>, body: Bytes) -> Arrived {
        let channels = self.channels.load_full();
        let Some(subscriptions) = &channels.subscriptions else { return Arrived::from(Refused::NotConfigured) };
        match subscriptions.read(body, channel).await {
            Ok(reading) => {
                let is_graphs = is_of_graph(&reading);
                Arrived { outcome: self.accept(reading, request).await, is_graphs }
            }
            Err(refusal) => Arrived::from(Refused::ByGraph(refusal)),
        }
    }
}

/// Whether Graph sent it: at least one item comes from a known sender.
fn is_of_graph(reading: &Reading) -> bool {
    let Reading { verified, quarantined, undecided, .. } = reading;
    !verified.is_empty() || !undecided.is_empty() || quarantined.iter().any(|item| !item.is_strangers())
}

/// The label of a channel's path in the rejection metric.
pub fn path_label(channel: Channel) -> &'static str {
    match channel {
        Channel::Calls => "calls",
        Channel::Subscriptions => "notifications",
        Channel::Lifecycle => "lifecycle",
    }
}
