//! JSON objects as Graph sends them: read leniently, one level at a time. Values are not read until they are needed.
//!
//! `serde_json::Value` would silently keep the last of two equal keys, and a derived struct would refuse them; here the
//! caller sees both and decides. A value that is not needed may contain anything that JSON's grammar allows, also lone
//! surrogates.
//!
//! **Invariants**
//! 1. Reading an object stores only the members that may be needed, however many others it has: unknown senders send
//!    objects of 200,000 members. Functions that look at all members are called only after verification.
//! 2. Looking up a key takes time linear in the object's length at most; nothing here is quadratic.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::dialects::Dialects;
use super::surrogates;
use super::walk::{self, Key};
use crate::domain::{Dialect, Reason};

/// An object with at most this many members is stored whole, and its keys are compared one by one; keys of a larger one
/// are hashed.
const FEW_MEMBERS: usize = 32;

/// The keys that are stored of an object with many members. Other keys can be looked up too, but then the object is
/// read again.
const ASKED: &[&str] = &[
    // Of items.
    "id",
    "changeType",
    "resource",
    "resourceUrl",
    "resourceData",
    "clientState",
    "tenantId",
    "organizationId",
    "subscriptionId",
    "subscriptionExpirationDateTime",
    "lifecycleEvent",
    "validationTokens",
    "encryptedContent",
    "EncryptedContent",
    "value",
    // Of resources.
    "@odata.type",
    "oDataType",
    "@odata.id",
    "@odata.etag",
    "clientContext",
    "status",
    "resultInfo",
    "completionReason",
    "recordingLocation",
    "recordingAccessToken",
    "recordResourceLocation",
    "recordResourceAccessToken",
    "etag",
    "eTag",
    "changeKey",
    "version",
    "sequenceNumber",
    "rosterSequenceNumber",
    "code",
    "subcode",
    "subCode",
    "message",
    // Of encrypted content.
    "data",
    "dataKey",
    "dataSignature",
    "encryptionCertificateId",
    "encryptionCertificateThumbprint",
];

/// One JSON object: decoded keys, and values as slices of the text.
#[derive(Debug)]
pub(super) struct Object<'a> {
    text: &'a str,
    /// The first [`FEW_MEMBERS`] members in the order of the text, then those of [`ASKED`], each once.
    members: Vec<Member<'a>>,
    n_members: usize,
    /// Whether a key is repeated among `members`.
    is_repeating: bool,
}

#[derive(Debug)]
struct Member<'a> {
    key: Cow<'a, str>,
    /// After the first members: the last value of a repeated key.
    value: &'a RawValue,
    is_repeated: bool,
}

