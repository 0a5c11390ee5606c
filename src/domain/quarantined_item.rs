//! Notifications that failed verification.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;

use super::{Channel, Raw, Reason, Request};

/// A notification that could not be verified. It is stored, bounded, and never reaches a sink.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// Where it came in.
    pub channel: Channel,
    /// Why it is quarantined.
    pub reason: Reason,
    /// The tenant that its sender verifiably belongs to, if known.
    pub tenant_id: Option<String>,
    /// The item (or the whole body, where no items could be told apart), byte for byte.
    pub raw: Raw,
    /// The facts of its POST.
    pub request: Arc<Request>,
    /// Whether it had one of our `clientState`s, and was refused for another fault.
    pub had_client_state: bool,
    /// The tokens of its POST, if they will verify it once the provider's keys are there.
    pub held: Option<Arc<HeldTokens>>,
}

/// The `validationTokens` of a POST whose items wait for the provider's keys. They are wiped when they are dropped.
#[derive(Debug)]
pub struct HeldTokens {
    /// As they came: a JSON array.
    pub tokens: SecretString,
    /// When they arrived: their times are checked against this.
    pub arrived_at: Timestamp,
}

impl Quarantined {
    /// Whether its sender showed nothing that we know: neither a call's token nor a change's `clientState`. These are
    /// checked first, so such an item has one of these reasons.
    pub fn is_strangers(&self) -> bool {
        let is_first =
            matches!(self.reason, Reason::ClientState | Reason::JsonDuplicate | Reason::JsonInvalid | Reason::Shape);
        self.channel != Channel::Calls && is_first && !self.had_client_state
    }
}
