//! Members that are secrets: with them anybody can fetch a recording or join a meeting.
//!
//! - `recordingAccessToken` and `recordResourceAccessToken`, wherever they stand: they open a recording;
//! - `token` and `passcode`, wherever they stand below a `meetingInfo`
//!   (<https://learn.microsoft.com/graph/api/resources/tokenmeetinginfo>,
//!   <https://learn.microsoft.com/graph/api/resources/joinmeetingidmeetinginfo>): they let a caller into a meeting;
//! - `passcode` below `joinMeetingIdSettings`
//!   (<https://learn.microsoft.com/graph/api/resources/joinmeetingidsettings>): the same.
//!
//! **Invariants**
//! 1. The text from this module is JSON on one line that every reader accepts: no lone surrogates, no numbers out of
//!    range.
//! 2. The text contains no secret, however its key was spelled. The secrets are in a separate value.

use std::cell::Cell;
use std::fmt;

use secrecy::SecretString;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::payload::Object;
use super::surrogates;
use super::walk::{self, Key};

/// JSON without its secrets, and the secrets.
#[derive(Debug)]
pub(super) struct Clean {
    /// The text, as Graph sent it unless something had to change.
    pub(super) text: String,
    /// See [`crate::domain::Notification::secrets`].
    pub(super) secrets: Option<SecretString>,
}

/// The kind of object that a member is in.
#[derive(Clone, Copy)]
enum Within {
    Any,
    Meeting,
    JoinSettings,
}

impl Within {
    fn is_secret(self, key: &str) -> bool {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        is_recording_token(key)
            || match self {
                Self::Any => false,
                Self::Meeting => is("token") || is("passcode"),
                Self::JoinSettings => is("passcode"),
            }
    }

    /// The kind of object that a member's value is.
    fn below(self, key: &str) -> Self {
        if key.eq_ignore_ascii_case("meetingInfo") {
            Self::Meeting
        } else if key.eq_ignore_ascii_case("joinMeetingIdSettings") {
            Self::JoinSettings
        } else {
            self
        }
    }
}

/// Whether a key names a recording's token.
pub(super) fn is_recording_token(key: &str) -> bool {
    key.eq_ignore_ascii_case("recordingAccessToken") || key.eq_ignore_ascii_case("recordResourceAccessToken")
}

/// Cleans the value of a member, or a whole resource, which has no key.
pub(super) fn clean(key: &str, json: &str) -> Clean {
    let within = Within::Any.below(key);
    let json = surrogates::mend(json);
    let holds_secret = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_str(&json);
    let is_readable = Inspect { within, holds_secret: &holds_secret }.deserialize(&mut reader).is_ok();
    if is_readable && !holds_secret.get() {
        return Clean { text: on_one_line(json.into_owned()), secrets: None };
    }
    let mut copy = Copy { text: String::with_capacity(json.len()), path: String::new(), secrets: String::new() };
    copy.value(within, &json);
    let Copy { text, mut secrets, .. } = copy;
    if !secrets.is_empty() {
        secrets.push('}');
    }
    Clean { text, secrets: Some(secrets).filter(|it| !it.is_empty()).map(SecretString::from) }
}

/// Writes a text, a number, `true`, `false` or `null`; a number out of range as text.
fn push_leaf(text: &mut String, json: &str) {
    let is_number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if is_number && json.parse().is_ok_and(f64::is_infinite) {
        text.push('"');
        text.push_str(json);
        text.push('"');
    } else {
        text.push_str(json);
    }
}

/// Copies JSON without its secrets.
struct Copy {
    text: String,
    /// The JSON pointer to the value that is being copied (RFC 6901).
    path: String,
    /// A JSON object with pointers to secrets, not closed yet.
    secrets: String,
}

impl Copy {
    fn value(&mut self, within: Within, json: &str) {
        if json.starts_with('{') {
            let mut is_first = true;
            let Ok(object) = Object::read(json) else { return self.text.push_str("null") };
            object.each(|key, value| {
                let n = self.path.len();
                self.path.push('/');
                self.path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                if within.is_secret(key) {
                    self.take(value.get());
                } else {
                    self.text.push(if std::mem::take(&mut is_first) { '{' } else { ',' });
                    walk::push_member(&mut self.text, key, "");
                    self.value(within.below(key), value.get());
                }
                self.path.truncate(n);
            });
            self.text.push_str(if is_first { "{}" } else { "}" });
        } else if json.starts_with('[') {
            let mut n_elements = 0;
            let _ = walk::each_element(json, |value| {
                let n = self.path.len();
                self.path.push_str(&format!("/{n_elements}"));
                self.text.push(if n_elements == 0 { '[' } else { ',' });
                self.value(within, value.get());
                self.path.truncate(n);
                n_elements += 1;
                true
            });
            self.text.push_str(if n_elements == 0 { "[]" } else { "]" });
        } else {
            push_leaf(&mut self.text, json);
        }
    }

