//! JSON objects as Graph sends them: read leniently, one level at a time, values untouched until they are needed.
//!
//! `serde_json::Value` would keep the last of two equal keys silently, and a derived struct would refuse them; here the
//! caller sees them and decides. A value that nobody asks for may hold anything that JSON's grammar allows, lone
//! surrogates among it.
//!
//! **Invariants**
//! 1. Text that is nested deeper than [`MAX_DEPTH`] is refused before anything descends into it.
//! 2. Looking a key up in an object costs no more than the object is long; nothing here is quadratic.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::dialects::Dialects;
use crate::domain::{Dialect, Reason};

/// The deepest nesting that is read: what `serde_json` itself allows.
pub(super) const MAX_DEPTH: usize = 128;

/// Above this many entries repeated keys are looked for by hashing.
const FEW_ENTRIES: usize = 32;

/// Reads bytes as text that may be JSON: UTF-8, not too deep.
///
/// # Errors
/// [`Reason::JsonInvalid`] or [`Reason::JsonDepth`].
pub(super) fn text_of(bytes: &[u8], max_depth: usize) -> Result<&str, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| Reason::JsonInvalid)?;
    if is_deeper_than(max_depth, text) { Err(Reason::JsonDepth) } else { Ok(text) }
}

/// Whether JSON text nests deeper than `limit`. `serde_json` skips values without counting, so it must be asked first.
fn is_deeper_than(limit: usize, text: &str) -> bool {
    // Most bodies have fewer brackets than the limit: counting them is one vectorised pass.
    let n_opened = text.bytes().map(|byte| usize::from(byte | 0x20 == b'{')).sum::<usize>();
    if n_opened <= limit {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Why text that `serde_json` refused was refused: no JSON, or JSON of another shape.
pub(super) fn reason_of(error: &serde_json::Error) -> Reason {
    if error.is_data() { Reason::Shape } else { Reason::JsonInvalid }
}

/// A key, borrowed where it holds no escapes.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Keys)
    }
}

/// One JSON object: its keys decoded, its values as they stand in the text.
#[derive(Debug)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some(Key(key)) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'a> Object<'a> {
    /// Reads one object.
    ///
    /// # Errors
    /// [`Reason::JsonInvalid`], or [`Reason::Shape`] where it is JSON but no object.
    pub(super) fn read(text: &'a str) -> Result<Self, Reason> {
        serde_json::from_str(text).map_err(|error| reason_of(&error))
    }

    /// The entries, in the order of the text.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// The value of a key, the last one where it is repeated. `null` is a value.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The value of a key, `None` where it is absent or `null`.
    pub(super) fn present(&self, key: &str) -> Option<&'a RawValue> {
        self.get(key).filter(|value| !is_null(value))
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// Whether any key is repeated.
    pub(super) fn repeats_any(&self) -> bool {
        if self.0.len() > FEW_ENTRIES {
            let mut seen = HashSet::with_capacity(self.0.len());
            return !self.0.iter().all(|(key, _)| seen.insert(key.as_ref()));
        }
        self.0.iter().enumerate().any(|(n, (key, _))| self.0[..n].iter().any(|(earlier, _)| earlier == key))
    }

    /// Whether one of `keys` is there more than once.
    pub(super) fn repeats(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.0.iter().filter(|(name, _)| name == key).nth(1).is_some())
    }

    /// The object as text, as it was read: of a repeated key the last one alone, each value untouched. Members that are
    /// not to be told are left out.
    pub(super) fn written(&self, is_told: impl Fn(&str) -> bool) -> String {
        let mut seen = HashSet::with_capacity(self.0.len());
        let last = self.0.iter().rev().filter(|(key, _)| seen.insert(key.as_ref()) && is_told(key));
        let mut members: Vec<String> =
            last.map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key.as_ref()))).collect();
        members.reverse();
        format!("{{{}}}", members.join(","))
    }

    /// Text: `None` where it is absent, `null` or empty.
    ///
    /// # Errors
    /// [`Reason::Shape`] where it is no text, [`Reason::JsonInvalid`] where it is not Unicode.
    pub(super) fn text(&self, key: &str, dialects: &mut Dialects) -> Result<Option<Cow<'a, str>>, Reason> {
        let Some(value) = self.present(key) else { return Ok(None) };
        let text = text(value)?;
        dialects.note_if(text.is_empty(), Dialect::EmptyForAbsent);
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Text that is only shown: as [`Object::text`], but what is not Unicode in it is replaced.
    ///
    /// # Errors
    /// [`Reason::Shape`] where it is no text.
    pub(super) fn shown(&self, key: &str, dialects: &mut Dialects) -> Result<Option<String>, Reason> {
        let Some(value) = self.present(key) else { return Ok(None) };
        let mended = mend_surrogates(value.get());
        let text: String = serde_json::from_str(&mended).map_err(|error| reason_of(&error))?;
        dialects.note_if(text.is_empty(), Dialect::EmptyForAbsent);
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

/// Whether a value is `null`.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// A value's text, borrowed where it holds no escapes.
///
/// # Errors
/// [`Reason::Shape`] where it is no text, [`Reason::JsonInvalid`] where it is not Unicode.
pub(super) fn text(value: &RawValue) -> Result<Cow<'_, str>, Reason> {
    let Key(text) = serde_json::from_str(value.get()).map_err(|error| reason_of(&error))?;
    Ok(text)
}

