//! The inbound half, a page: verify and parse (`graph`), route, accept (`store`). It answers only when what was proven,
//! and what was not, is durable.
//!
//! **Invariants**
//! 1. `Ok` means: committed and fsynced. No other way leads to a 2xx.
//! 2. What proved nothing goes through the same commit as what did, so that the answer's timing tells nothing.
//! 3. A flood of strangers washes nothing away that a known sender sent.
//! 4. An item that could not be decided for want of keys is decided when they are there, over restarts too, or was never
//!    acknowledged.
//! 5. Items are counted when they are durable: what is answered 503 may come again, and is counted then.
//! 6. Where a POST that was accepted is not answered in time, the store is told: Graph repeats it ([`Taken`]).

mod waiting;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::GRAPH_WAITS;
use crate::domain::{Channel, Dialect, EventId, Quarantined, Raw, Reason, Request, Verified};
use crate::graph::{Calls, Reading, Refusal, Sender, Subscriptions, Undecided};
use crate::routing::Routes;
use crate::store::{Accepted, Batch, Receipt, Reception, ReplayWish, Store, StoreError, Stored};
use crate::telemetry::{Metrics, Rejections};

/// How many replay wishes are carried out in one round.
const WISHES_PER_ROUND: usize = 100;
/// How many places for unproven items are given out each second; beyond it items are counted, not kept.
const QUARANTINED_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// How many are given out at once after a quiet time: a whole batch of a sender that the config does not know yet.
const QUARANTINED_AT_ONCE: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
/// The bytes of one place: large items take several.
const PLACE_BYTES: usize = 4096;

/// Takes notifications in.
pub struct Intake {
    /// The calling bot's channel, where configured.
    pub calls: Option<Calls>,
    /// The subscription channel, where configured.
    pub subscriptions: Option<Subscriptions>,
    /// Client context to sinks.
    pub routes: Arc<Routes>,
    /// Where it becomes durable.
    pub store: Arc<dyn Store>,
    /// Where it is told when something could not be taken in.
    pub reception: Arc<Reception>,
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
    /// What waits for keys, each with its quarantine entry. What reads them bounds them.
    pub undecided: Mutex<VecDeque<(i64, Undecided)>>,
}

/// Gives out 100 places of 4 KiB in the quarantine each second, 2,000 at once after a quiet time.
pub fn quarantine_rate() -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(QUARANTINED_PER_SECOND).allow_burst(QUARANTINED_AT_ONCE))
}

/// What was made durable for a POST that is not answered yet. Where it is dropped before it is told that the answer left,
/// the connection broke: Graph has reason to repeat the POST, and the store recognises the repeat.
#[must_use = "what is dropped counts as unanswered"]
pub struct Taken {
    events: Vec<EventId>,
    store: Arc<dyn Store>,
}

impl Taken {
    /// The 2xx left `after` this time. Beyond Graph's 3 s it comes too late.
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
    /// By what it was.
    ByGraph(Refusal),
    /// By the store: 503, later.
    ByStore,
    /// The channel is not configured: 404.
    NotConfigured,
}

/// What became of a POST on the subscription channel.
pub struct Arrived {
    /// As [`Intake::calls`] has it.
    pub outcome: Result<Taken, Refused>,
    /// Whether Graph sent it: at least one of its items is of a known sender.
    pub is_graphs: bool,
}

impl From<Refused> for Arrived {
    fn from(refused: Refused) -> Self {
        Self { outcome: Err(refused), is_graphs: false }
    }
}

