//! A provider's signing keys. One task keeps them fresh: at the start, hourly, and when a token names an unknown key.
//!
//! Requests never fetch: they ask the task and wait a little. So only one fetch runs at a time, and a client that hangs
//! up cannot abandon one half-way.
//!
//! **Invariants**
//! 1. Tokens that name unknown keys cause at most one fetch in [`ASK_EVERY`], and cost no memory.
//! 2. Only another fetched set replaces a fetched set, never an empty or a broken one.
//! 3. A key is called unknown only after a fetch that succeeded. While the provider fails or is slow, a key that is not in
//!    the set may be a new one: what it signed cannot be decided yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::jwks::KeySet;
use super::provider::Provider;
use crate::clock::Clock;
use crate::domain::{Channel, Reason};
use crate::telemetry::Metrics;

pub use super::provider::KeysError;

/// How often keys are fetched. A withdrawn key works no longer than this, as long as the provider can be reached.
const REFRESH_EVERY: Duration = Duration::from_secs(3600);
/// How soon the next fetch follows a failed one, if there are keys.
const RETRY_EVERY: Duration = Duration::from_secs(300);
/// The longest time between attempts while there are no keys.
const MAX_FIRST_RETRY: Duration = Duration::from_secs(15);
/// How often unknown keys may cause a fetch
/// (<https://learn.microsoft.com/entra/identity-platform/signing-key-rollover>).
pub const ASK_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The longest time that a request waits for a fetch.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// A provider's signing keys.
pub struct Keys {
    channel: Channel,
    provider: Provider,
    metrics: Arc<Metrics>,
    clock: Clock,
    current: ArcSwap<KeySet>,
    /// Whether the last fetch failed, or there was none.
    is_failing: AtomicBool,
    /// When an unknown key last caused a fetch.
    asked_at: Mutex<Option<Timestamp>>,
    asked: Notify,
    /// The number of fetches that run or were requested.
    n_open: AtomicUsize,
    /// Notified after every fetch.
    fetched: watch::Sender<()>,
}

impl Keys {
    /// Prepares to fetch the keys that the OpenID configuration at `url` names; fetches nothing yet.
    ///
    /// # Errors
    /// [`KeysError::Address`] or [`KeysError::Client`].
    pub fn new(channel: Channel, url: Url, metrics: Arc<Metrics>, clock: Clock) -> Result<Arc<Self>, KeysError> {
        Ok(Arc::new(Self {
            channel,
            provider: Provider::new(url)?,
            metrics,
            clock,
            current: ArcSwap::default(),
            is_failing: AtomicBool::new(true),
            asked_at: Mutex::new(None),
            asked: Notify::new(),
            // The first fetch has not ended yet: requests wait for it.
            n_open: AtomicUsize::new(1),
            fetched: watch::Sender::new(()),
        }))
    }

