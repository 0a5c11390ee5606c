//! What is known of checks and items before the deliveries are seen.

use super::check::{Channel, Check, Mark};

/// A check whose deliveries are still to be seen, or those of a check that it is made after.
pub(super) struct Pending {
    pub index: usize,
    pub channel: Channel,
    pub check: &'static Check,
    /// Each with the label of its POST.
    pub strangers: Vec<(&'static str, Mark)>,
    pub answers: Judged,
}

/// A genuine item that was answered 2xx.
pub(super) struct Accepted {
    pub channel: Channel,
    pub check: &'static Check,
    pub label: &'static str,
    pub mark: Mark,
    /// Whether it was delivered.
    pub is_seen: bool,
}

/// What a check's answers say.
pub(super) struct Judged {
    /// Beside the deliveries, where they are seen.
    pub beside: Result<(), String>,
    /// By themselves: for where nothing is delivered at all, so that it says nothing if a stranger's item is not.
    pub alone: Result<(), String>,
}