/// Replaces lone surrogates (`\ud800`) by the replacement character. JSON's grammar allows them, Unicode does not.
pub(super) fn mend_surrogates(json: &str) -> Cow<'_, str> {
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

/// The UTF-16 unit that the escape at `at` stands for.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at.checked_add(6)?)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nesting_is_counted_outside_of_text_only() {
        assert_eq!(text_of("[".repeat(129).as_bytes(), MAX_DEPTH), Err(Reason::JsonDepth));
        let flat = format!("[{}]", vec![r#""{[{[\"{""#; 500].join(","));
        assert!(text_of(flat.as_bytes(), MAX_DEPTH).is_ok());
        let just = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert!(text_of(just.as_bytes(), MAX_DEPTH).is_ok());
        assert_eq!(text_of(b"\xff\xfe{", MAX_DEPTH), Err(Reason::JsonInvalid));
    }

    #[test]
    fn a_repeated_key_is_seen_in_any_spelling_and_the_last_one_counts() {
        let object = Object::read(r#"{"state": 1, "\u0073tate": 2}"#).unwrap();
        assert!(object.repeats_any() && object.repeats(&["state"]));
        assert_eq!(object.get("state").map(RawValue::get), Some("2"));
    }

    #[test]
    fn an_object_is_written_as_it_was_read() {
        let object = Object::read(r#"{"a": 1, "b\"": [1.50, "\ud800"], "secret": 0, "\u0061": 2 }"#).unwrap();
        assert_eq!(object.written(|key| key != "secret"), r#"{"b\"":[1.50, "\ud800"],"a":2}"#);
        assert_eq!(Object::read("{}").unwrap().written(|_| true), "{}");
    }

    #[test]
    fn many_keys_are_compared_by_hashing() {
        let keys: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":0")).collect();
        let unique = format!("{{{}}}", keys.join(","));
        assert!(!Object::read(&unique).unwrap().repeats_any());
        let repeated = format!("{{{},\"k7\":1}}", keys.join(","));
        assert!(Object::read(&repeated).unwrap().repeats_any());
    }

    #[test]
    fn a_lone_surrogate_costs_only_its_own_text() {
        let object = Object::read(r#"{"a": "\ud800", "b": "fine", "c": "\ud83d\ude00 \\ud800 \udc00x"}"#).unwrap();
        let mut dialects = Dialects::default();
        assert_eq!(object.text("b", &mut dialects).unwrap().as_deref(), Some("fine"));
        assert_eq!(object.text("a", &mut dialects), Err(Reason::JsonInvalid));
        assert_eq!(object.shown("a", &mut dialects).unwrap().as_deref(), Some("\u{fffd}"));
        assert_eq!(object.shown("c", &mut dialects).unwrap().as_deref(), Some("😀 \\ud800 \u{fffd}x"));
    }

    #[test]
    fn what_is_json_but_no_object_has_the_wrong_shape() {
        assert_eq!(Object::read("[1]").map(|_| ()), Err(Reason::Shape));
        assert_eq!(Object::read("{").map(|_| ()), Err(Reason::JsonInvalid));
        assert_eq!(Object::read("{} trailing").map(|_| ()), Err(Reason::JsonInvalid));
        assert_eq!(Object::read("\u{feff}{}").map(|_| ()), Err(Reason::JsonInvalid));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".{0,200}") {
            let _ = Object::read(&text).map(|object| object.repeats_any());
            let _ = mend_surrogates(&text);
        }

        #[test]
        fn mended_text_is_always_unicode(escapes in prop::collection::vec("\\\\u[0-9a-fA-F]{4}|\\\\\\\\|[a-zé]", 0..30)) {
            let json = format!("\"{}\"", escapes.concat());
            prop_assert!(serde_json::from_str::<String>(&mend_surrogates(&json)).is_ok(), "{json}");
        }
    }
}
