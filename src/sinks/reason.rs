//! Reasons: what an operator is told of a failed attempt. They end in logs, the store and the API.
//!
//! **Invariant**: a reason is short, one line, and moves no terminal's cursor, whatever the far side sent.

use super::DeliveryError;
use crate::domain::moves_terminal;

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

/// `text` on one line, with control characters spelt out, cut to `limit` characters.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut n = 0;
    for character in text.chars() {
        let escaped = moves_terminal(character);
        n += if escaped { character.escape_unicode().count() } else { 1 };
        if n >= limit {
            shown.push('…');
            break;
        }
        if escaped {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn threat_54_control_characters_are_spelt_out() {
        assert_eq!(shown("a\r\n\u{1b}[31mb\u{202e}c", 100), "a\\u{d}\\u{a}\\u{1b}[31mb\\u{202e}c");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_short_and_on_one_line(text in any::<String>(), limit in 1usize..400) {
            let shown = shown(&text, limit);
            prop_assert!(shown.chars().count() <= limit);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
