//! Where a notification came in.

use serde::{Deserialize, Serialize};

/// Where a notification came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// The calling bot's callback: the only channel that carries record operations.
    Calls,
    /// Change notifications of subscriptions.
    Subscriptions,
    /// Lifecycle notifications of subscriptions.
    Lifecycle,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Calls, Self::Subscriptions, Self::Lifecycle];

    /// The text used in metrics, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Subscriptions => "subscriptions",
            Self::Lifecycle => "lifecycle",
        }
    }

    /// Reads [`Channel::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}
