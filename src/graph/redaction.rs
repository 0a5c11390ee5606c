//! A quarantined body for a caller who may not see the secrets in it.
//!
//! **Invariants**
//! 1. The value of every key that names a secret is hidden, in any spelling and at any depth.
//! 2. A body that is not JSON is not shown at all, because reelhook cannot find the secrets in it.

use serde_json::value::RawValue;

use super::nesting::{self, MAX_DEPTH};
use super::payload::{self, Object};
use super::{surrogates, walk};

/// Replaces each secret.
const HIDDEN: &str = "\"(hidden)\"";

/// The body with each secret replaced: tokens of recordings, join tokens and passcodes of meetings, `clientState`,
/// `validationTokens`. `None` if the body is not JSON.
pub fn without_secrets(body: &[u8]) -> Option<String> {
    let text = surrogates::mend(nesting::document(body, MAX_DEPTH).ok()?);
    let value: &RawValue = serde_json::from_str(&text).ok()?;
    let mut shown = String::with_capacity(text.len());
    write(value, &mut shown)?;
    Some(shown)
}

/// Whether a key names a secret. This hides more than necessary, so that new kinds of tokens are hidden as well.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "clientstate" || key == "passcode" || key.ends_with("token") || key.ends_with("tokens")
}

/// The recursion is limited by the depth that was checked.
fn write(value: &RawValue, shown: &mut String) -> Option<()> {
    match value.get().as_bytes().first()? {
        b'{' => {
            let (mut before, mut written) = ('{', Some(()));
            Object::read(value.get()).ok()?.every(|key, value| {
                shown.push(std::mem::replace(&mut before, ','));
                walk::push_member(shown, key, "");
                if is_secret(key) && !payload::is_null(value) {
                    shown.push_str(HIDDEN);
                } else {
                    written = written.and_then(|()| write(value, shown));
                }
            });
            shown.push_str(if before == '{' { "{}" } else { "}" });
            written?;
        }
        b'[' => {
            let (mut before, mut written) = ('[', Some(()));
            walk::each_element(value.get(), |element| {
                shown.push(std::mem::replace(&mut before, ','));
                written = written.and_then(|()| write(element, shown));
                true
            })
            .ok()?;
            shown.push_str(if before == '[' { "[]" } else { "]" });
            written?;
        }
        _ => shown.push_str(value.get()),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_in_every_spelling_and_depth_and_the_rest_stays_as_it_came() {
        for (body, shown) in [
            (r#"{"a": [1.50, {"recordingAccessToken": "s"}]}"#, r#"{"a":[1.50,{"recordingAccessToken":"(hidden)"}]}"#),
            (r#"{"RecordResource\u0041ccessToken":"s"}"#, r#"{"RecordResourceAccessToken":"(hidden)"}"#),
            (r#"{"clientState":"s","clientState":"t"}"#, r#"{"clientState":"(hidden)","clientState":"(hidden)"}"#),
            (
                r#"{"validationTokens":["s"],"clientState":null}"#,
                r#"{"validationTokens":"(hidden)","clientState":null}"#,
            ),
            (r#"{"meetingInfo":{"token":"s","x":"\ud800"}}"#, r#"{"meetingInfo":{"token":"(hidden)","x":"\ufffd"}}"#),
            ("\u{feff}[{\"passcode\":\"s\"}]", r#"[{"passcode":"(hidden)"}]"#),
        ] {
            assert_eq!(without_secrets(body.as_bytes()).as_deref(), Some(shown));
        }
    }

    #[test]
    fn what_is_no_json_is_not_shown() {
        for body in [&b""[..], b"clientState=s", b"{\"clientState\":\"s\"", b"\xff", &[b'['; 200]] {
            assert_eq!(without_secrets(body), None, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = without_secrets(&body);
        }

        #[test]
        fn no_canary_comes_through(json in r#"\{("(a|clientState|\\u0063lientState|x_Token)":("canary"|\["canary"\]|\{"b":"canary"\}),){1,4}"z":0\}"#) {
            let hides_all = !json.contains("\"a\":");
            let shown = without_secrets(json.as_bytes()).unwrap();
            prop_assert!(!hides_all || !shown.contains("canary"), "{}", shown);
        }
    }
}
