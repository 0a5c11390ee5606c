//! The decision on items that waited for the provider's keys.

use std::sync::Arc;

use super::change::Subscriptions;
use super::nesting;
use super::undecided_item::Undecided;
use super::validation::Coverage;
use crate::domain::{Channel, HeldTokens, Raw, Reason, Verified};

impl Subscriptions {
    /// Whether there are keys by which [`Subscriptions::decide`] can decide.
    pub fn can_decide(&self) -> bool {
        self.tokens.can_decide()
    }

    /// Takes back an item that waited when the last process ended. `None`: there is no place.
    pub fn wait_on(&self, channel: Channel, raw: &Raw, held: Arc<HeldTokens>) -> Option<Undecided> {
        self.waiting.take_with(std::slice::from_ref(raw), channel, held)?.pop()
    }

    /// Verifies an item that waited for keys, as of the time at which it arrived.
    ///
    /// # Errors
    /// Why it failed verification. [`Reason::Shed`]: too many items wait to be decrypted now.
    pub async fn decide(&self, item: &Undecided) -> Result<Vec<Verified>, Reason> {
        let opened = self.open(nesting::document(&item.raw.0, nesting::MAX_DEPTH)?, &item.raw)?;
        let coverage = Coverage::of(item.tokens(), &self.tokens, item.arrived_at().as_second()).await;
        self.read_one(opened.proven_by(&coverage)?, item.channel).await
    }
}
