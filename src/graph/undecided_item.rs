//! Items that cannot be verified yet: they need a validation token, and the keys could not be fetched. They
//! are in the quarantine. Here they wait, with the tokens of their POST, until there are keys.
//!
//! **Invariants**
//! 1. The number and the bytes of waiting items are limited. A POST that finds no place is refused, and Graph sends it
//!    again.
//! 2. A waiting item is also in the store, its tokens encrypted, and so survives a restart. The copy here is wiped when
//!    it is dropped.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::domain::{Channel, HeldTokens, Quarantined, Raw, Reason};

/// The most waiting items.
const MAX_ITEMS: usize = 1_000;
/// The most bytes of waiting items and their tokens.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// An item that waits for keys.
#[derive(Clone)]
pub struct Undecided {
    pub(super) channel: Channel,
    pub(super) raw: Raw,
    post: Arc<Post>,
}

/// The parts that the items of one POST share.
struct Post {
    held: Arc<HeldTokens>,
    _places: [OwnedSemaphorePermit; 2],
}

impl fmt::Debug for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undecided").field("raw", &self.raw).finish_non_exhaustive()
    }
}

impl Undecided {
    /// The quarantine entry of the item while it waits.
    pub fn quarantined(&self) -> Quarantined {
        let (channel, raw, held) = (self.channel, self.raw.clone(), Some(Arc::clone(&self.post.held)));
        let (reason, request) = (Reason::KeysUnavailable, Arc::default());
        Quarantined { channel, reason, tenant_id: None, raw, request, had_client_state: true, held }
    }

    /// When it arrived.
    pub fn arrived_at(&self) -> Timestamp {
        self.post.held.arrived_at
    }

    /// The `validationTokens` of its POST.
    pub(super) fn tokens(&self) -> Option<&RawValue> {
        serde_json::from_str(self.post.held.tokens.expose_secret()).ok()
    }
}

/// The places for waiting items. A clone has the same places.
#[derive(Clone)]
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
    /// Takes places for the items of a POST, for all or none. `None`: there are not enough places.
    pub(super) fn take(
        &self,
        items: &[Raw],
        channel: Channel,
        (tokens, arrived_at): (Option<&RawValue>, Timestamp),
    ) -> Option<Vec<Undecided>> {
        if items.is_empty() {
            return Some(Vec::new());
        }
        let tokens = SecretString::from(tokens.map_or("null", RawValue::get));
        self.take_with(items, channel, Arc::new(HeldTokens { tokens, arrived_at }))
    }

    /// The same for tokens that are already stored.
    pub(super) fn take_with(&self, items: &[Raw], channel: Channel, held: Arc<HeldTokens>) -> Option<Vec<Undecided>> {
        let n_bytes = held.tokens.expose_secret().len() + items.iter().map(|raw| raw.0.len()).sum::<usize>();
        let taken =
            |places: &Arc<Semaphore>, n: usize| Arc::clone(places).try_acquire_many_owned(u32::try_from(n).ok()?).ok();
        let places = [taken(&self.items, items.len())?, taken(&self.bytes, n_bytes)?];
        let post = Arc::new(Post { held, _places: places });
        // Copied, because a slice would keep the whole body in memory.
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
            places.take(&items, Channel::Subscriptions, (None, Timestamp::UNIX_EPOCH))
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
