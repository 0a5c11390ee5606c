//! An item that waits for the provider's keys, as the store keeps it across a restart.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Channel, HeldTokens, Raw, Request};

/// The longest that an item waits: Graph's tokens are valid for a day, and are kept no longer.
pub const WAITS_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// An item that waits for the provider's keys.
#[derive(Debug)]
pub struct Waiting {
    /// Its quarantine entry.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// The bytes.
    pub raw: Raw,
    /// The facts of its POST.
    pub request: Arc<Request>,
    /// The tokens of its POST.
    pub held: Arc<HeldTokens>,
}
