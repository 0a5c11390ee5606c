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

mod channels;
mod waiting;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::GRAPH_WAITS;
use crate::domain::{Channel, Dialect, EventId, Quarantined, Raw, Reason, Request, Verified};
use crate::graph::{Reading, Refusal, Sender, Undecided};
use crate::routing::Router;
use crate::store::{Accepted, Batch, Receipt, Reception, ReplayWish, Store, StoreError, Stored};
use crate::telemetry::{Metrics, Rejections};

pub use self::channels::Channels;

/// How many replay requests are handled in one round.
const WISHES_PER_ROUND: usize = 100;
/// How many places for unverified items are free each second; further items are counted but not stored.
const QUARANTINED_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// How many places are free at once after a quiet time: enough for a whole batch of a sender that is not in the config
/// yet.
const QUARANTINED_AT_ONCE: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
/// The bytes of one place: large items take several.
const PLACE_BYTES: usize = 4096;

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
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Counts and logs refusals.
    pub rejections: Arc<Rejections>,
    /// The clock.
    pub clock: Clock,
    /// How many unverified items may be stored; see [`quarantine_rate`].
    pub quarantine_rate: DefaultDirectRateLimiter,
    /// The items that wait for keys, each with its quarantine entry. Their reader bounds them.
    pub undecided: Mutex<VecDeque<(i64, Undecided)>>,
}

/// Frees 100 places of 4 KiB in the quarantine each second, and 2,000 at once after a quiet time.
pub fn quarantine_rate() -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(QUARANTINED_PER_SECOND).allow_burst(QUARANTINED_AT_ONCE))
}

/// A durable POST that is not answered yet. If it is dropped before the answer was sent, the connection broke: Graph
/// will probably repeat the POST, and the store recognises the repeat.
#[must_use = "a dropped value counts as unanswered"]
pub struct Taken {
    events: Vec<EventId>,
    store: Arc<dyn Store>,
}