impl<'a> Object<'a> {
    /// Reads one object.
    ///
    /// # Errors
    /// [`Reason::JsonInvalid`]; [`Reason::Shape`] if it is JSON but not an object.
    pub(super) fn read(text: &'a str) -> Result<Self, Reason> {
        let mut object = Object { text, members: Vec::with_capacity(12), n_members: 0, is_repeating: false };
        let mut json = serde_json::Deserializer::from_str(text);
        Reader(&mut object)
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| walk::reason_of(&error))?;
        Ok(object)
    }

    fn hold(&mut self, key: Cow<'a, str>, value: &'a RawValue) {
        let earlier = self.members.iter_mut().rev().find(|member| member.key == key);
        let is_repeated = earlier.is_some();
        self.is_repeating |= is_repeated;
        match earlier {
            Some(member) if self.n_members > FEW_MEMBERS => (member.value, member.is_repeated) = (value, true),
            _ => self.members.push(Member { key, value, is_repeated }),
        }
    }

    /// Whether `members` contains all members of the object.
    fn holds_all(&self) -> bool {
        self.n_members <= FEW_MEMBERS
    }

    /// The value of a key, the last one if the key is repeated. `null` is a value.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        if !self.holds_all() && !ASKED.contains(&key) {
            let mut found = None;
            walk::each_member(self.text, |name, value| found = if name == key { Some(value) } else { found });
            return found;
        }
        self.members.iter().rev().find(|member| member.key == key).map(|member| member.value)
    }

    /// The value of a key; `None` if it is missing or `null`.
    pub(super) fn present(&self, key: &str) -> Option<&'a RawValue> {
        self.get(key).filter(|value| !is_null(value))
    }

    /// Whether the object has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether any key is repeated. Looks at all members, so call it only after verification.
    pub(super) fn repeats_any(&self) -> bool {
        if self.is_repeating || self.holds_all() {
            return self.is_repeating;
        }
        // Two keys with one hash are compared again by the caller that looks them up.
        let (hasher, mut seen, mut is_repeated) = (RandomState::new(), HashSet::new(), false);
        walk::each_member(self.text, |key, _| is_repeated |= !seen.insert(hasher.hash_one(&key)));
        is_repeated
    }

    /// Whether one of `keys` is repeated. All of them must be in [`ASKED`].
    pub(super) fn repeats(&self, keys: &[&str]) -> bool {
        self.is_repeating && self.members.iter().any(|it| it.is_repeated && keys.contains(&it.key.as_ref()))
    }

    /// Calls `visit` with each key and its value in the order of the text; of a repeated key only with the last value.
    pub(super) fn each(&self, mut visit: impl FnMut(&str, &'a RawValue)) {
        if !self.repeats_any() {
            return self.every(visit);
        }
        let (mut last, mut n) = (HashMap::new(), 0usize);
        walk::each_member(self.text, |key, _| {
            last.insert(key, n);
            n += 1;
        });
        n = 0;
        walk::each_member(self.text, |key, value| {
            if last.get(&key) == Some(&n) {
                visit(&key, value);
            }
            n += 1;
        });
    }

    /// Calls `visit` with every key and value, including repeated ones.
    pub(super) fn every(&self, mut visit: impl FnMut(&str, &'a RawValue)) {
        if self.holds_all() {
            return self.members.iter().for_each(|member| visit(&member.key, member.value));
        }
        walk::each_member(self.text, |key, value| visit(&key, value));
    }

    /// The object as text: of a repeated key only the last value, each value unchanged. Some members are left out on
    /// request.
    pub(super) fn written(&self, is_told: impl Fn(&str) -> bool) -> String {
        let mut text = String::with_capacity(self.text.len());
        self.each(|key, value| {
            if is_told(key) {
                text.push(if text.is_empty() { '{' } else { ',' });
                walk::push_member(&mut text, key, value.get());
            }
        });
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        text
    }

    /// The text of a key; `None` if it is missing, `null` or empty.
    ///
    /// # Errors
    /// [`Reason::Shape`] if it is not text, [`Reason::JsonInvalid`] if it is not valid Unicode.
    pub(super) fn text(&self, key: &str, dialects: &mut Dialects) -> Result<Option<Cow<'a, str>>, Reason> {
        let Some(value) = self.present(key) else { return Ok(None) };
        let text = text(value)?;
        dialects.note_if(text.is_empty(), Dialect::EmptyForAbsent);
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Text that is only shown: like [`Object::text`], but invalid Unicode is replaced.
    ///
    /// # Errors
    /// [`Reason::Shape`] if it is not text.
    pub(super) fn shown(&self, key: &str, dialects: &mut Dialects) -> Result<Option<String>, Reason> {
        let Some(value) = self.present(key) else { return Ok(None) };
        let mended = surrogates::mend(value.get());
        let text: String = serde_json::from_str(&mended).map_err(|error| walk::reason_of(&error))?;
        dialects.note_if(text.is_empty(), Dialect::EmptyForAbsent);
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

struct Reader<'o, 'a>(&'o mut Object<'a>);

impl<'de> DeserializeSeed<'de> for Reader<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let object = self.0;
        while let Some(Key(key)) = map.next_key()? {
            object.n_members += 1;
            if object.holds_all() || ASKED.contains(&key.as_ref()) {
                object.hold(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a value is `null`.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The text of a value. It is borrowed if it has no escapes.
///
/// # Errors
/// [`Reason::Shape`] if it is not text, [`Reason::JsonInvalid`] if it is not valid Unicode.
pub(super) fn text(value: &RawValue) -> Result<Cow<'_, str>, Reason> {
    let Key(text) = serde_json::from_str(value.get()).map_err(|error| walk::reason_of(&error))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_repeated_key_is_seen_in_any_spelling_and_the_last_one_counts() {
        let object = Object::read(r#"{"status": 1, "\u0073tatus": 2, "x": 3}"#).unwrap();
        assert!(object.repeats_any() && object.repeats(&["status"]));
        assert_eq!(object.get("status").map(RawValue::get), Some("2"));
        assert_eq!(
            (object.get("x").map(RawValue::get), object.has("y")),
            (Some("3"), false),
            "nobody asks for it often"
        );
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
    fn of_many_members_those_that_are_asked_for_are_held() {
        let many = "\"\":0,".repeat(200_000);
        let object = format!("{{{many}\"id\":\"1\",{many}\"id\":\"2\"}}");
        let object = Object::read(&object).unwrap();
        assert_eq!((object.members.len(), object.n_members), (FEW_MEMBERS + 1, 400_002));
        assert_eq!(object.get("id").map(RawValue::get), Some("\"2\""));
        assert!(object.repeats(&["id"]) && object.repeats_any());
        assert_eq!(object.written(|_| true), r#"{"":0,"id":"2"}"#);
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

    proptest! {
        #[test]
        fn reading_never_panics(text in ".{0,200}") {
            let _ = Object::read(&text).map(|object| object.repeats_any());
        }
    }

    #[test]
    fn what_is_json_but_no_object_has_the_wrong_shape() {
        assert_eq!(Object::read("[1]").map(|_| ()), Err(Reason::Shape));
        assert_eq!(Object::read("{").map(|_| ()), Err(Reason::JsonInvalid));
        assert_eq!(Object::read("{} trailing").map(|_| ()), Err(Reason::JsonInvalid));
        assert_eq!(Object::read("\u{feff}{}").map(|_| ()), Err(Reason::JsonInvalid));
    }
}