impl Intake {
    /// Proves who sends a POST of the calling channel, before any of its body is read: `authorization` is every value of
    /// that header.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn prove(&self, authorization: &[&[u8]]) -> Result<Sender, Refused> {
        let calls = self.calls.as_ref().ok_or(Refused::NotConfigured)?;
        let proven = calls.prove(authorization).await;
        if matches!(proven, Err(Refusal::Undecided(_))) {
            // Nobody can prove anything now.
            self.refused();
        }
        proven.map_err(Refused::ByGraph)
    }

    /// Takes the body of a POST of the calling channel; `request` is what its head said beside the proof.
    ///
    /// # Errors
    /// See [`Refused`]; nothing was accepted, or it is not known whether it was (the repeat is then recognised).
    pub async fn calls(&self, sender: &Sender, request: &Arc<Request>, body: Bytes) -> Result<Taken, Refused> {
        let calls = self.calls.as_ref().ok_or(Refused::NotConfigured)?;
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

    /// Notes that a call's notification was answered 503: it may come again, so nothing that waits for one runs out.
    pub fn refused(&self) {
        self.reception.begins_again();
    }

    /// Keeps what a proven sender sent and nobody here can read: Graph may have changed its format. The answer stays 400,
    /// so a store that fails now loses nothing that was acknowledged.
    async fn keep_unreadable(&self, body: Quarantined) {
        let quarantined = vec![body];
        let batch = Batch { received_at: self.clock.now(), accepted: Vec::new(), quarantined };
        match tokio::time::timeout(self.answer_timeout, self.store.accept(batch)).await {
            Ok(Ok(_receipt)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "an unreadable body of a proven sender could not be kept"),
            Err(_elapsed) => tracing::error!(waited = ?self.answer_timeout, "the store did not commit in time"),
        }
    }

    /// Takes a POST of the subscription channel, on its notification or its lifecycle path.
    pub async fn notifications(&self, channel: Channel, request: &Arc<Request>, body: Bytes) -> Arrived {
        let Some(subscriptions) = &self.subscriptions else { return Arrived::from(Refused::NotConfigured) };
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
        // All of them wait for the commit, those that are not kept as well.
        quarantined.retain(|item| !item.is_strangers() || self.is_there_room_for(item));
        let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
        let told: Vec<Told> = accepted.iter().map(Told::of).collect();
        let batch = Batch { received_at: self.clock.now(), accepted, quarantined };
        match tokio::time::timeout(self.answer_timeout, self.make_durable(batch, learned)).await {
            Ok(Ok(receipt)) => {
                let events = receipt.stored.iter().map(Stored::event).collect();
                let taken = Taken { events, store: Arc::clone(&self.store) };
                for (channel, reason) in refused {
                    self.rejections.note(path_label(channel), reason, None);
                }
                self.count(&told, &receipt);
                if !undecided.is_empty() {
                    // They are the last entries, and all are there: a known sender's items are always kept.
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
                tracing::error!(waited = ?self.answer_timeout, "the store did not commit in time");
                Err(Refused::ByStore)
            }
        }
    }

    /// Accepts a batch, after it was written down which subscriptions are known from now on to send encrypted content.
    async fn make_durable(&self, batch: Batch, learned: Vec<String>) -> Result<Receipt, StoreError> {
        if let Some(subscriptions) = self.subscriptions.as_ref().filter(|_| !learned.is_empty()) {
            self.store.remember_rich(learned.clone()).await?;
            subscriptions.remember_rich(&learned);
        }
        self.store.accept(batch).await
    }

    /// Whether a stranger's item may be kept: the quarantine is bounded, and others are in it.
    fn is_there_room_for(&self, item: &Quarantined) -> bool {
        let n_places = u32::try_from(item.raw.0.len() / PLACE_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        let n_places = NonZeroU32::new(n_places).map_or(NonZeroU32::MIN, |n| n.min(QUARANTINED_AT_ONCE));
        matches!(self.quarantine_rate.check_n(n_places), Ok(Ok(())))
    }

    fn route(&self, notification: Verified) -> Accepted {
        let deliveries = self.routes.matches(&notification.notification().routing_key());
        Accepted { notification, deliveries }
    }

    /// Counts what was made durable.
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
                tracing::warn!(channel = told.channel.as_str(), "a known notification id came with other bytes");
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

    /// Carries out what operators wished to be judged again. Returns how many wishes were looked at.
    ///
    /// # Errors
    /// The store failed; the wishes stay.
    pub async fn replay(&self) -> Result<usize, StoreError> {
        let wishes = self.store.replay_wishes(WISHES_PER_ROUND).await?;
        let n = wishes.len();
        for wish in wishes {
            let id = wish.id;
            match self.judge_again(wish).await {
                // Not now: the wish stays.
                Err(Reason::Shed) => {}
                judged => self.end(id, judged).await?,
            }
        }
        Ok(n)
    }

    /// Accepts a quarantined item that was judged again, or keeps it for its new reason.
    async fn end(&self, id: i64, judged: Result<Vec<Verified>, Reason>) -> Result<(), StoreError> {
        let refused = match judged {
            Ok(verified) => {
                let learned = self.subscriptions.as_ref().map(|it| it.learned_from(&verified)).unwrap_or_default();
                let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
                let told: Vec<Told> = accepted.iter().map(Told::of).collect();
                let batch = Batch { received_at: self.clock.now(), accepted, quarantined: Vec::new() };
                self.count(&told, &self.make_durable(batch, learned).await?);
                None
            }
            Err(reason) => Some(reason),
        };
        self.store.end_wish(id, refused).await?;
        tracing::info!(id, refused = refused.map(Reason::as_str), "a quarantined item was judged again");
        Ok(())
    }

    async fn judge_again(&self, wish: ReplayWish) -> Result<Vec<Verified>, Reason> {
        match wish.channel {
            Channel::Calls => {
                let calls = self.calls.as_ref().ok_or(Reason::Shape)?;
                calls.judge_again(wish.raw, wish.tenant_id, wish.vouched)
            }
            Channel::Subscriptions | Channel::Lifecycle => {
                let subscriptions = self.subscriptions.as_ref().ok_or(Reason::Shape)?;
                subscriptions.judge_again(wish.raw, wish.channel, wish.vouched).await
            }
        }
    }
}

/// What is counted of a notification once it is durable.
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

/// Whether Graph sent it: at least one item is of a known sender.
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
