//! Reasons: what an operator is told of a failed attempt. They end in logs, the store and the API.
//!
//! **Invariant**: a reason is short, one line, and moves no terminal's cursor, whatever the far side sent.

use super::DeliveryError;
pub(super) use crate::wording::foreign::shown;

/// The most characters of a reason.
pub const MAX_REASON_CHARS: usize = 300;

/// A failure after which a later attempt may succeed.
pub(super) fn retry(reason: &str) -> DeliveryError {
    DeliveryError::Retry { reason: shown(reason, MAX_REASON_CHARS), after: None, pause: false }
}

/// The same, where every other delivery to this sink would fail just so.
pub(super) fn retry_all(reason: &str) -> DeliveryError {
    DeliveryError::Retry { reason: shown(reason, MAX_REASON_CHARS), after: None, pause: true }
}
