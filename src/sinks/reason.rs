//! Reasons: the texts about failed attempts. They appear in logs, the store and the API.
//!
//! **Invariant**: a reason is one short line without control characters, whatever the server sent.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::error::Error;

use super::DeliveryError;
pub(super) use crate::wording::untrusted_text::shown;

/// The most characters of a reason.
pub const MAX_REASON_CHARS: usize = 300;

/// A failure after which a later attempt may succeed.
pub(super) fn retry(reason: &str) -> DeliveryError {
    DeliveryError::Retry { reason: shown(reason, MAX_REASON_CHARS), after: None, pause: false }
}

/// An error and what caused it, each once: many libraries tell the cause only there.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A failure that no later attempt mends.
pub(super) fn reject(reason: &str) -> DeliveryError {
    DeliveryError::Reject { reason: shown(reason, MAX_REASON_CHARS) }
}

/// The same as [`retry`], if every other delivery to this sink would fail for the same reason.
pub(super) fn retry_all(reason: &str) -> DeliveryError {
    DeliveryError::Retry { reason: shown(reason, MAX_REASON_CHARS), after: None, pause: true }
}