impl Taken {
    /// Notes that the 2xx was sent `after` this time. Beyond Graph's 3 s it was too late.
    pub fn answered(mut self, after: Duration) {
        if after < GRAPH_WAITS {
            self.events.clear();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.store.unanswered(std::mem::take(&mut self.events));
        }
    }
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
                    self.keep_unreadable(sender.quarantined(reason, Raw(body))).await;
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
        let quarantined = vec![body];
        let batch = Batch { received_at: self.clock.now(), accepted: Vec::new(), quarantined };
        let answer_timeout = self.answer_timeout();
        match tokio::time::timeout(answer_timeout, self.store.accept(batch)).await {
            Ok(Ok(_receipt)) => {}
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

    async fn accept(&self, reading: Reading, request: &Arc<Request>) -> Result<Taken, Refused> {
        let Reading { mut verified, mut quarantined, undecided, learned } = reading;
        verified.iter_mut().for_each(|it| it.came_with(request));
        quarantined.extend(undecided.iter().map(Undecided::quarantined));
        let refused: Vec<(Channel, Reason)> = quarantined.iter().map(|item| (item.channel, item.reason)).collect();
        // All items wait for the commit, even those that are not stored.
        quarantined.retain(|item| !item.is_strangers() || self.is_there_room_for(item));
        let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
        let told: Vec<Told> = accepted.iter().map(Told::of).collect();
        let batch = Batch { received_at: self.clock.now(), accepted, quarantined };
        let answer_timeout = self.answer_timeout();
        match tokio::time::timeout(answer_timeout, self.make_durable(batch, learned)).await {
            Ok(Ok(receipt)) => {
                let events = receipt.stored.iter().map(Stored::event).collect();
                let taken = Taken { events, store: Arc::clone(&self.store) };
                for (channel, reason) in refused {
                    self.rejections.note(path_label(channel), reason, None);
                }
                self.count(&told, &receipt);
                if !undecided.is_empty() {
                    // They are the last entries, and complete: a known sender's items are always stored.
                    let n_others = receipt.quarantined.len().saturating_sub(undecided.len());
                    self.undecided.lock().extend(receipt.quarantined.into_iter().skip(n_others).zip(undecided));
                }
                Ok(taken)
            }
            Ok(Err(error)) => {
                self.refused();
                self.log_store_error(&error);
                Err(Refused::ByStore)
            }
            Err(_elapsed) => {
                self.refused();
                tracing::error!(waited = ?answer_timeout, "the store did not commit in time");
                Err(Refused::ByStore)
            }
        }
    }

    /// Accepts a batch, after storing which subscriptions now count as sending encrypted content.
    async fn make_durable(&self, batch: Batch, learned: Vec<String>) -> Result<Receipt, StoreError> {
        if !learned.is_empty() {
            self.store.remember_rich(learned.clone()).await?;
            // Whichever config it was learned under: it is known under all.
            self.remember_rich(&learned);
        }
        self.store.accept(batch).await
    }

    /// Whether a stranger's item may be stored: the quarantine is bounded, and has other entries.
    fn is_there_room_for(&self, item: &Quarantined) -> bool {
        let n_places = u32::try_from(item.raw.0.len() / PLACE_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        let n_places = NonZeroU32::new(n_places).map_or(NonZeroU32::MIN, |n| n.min(QUARANTINED_AT_ONCE));
        matches!(self.quarantine_rate.check_n(n_places), Ok(Ok(())))
    }

    fn route(&self, notification: Verified) -> Accepted {
        let deliveries = self.routes.matches(&notification.notification().routing_key());
        Accepted { notification, deliveries }
    }

    /// Counts the durable notifications.
    fn count(&self, told: &[Told], receipt: &Receipt) {
        for (told, stored) in told.iter().zip(&receipt.stored) {
            for dialect in &told.dialects {
                self.metrics.dialect(*dialect);
            }
            if let Stored::Duplicate { of, by } = stored {
                tracing::debug!(event = %of, by = by.as_str(), "a repeat was dropped");
                self.metrics.duplicate(told.channel);
            }
            let Stored::New { order, id_conflict, possible_repeat, ambiguous, unmatched, .. } = stored else {
                continue;
            };
            self.metrics.accepted(told.channel, self.clock.steady());
            if *unmatched {
                self.metrics.unmatched();
            }
            if let Some(order) = order {
                self.metrics.order(*order);
            }
            if *id_conflict {
                self.metrics.id_conflict();
                tracing::warn!(
                    channel = told.channel.as_str(),
                    "a notification has the id of an earlier one and other bytes"
                );
            }
            if *possible_repeat {
                self.metrics.possible_repeat(told.channel);
            }
            if *ambiguous {
                self.metrics.ambiguous();
            }
        }
    }

    fn log_store_error(&self, error: &StoreError) {
        match error {
            StoreError::Busy | StoreError::Full | StoreError::Closed => tracing::warn!(%error, "answered 503"),
            _ => tracing::error!(%error, "answered 503"),
        }
    }

    /// Handles operators' requests to verify entries again. Returns the number of requests that were read.
    ///
    /// # Errors
    /// The store failed; the requests stay.
    pub async fn replay(&self) -> Result<usize, StoreError> {
        let wishes = self.store.replay_wishes(WISHES_PER_ROUND).await?;
        let n = wishes.len();
        for wish in wishes {
            let id = wish.id;
            match self.judge_again(wish).await {
                // Keys are missing now; the request stays.
                Err(Reason::Shed) => {}
                judged => self.end(id, judged).await?,
            }
        }
        Ok(n)
    }

    /// Accepts a quarantined item that was verified again, or keeps it with its new reason.
    async fn end(&self, id: i64, judged: Result<Vec<Verified>, Reason>) -> Result<(), StoreError> {
        let refused = match judged {
            Ok(verified) => {
                let channels = self.channels.load_full();
                let learned = channels.subscriptions.as_ref().map(|it| it.learned_from(&verified)).unwrap_or_default();
                let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
                let told: Vec<Told> = accepted.iter().map(Told::of).collect();
                let batch = Batch { received_at: self.clock.now(), accepted, quarantined: Vec::new() };
                self.count(&told, &self.make_durable(batch, learned).await?);
                None
            }
            Err(reason) => Some(reason),
        };
        self.store.end_wish(id, refused).await?;
        tracing::info!(id, refused = refused.map(Reason::as_str), "a quarantined item was verified again");
        Ok(())
    }

    async fn judge_again(&self, wish: ReplayWish) -> Result<Vec<Verified>, Reason> {
        let channels = self.channels.load_full();
        match wish.channel {
            Channel::Calls => {
                let calls = channels.calls.as_ref().ok_or(Reason::Shape)?;
                calls.judge_again(wish.raw, wish.tenant_id, wish.vouched)
            }
            Channel::Subscriptions | Channel::Lifecycle => {
                let subscriptions = channels.subscriptions.as_ref().ok_or(Reason::Shape)?;
                subscriptions.judge_again(wish.raw, wish.channel, wish.vouched).await
            }
        }
    }
}

/// The facts of a notification that are counted once it is durable.
struct Told {
    channel: Channel,
    dialects: Vec<Dialect>,
}

impl Told {
    fn of(accepted: &Accepted) -> Self {
        let notification = accepted.notification.notification();
        Self { channel: notification.channel, dialects: notification.dialects.clone() }
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

#[cfg(test)]
mod tests {
    use super::*;

    use jiff::Timestamp;

    use crate::domain::Proof;
    use crate::store::sqlite::{SqliteStore, plain_settings};
    use crate::store::testing::notification;

    #[tokio::test]
    async fn what_is_not_answered_in_time_or_not_at_all_is_repeated_for_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::config::Store { deduplicate: Duration::from_secs(3600), ..plain_settings(folder.path()) };
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&settings, clock).unwrap());
        let accept = async || {
            let accepted = vec![Accepted {
                notification: Verified::declare(notification("{}"), Proof::ClientState),
                deliveries: Vec::new(),
            }];
            let batch = Batch { received_at: Timestamp::UNIX_EPOCH, accepted, quarantined: Vec::new() };
            let receipt = store.accept(batch).await.unwrap();
            let is_repeat = matches!(receipt.stored[0], Stored::Duplicate { .. });
            (is_repeat, Taken { events: vec![receipt.stored[0].event()], store: Arc::clone(&store) })
        };
        let in_time = |taken: Taken| taken.answered(Duration::from_millis(2_999));
        let late = |taken: Taken| taken.answered(GRAPH_WAITS);
        let ends: [fn(Taken); 4] = [in_time, late, drop, in_time];
        for (end, expected) in ends.into_iter().zip([false, false, true, true]) {
            let (is_repeat, taken) = accept().await;
            assert_eq!(is_repeat, expected);
            end(taken);
        }
        assert!(!accept().await.0);
    }
}
