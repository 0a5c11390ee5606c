//! Lone surrogates: halves of characters. JSON's grammar allows them in escapes, Unicode does not.

use std::borrow::Cow;

/// Replaces lone surrogates (`\ud800`) with the replacement character.
pub(super) fn mend(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let bytes = json.as_bytes();
    let (mut mended, mut kept, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match (unit(json, at), unit(json, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(&json[kept..at]);
                mended.push_str("\\ufffd");
                at += 6;
                kept = at;
            }
            (Some(_), _) => at += 6,
            (None, _) => at += 2,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[kept..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of the escape at `at`.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at.checked_add(6)?)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pair_stays_and_a_half_is_replaced() {
        assert_eq!(
            mend(r#"["\ud83d\ude00","\ud800","\\ud800","\udc00x"]"#),
            r#"["\ud83d\ude00","\ufffd","\\ud800","\ufffdx"]"#
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = mend(&text);
        }

        #[test]
        fn mended_text_is_always_unicode(escapes in prop::collection::vec("\\\\u[0-9a-fA-F]{4}|\\\\\\\\|[a-zé]", 0..30)) {
            let json = format!("\"{}\"", escapes.concat());
            prop_assert!(serde_json::from_str::<String>(&mend(&json)).is_ok(), "{json}");
        }
    }
}
