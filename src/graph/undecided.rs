//! Items that cannot be judged yet: they need a validation token, and the provider's keys were never reached. They are in
//! the quarantine, and wait here, with the tokens of their POST, for the keys that decide.
//!
//! **Invariants**
//! 1. What waits is bounded in number and bytes. What finds no place is refused before it is acknowledged, and comes again.
//! 2. Nothing here is ever written anywhere; it is wiped when it is dropped.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::change::Subscriptions;
use super::payload;
use super::validation::Coverage;
use crate::domain::{Channel, Quarantined, Raw, Reason, Verified};

/// The most items that wait.
const MAX_ITEMS: usize = 1_000;
/// The most bytes that wait, items and tokens together.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// An item that waits to be judged.
#[derive(Clone)]
pub struct Undecided {
    channel: Channel,
    raw: Raw,
    post: Arc<Post>,
}

/// What the items of one POST share.
struct Post {
    tokens: Zeroizing<String>,
    /// In seconds: the tokens are as good as they were then.
    arrived_at: i64,
    _places: [OwnedSemaphorePermit; 2],
}

impl fmt::Debug for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undecided").field("raw", &self.raw).finish_non_exhaustive()
    }
}

impl Undecided {
    /// What of it goes to the quarantine meanwhile: the item, and no token.
    pub fn quarantined(&self) -> Quarantined {
        let (channel, raw) = (self.channel, self.raw.clone());
        Quarantined { channel, reason: Reason::KeysUnavailable, tenant_id: None, raw }
    }

    /// The `validationTokens` that it came with.
    fn tokens(&self) -> Option<&RawValue> {
        serde_json::from_str(&self.post.tokens).ok()
    }
}

impl Subscriptions {
    /// Whether there are keys by which [`Subscriptions::decide`] can decide.
    pub fn can_decide(&self) -> bool {
        self.tokens.can_decide()
    }

    /// Judges an item that waited for keys, as it would have been when it came.
    ///
    /// # Errors
    /// Why it proves nothing; [`Reason::Shed`] where too much waits to be decrypted now.
    pub async fn decide(&self, item: &Undecided) -> Result<Vec<Verified>, Reason> {
        let opened = self.open(payload::document(&item.raw.0, payload::MAX_DEPTH)?, &item.raw)?;
        let coverage = Coverage::of(item.tokens(), &self.tokens, item.post.arrived_at).await;
        self.read_one(opened.proven_by(&coverage)?, item.channel).await
    }
}

/// The places for what waits.
pub(super) struct Places {
    items: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self { items: Arc::new(Semaphore::new(MAX_ITEMS)), bytes: Arc::new(Semaphore::new(MAX_BYTES)) }
    }
}

impl Places {
    /// Has a POST's items wait, all or none of them: `None` where there are not places enough.
    pub(super) fn take(
        &self,
        items: &[Raw],
        channel: Channel,
        (tokens, arrived_at): (Option<&RawValue>, i64),
    ) -> Option<Vec<Undecided>> {
        if items.is_empty() {
            return Some(Vec::new());
        }
        let tokens = Zeroizing::new(tokens.map_or("null", RawValue::get).to_owned());
        let n_bytes = tokens.len() + items.iter().map(|raw| raw.0.len()).sum::<usize>();
        let taken =
            |places: &Arc<Semaphore>, n: usize| Arc::clone(places).try_acquire_many_owned(u32::try_from(n).ok()?).ok();
        let places = [taken(&self.items, items.len())?, taken(&self.bytes, n_bytes)?];
        let post = Arc::new(Post { tokens, arrived_at, _places: places });
        // Copied, since a slice would keep the whole body.
        let waiting = |raw: &Raw| Undecided {
            channel,
            raw: Raw(Bytes::from_owner(Zeroizing::new(raw.0.to_vec()))),
            post: Arc::clone(&post),
        };
        Some(items.iter().map(waiting).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes_and_gives_its_places_back() {
        let places = Places::default();
        let take = |n: usize, n_bytes: usize| {
            let items = vec![Raw(Bytes::from(vec![b'x'; n_bytes])); n];
            places.take(&items, Channel::Subscriptions, (None, 0))
        };
        let one = take(1, 10).unwrap();
        assert!(take(MAX_ITEMS, 1).is_none() && take(1, MAX_BYTES - 10).is_none());
        let others = take(MAX_ITEMS - 1, 10).unwrap();
        assert!(take(1, 1).is_none());
        assert_eq!(take(0, 0).map(|none| none.len()), Some(0));
        drop(one);
        assert!(take(1, 1).is_some());
        drop(others);
        let large = take(1, MAX_BYTES - "null".len()).unwrap();
        assert!(take(1, 1).is_none());
        drop(large);
        assert!(take(MAX_ITEMS, 1).is_some());
    }
}