    /// Stores a secret. `null` is not a secret.
    fn take(&mut self, value: &str) {
        if value == "null" {
            return;
        }
        self.secrets.push(if self.secrets.is_empty() { '{' } else { ',' });
        let mut kept = String::new();
        push_leaf(&mut kept, value);
        walk::push_member(&mut self.secrets, &self.path, &kept);
    }
}

/// JSON without the white space between its parts, if that contains line breaks: sinks write one event on each line.
fn on_one_line(json: String) -> String {
    if !json.contains(['\n', '\r']) {
        return json;
    }
    let (mut in_text, mut escaped) = (false, false);
    let keep = |c: &char| {
        let is_space = !in_text && matches!(c, ' ' | '\t' | '\n' | '\r');
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        !is_space
    };
    json.chars().filter(keep).collect()
}

/// Reads through a value without storing it: whether every JSON reader can read it, and whether it contains a secret.
#[derive(Clone, Copy)]
struct Inspect<'c> {
    within: Within,
    holds_secret: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Inspect<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inspect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        if number.is_finite() { Ok(()) } else { Err(E::custom("a number out of range")) }
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            if self.within.is_secret(&key) {
                self.holds_secret.set(true);
            }
            map.next_value_seed(Inspect { within: self.within.below(&key), ..self })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::Value;

    fn cleaned(json: &str) -> (String, Option<String>) {
        let clean = clean("", json);
        (clean.text, clean.secrets.map(|secrets| secrets.expose_secret().to_owned()))
    }

    #[test]
    fn no_token_stays_in_any_spelling() {
        for key in
            ["recordingAccessToken", "RECORDINGACCESSTOKEN", "recordResourceAccessToken", "recording\\u0041ccessToken"]
        {
            let (text, secrets) =
                cleaned(&format!(r#"{{"call":{{"operations":[{{"{key}":"secret","kept":1.50}}]}}}}"#));
            assert_eq!(text, r#"{"call":{"operations":[{"kept":1.50}]}}"#);
            let secrets: Value = serde_json::from_str(&secrets.unwrap()).unwrap();
            let (path, secret) = secrets.as_object().unwrap().iter().next().unwrap();
            assert!(path.starts_with("/call/operations/0/rec") || path.starts_with("/call/operations/0/REC"), "{path}");
            assert_eq!(secret, "secret");
        }
    }

    #[test]
    fn what_lets_into_a_meeting_is_a_secret_and_other_tokens_are_not() {
        let json = r#"{"token":"kept","meetingInfo":{"Token":"t","deep":[{"passcode":"p~/"}],"x":null},"a/b":{"joinMeetingIdSettings":{"passcode":"q","token":"kept"}}}"#;
        let (text, secrets) = cleaned(json);
        assert_eq!(
            text,
            r#"{"token":"kept","meetingInfo":{"deep":[{}],"x":null},"a/b":{"joinMeetingIdSettings":{"token":"kept"}}}"#
        );
        assert_eq!(
            secrets.unwrap(),
            r#"{"/meetingInfo/Token":"t","/meetingInfo/deep/0/passcode":"p~/","/a~1b/joinMeetingIdSettings/passcode":"q"}"#
        );
        assert_eq!(clean("meetingInfo", r#"{"token":"t"}"#).text, "{}", "the value of a member of that name");
        assert_eq!(cleaned(r#"{"meetingInfo":{"token":null}}"#), (r#"{"meetingInfo":{}}"#.into(), None));
    }

    #[test]
    fn text_that_readers_would_refuse_is_changed_as_little_as_it_can_be() {
        assert_eq!(cleaned(r#"{"a":"\ud800"}"#).0, r#"{"a":"\ufffd"}"#);
        assert_eq!(cleaned(r#"{"a": [1e999, -1E+400, 1.50]}"#).0, r#"{"a":["1e999","-1E+400",1.50]}"#);
        assert_eq!(cleaned("1e999").0, r#""1e999""#);
    }

    #[test]
    fn line_breaks_between_the_parts_do_not_survive() {
        let json = "{\r\n  \"a b\" : [ 1,\t2 ],\n \"c\": \"\\\" { \\\\\", \"d\": true }";
        assert_eq!(cleaned(json).0, r#"{"a b":[1,2],"c":"\" { \\","d":true}"#);
    }

    proptest! {
        #[test]
        fn what_is_clean_can_be_read_and_holds_no_token(
            json in r#"\{("(a|recordingAccessToken|\\ud800)":("x"|1e9|1e999|null|\{\}|\[\]),){0,4}"z":0\}"#,
        ) {
            let value: Value = serde_json::from_str(&cleaned(&json).0).unwrap();
            prop_assert!(value.get("recordingAccessToken").is_none() && value["z"] == 0);
        }
    }
}
