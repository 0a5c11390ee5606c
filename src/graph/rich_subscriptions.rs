//! The subscriptions that send encrypted content. Graph sends validation tokens with everything that such a
//! subscription sends, so its plain items need one too. Otherwise an attacker who knows the `clientState` could simply
//! leave `encryptedContent` out.
//!
//! **Invariants**
//! 1. A subscription is learned only from an item that a validation token verified.
//! 2. The number of learned subscriptions is limited. Those in the config are never forgotten.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::{GraphId, MAX_RICH_SUBSCRIPTIONS};

/// The subscriptions that send encrypted content.
pub(super) struct Rich {
    configured: HashSet<String>,
    learned: Arc<RwLock<Learned>>,
}

#[derive(Default)]
struct Learned {
    ids: HashSet<String>,
    in_order: VecDeque<String>,
}

impl Rich {
    /// Starts with the subscriptions that the config names.
    pub(super) fn new(configured: &[String]) -> Self {
        Self { configured: configured.iter().map(|id| key(id)).collect(), learned: Arc::default() }
    }

    /// With the subscriptions that another config names. What was learned, and what will be learned, is shared.
    pub(super) fn again(&self, configured: &[String]) -> Self {
        Self { learned: Arc::clone(&self.learned), ..Self::new(configured) }
    }

    /// Whether a subscription sends encrypted content.
    pub(super) fn holds(&self, subscription_id: &str) -> bool {
        if self.configured.is_empty() && self.learned.read().ids.is_empty() {
            return false;
        }
        let id = key(subscription_id);
        self.configured.contains(&id) || self.learned.read().ids.contains(&id)
    }

    /// Adds subscriptions that were learned, in this run or an earlier one.
    pub(super) fn remember(&self, subscription_ids: &[String]) {
        let mut learned = self.learned.write();
        for id in subscription_ids.iter().map(|id| key(id)) {
            if learned.ids.insert(id.clone()) {
                learned.in_order.push_back(id);
            }
            if learned.in_order.len() > MAX_RICH_SUBSCRIPTIONS
                && let Some(oldest) = learned.in_order.pop_front()
            {
                learned.ids.remove(&oldest);
            }
        }
    }
}

/// One spelling for each id: GUIDs come in several.
pub(super) fn key(subscription_id: &str) -> String {
    GraphId::new(subscription_id).map_or_else(String::new, |id| id.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_known_in_every_spelling_of_its_id() {
        let rich = Rich::new(&["76222963-CC7B-42D2-882D-8AAA69CB2BA3".into()]);
        assert!(rich.holds("76222963cc7b42d2882d8aaa69cb2ba3") && !rich.holds("another"));
        rich.remember(&["another".into()]);
        assert!(rich.holds("another"));
    }

    #[test]
    fn what_is_learned_is_bounded_and_what_is_configured_stays() {
        let rich = Rich::new(&["configured".into()]);
        let ids: Vec<String> = (0..=MAX_RICH_SUBSCRIPTIONS).map(|n| n.to_string()).collect();
        rich.remember(&ids);
        rich.remember(&ids[1..]);
        assert!(
            !rich.holds("0")
                && rich.holds("1")
                && rich.holds(&MAX_RICH_SUBSCRIPTIONS.to_string())
                && rich.holds("configured")
        );
    }
}
