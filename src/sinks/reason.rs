//! Reasons: the texts about failed attempts. They appear in logs, the store and the API.
//!
//! **Invariant**: a reason is one short line without control characters, whatever the server sent.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use super::DeliveryError;
pub(super) use crate::wording::untrusted_text::shown;

/// The most characters of a reason.
pub const MAX_REASON_CHARS: usize = 300;

/// A failure after which a later attempt may succeed.
pub(super) fn retry(reason: &str) -> DeliveryError {
    DeliveryError::Retry { reason: shown(reason, MAX_REASON_CHARS), after: None, pause: false }
}

/// The same, if every other delivery to this sink would fail for the same reason.
pub(super) fn retry_all(reason: &str) -> DeliveryError {
    DeliveryError::Retry { reason: shown(reason, MAX_REASON_CHARS), after: None, pause: true }
}