    /// Keeps the keys fresh until it is stopped. Start it once; without it there are never any keys.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut n_failed = 0;
        loop {
            let fetched = tokio::select! {
                () = stop.cancelled() => return,
                fetched = self.refresh() => fetched,
            };
            n_failed = if fetched { 0 } else { n_failed + 1 };
            self.n_open.fetch_sub(1, Ordering::SeqCst);
            self.fetched.send_replace(());
            let delay = next_delay(!self.current.load().is_empty(), n_failed);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.asked.notified() => {}
                () = tokio::time::sleep(delay) => {
                    self.n_open.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// Where they come in.
    pub(super) fn channel(&self) -> Channel {
        self.channel
    }

    /// Fetches once and returns how many keys there are; changes nothing.
    ///
    /// # Errors
    /// Why they could not be fetched.
    pub async fn probe(&self) -> Result<usize, KeysError> {
        self.provider.fetch().await.map(|set| set.len())
    }

    /// The generation of the current keys. A token that was verified with an older one must be verified again.
    pub(super) fn generation(&self) -> u64 {
        self.current.load().generation
    }

    /// Whether each key is known or wrong: the last fetch succeeded, and none is pending.
    pub(super) fn are_sure(&self) -> bool {
        !self.is_failing.load(Ordering::Relaxed) && self.n_open.load(Ordering::SeqCst) == 0
    }

    /// The set that holds the key `kid`.
    ///
    /// # Errors
    /// [`Reason::JwtKidUnknown`]; [`Reason::JwtKeyUse`] if the key is published for another use;
    /// [`Reason::KeysUnavailable`] if the last fetch failed or is still pending: the key may be a new one.
    pub(super) async fn find(&self, kid: &str) -> Result<Arc<KeySet>, Reason> {
        if let Some(set) = self.holding(kid) {
            return Ok(set);
        }
        // Whether the fetch ended or the waiting time was up: the current keys decide. Boxed, so that requests that
        // find their key, which are most, need no memory for waiting.
        let _ = tokio::time::timeout(MAX_WAIT, Box::pin(self.ask_for(kid))).await;
        self.holding(kid).ok_or_else(|| match self.current.load() {
            set if set.is_unfit(kid) => Reason::JwtKeyUse,
            _ if !self.are_sure() => Reason::KeysUnavailable,
            _ => Reason::JwtKidUnknown,
        })
    }

    /// Waits until a fetch has ended.
    #[cfg(test)]
    pub(super) async fn next_fetch(&self) {
        self.fetched.subscribe().changed().await.unwrap();
    }

    fn holding(&self, kid: &str) -> Option<Arc<KeySet>> {
        let set = self.current.load();
        set.get(kid).is_some().then(|| Arc::clone(&set))
    }

    /// Waits for a running fetch. If the key is still unknown then, requests another one.
    async fn ask_for(&self, kid: &str) {
        self.settled(kid).await;
        if self.holding(kid).is_some() {
            return;
        }
        let has_asked = self.ask();
        // Another request may have requested a fetch meanwhile; this request waits for that one.
        self.settled(kid).await;
        if !has_asked && self.holding(kid).is_none() {
            self.metrics.key_refresh(self.channel, "throttled");
        }
    }

    /// Waits until the key is there or no fetch is pending.
    async fn settled(&self, kid: &str) {
        let is_settled = |(): &()| self.holding(kid).is_some() || self.n_open.load(Ordering::SeqCst) == 0;
        // The sender is part of this value, so it still exists.
        let _ = self.fetched.subscribe().wait_for(is_settled).await;
    }

    /// Requests a fetch, unless one was requested too recently. Then that one is still pending.
    fn ask(&self) -> bool {
        let now = self.clock.steady();
        let mut asked_at = self.asked_at.lock();
        let is_too_soon = asked_at.is_some_and(|at| now.duration_since(at) < ASK_EVERY);
        if !is_too_soon {
            *asked_at = Some(now);
            self.n_open.fetch_add(1, Ordering::SeqCst);
            self.asked.notify_one();
        }
        !is_too_soon
    }

    /// Fetches and stores the keys; returns whether that succeeded.
    async fn refresh(&self) -> bool {
        let result = match self.provider.fetch().await {
            Ok(mut set) => {
                set.generation = self.generation() + 1;
                self.current.store(Arc::new(set));
                "ok"
            }
            Err(error) => {
                let has_keys = !self.current.load().is_empty();
                tracing::warn!(channel = self.channel.as_str(), %error, has_keys, "could not fetch the provider's keys");
                if matches!(error, KeysError::Unreachable { .. }) { "failed" } else { "invalid" }
            }
        };
        self.metrics.key_refresh(self.channel, result);
        self.is_failing.store(result != "ok", Ordering::Relaxed);
        result == "ok"
    }
}

/// Fetches a provider's keys once, for a command.
///
/// # Errors
/// Why they could not be fetched.
pub async fn fetch(url: Url) -> Result<KeySet, KeysError> {
    Provider::new(url)?.fetch().await
}

/// When the next regular fetch is due.
fn next_delay(has_keys: bool, n_failed: u32) -> Duration {
    match (has_keys, n_failed) {
        (true, 0) => REFRESH_EVERY,
        (true, _) => RETRY_EVERY,
        (false, n) => Duration::from_secs(1 << n.saturating_sub(1).min(4)).min(MAX_FIRST_RETRY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_hourly_and_sooner_after_a_failure() {
        assert_eq!(next_delay(true, 0), Duration::from_secs(3600));
        assert_eq!(next_delay(true, 7), Duration::from_secs(300));
        let first: Vec<u64> = (1..8).map(|n| next_delay(false, n).as_secs()).collect();
        assert_eq!(first, [1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(next_delay(false, u32::MAX), MAX_FIRST_RETRY);
    }
}
