//! The envelope of both channels, `{"value": [..], "validationTokens": [..]}`, and the common parts of their items.
//!
//! **Invariants**
//! 1. Every item is a slice of the body: nothing is copied, so the bytes stay the same.
//! 2. No more items than the limit are held, however many arrive.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::dialects::Dialects;
use super::nesting;
use super::payload::Object;
use super::walk::Key;
use super::{Limits, Refusal};
use crate::domain::{Dialect, Raw, Reason};

/// Keys of an item that decide about trust. If one is repeated, its meaning is unclear.
pub(super) const AUTHORITY_KEYS: &[&str] =
    &["clientState", "tenantId", "organizationId", "subscriptionId", "validationTokens", "encryptedContent"];
/// The change type of an item without one.
pub(super) const UNKNOWN_CHANGE: &str = "unknown";

/// Keys of the calling platform's old Skype format (<https://docs.botframework.com/en-us/skype/calling/>:
/// `Conversation`, `ConversationResult`; and the invitations that preceded them).
const LEGACY_KEYS: &[&str] = &[
    "callState",
    "presentedModalityTypes",
    "operationOutcome",
    "callInvitation",
    "conversationInvitation",
    "callNotification",
    "callbackUri",
    "conversation",
    "participants",
    "threadId",
    "links",
];
/// Keys of a Graph item: one that stands alone, without its envelope, is not the old format.
const ITEM_KEYS: &[&str] = &["changeType", "resourceUrl", "resource", "resourceData"];

/// The outer object of a POST.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    /// The items of every `value` array.
    pub(super) items: Vec<&'a RawValue>,
    /// `validationTokens`, the last one where it is repeated.
    pub(super) validation_tokens: Option<&'a RawValue>,
    /// Whether a key that decides about trust was repeated: then no item can be trusted.
    pub(super) is_ambiguous: bool,
    n_values: usize,
    n_validation_tokens: usize,
    n_items: usize,
    has_legacy_key: bool,
    has_item_key: bool,
}

impl<'a> Envelope<'a> {
    /// Reads the outer object.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::TooLarge`] or [`Refusal::Legacy`].
    pub(super) fn read(body: &'a [u8], limits: Limits) -> Result<Self, Refusal> {
        let text = nesting::document(body, nesting::MAX_DEPTH).map_err(Refusal::Malformed)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let envelope = Outer { limits }
            .deserialize(&mut json)
            .and_then(|envelope| json.end().map(|()| envelope))
            .map_err(|error| Refusal::Malformed(reason_of(&error, text)))?;
        if envelope.n_values == 0 {
            let is_legacy = envelope.has_legacy_key && !envelope.has_item_key;
            return Err(if is_legacy { Refusal::Legacy } else { Refusal::Malformed(Reason::Shape) });
        }
        if envelope.n_items > limits.max_items {
            return Err(Refusal::TooLarge(Reason::BatchTooLarge));
        }
        Ok(envelope)
    }
}

/// A wrong shape is found before the rest is read, which may not be JSON at all.
fn reason_of(error: &serde_json::Error, text: &str) -> Reason {
    let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
    if error.is_data() && is_json() { Reason::Shape } else { Reason::JsonInvalid }
}

/// The part of `body` that contains an item read from it.
pub(super) fn raw(body: &Bytes, item: &RawValue) -> Raw {
    Raw(body.slice_ref(item.get().as_bytes()))
}

/// The item that an operator replays: the bytes themselves, or the only item of a whole body.
///
/// # Errors
/// [`Reason::Shape`] if a body has more than one item; other reasons if the item itself is wrong.
pub(super) fn sole_item(raw: Raw, limits: Limits) -> Result<Raw, Reason> {
    let text = nesting::document(&raw.0, nesting::MAX_DEPTH)?;
    let object = Object::read(text)?;
    if !object.has("value") || ITEM_KEYS.iter().any(|key| object.has(key)) {
        return Ok(raw);
    }
    let envelope = Envelope::read(&raw.0, limits).map_err(|_refused| Reason::Shape)?;
    match envelope.items.as_slice() {
        _ if envelope.is_ambiguous => Err(Reason::JsonDuplicate),
        [item] => Ok(self::raw(&raw.0, item)),
        _ => Err(Reason::Shape),
    }
}

/// The `changeType` of an item.
///
/// # Errors
/// As [`Object::text`].
pub(super) fn change_type(item: &Object<'_>, dialects: &mut Dialects) -> Result<String, Reason> {
    match item.text("changeType", dialects)? {
        Some(text) => Ok(dialects.change_type(&text)),
        None => {
            dialects.note(Dialect::UnknownMember);
            Ok(UNKNOWN_CHANGE.to_owned())
        }
    }
}

struct Outer {
    limits: Limits,
}

impl<'de> DeserializeSeed<'de> for Outer {
    type Value = Envelope<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Outer {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `value` array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "value" => {
                    envelope.n_values += 1;
                    map.next_value_seed(Items { envelope: &mut envelope, limits: self.limits })?;
                }
                "validationTokens" => {
                    envelope.n_validation_tokens += 1;
                    envelope.validation_tokens = Some(map.next_value()?);
                }
                other => {
                    envelope.has_legacy_key |= LEGACY_KEYS.contains(&other);
                    envelope.has_item_key |= ITEM_KEYS.contains(&other);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        envelope.is_ambiguous = envelope.n_values > 1 || envelope.n_validation_tokens > 1;
        Ok(envelope)
    }
}

struct Items<'e, 'de> {
    envelope: &'e mut Envelope<'de>,
    limits: Limits,
}

impl<'de> DeserializeSeed<'de> for Items<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while self.envelope.n_items < self.limits.max_items {
            let Some(item) = seq.next_element::<&RawValue>()? else { return Ok(()) };
            self.envelope.n_items += 1;
            self.envelope.items.push(item);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            self.envelope.n_items += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { max_items: 3 };

    fn refused(body: &str) -> Refusal {
        Envelope::read(body.as_bytes(), LIMITS).unwrap_err()
    }

    #[test]
    fn items_are_slices_of_the_body() {
        let body = Bytes::from_static(br#" {"a":1, "value" : [ {"x": [1, 2]} , null ], "b": "\ud800"} "#);
        let envelope = Envelope::read(&body, LIMITS).unwrap();
        let items: Vec<Raw> = envelope.items.iter().map(|item| raw(&body, item)).collect();
        assert_eq!(items[0].0.as_ref(), br#"{"x": [1, 2]}"#);
        assert_eq!(items[0].0.as_ptr(), body[body.iter().position(|byte| *byte == b'[').unwrap() + 2..].as_ptr());
        assert_eq!(items[1].0.as_ref(), b"null");
    }

    #[test]
    fn a_byte_order_mark_is_taken_off() {
        let body = Bytes::from("\u{feff}{\"value\":[{\"a\":1}]}");
        let envelope = Envelope::read(&body, LIMITS).unwrap();
        assert_eq!(raw(&body, envelope.items[0]).0.as_ref(), br#"{"a":1}"#);
    }

    #[test]
    fn what_is_no_envelope_is_malformed() {
        for body in [
            "",
            "{",
            "nonsense",
            "{\"value\":[]}x",
            "{\"value\":[1e]}",
            "{\"value\":7,}",
            "\u{feff}\u{feff}{\"value\":[]}",
        ] {
            assert_eq!(refused(body), Refusal::Malformed(Reason::JsonInvalid), "{body}");
        }
        for body in ["null", "[]", "7", "{}", "{\"value\":{}}", "{\"value\":null}", "{\"VALUE\":[]}"] {
            assert_eq!(refused(body), Refusal::Malformed(Reason::Shape), "{body}");
        }
        assert_eq!(refused(&"[".repeat(1_000_000)), Refusal::Malformed(Reason::JsonDepth));
        let deep = format!("{{\"value\":[{}1{}]}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(refused(&deep), Refusal::Malformed(Reason::JsonDepth));
    }

    #[test]
    fn the_old_skype_format_is_recognised_and_graphs_is_not_taken_for_it() {
        assert_eq!(refused(r#"{"id":"1","appId":"2","callState":"incoming","participants":[]}"#), Refusal::Legacy);
        assert_eq!(refused(r#"{"conversationInvitation":{}}"#), Refusal::Legacy);
        assert!(Envelope::read(br#"{"callbackUri":"x","value":[]}"#, LIMITS).is_ok());
        for body in [r#"{"state":"established"}"#, r#"{"callbackUri":"x","changeType":"updated"}"#] {
            assert_eq!(refused(body), Refusal::Malformed(Reason::Shape), "{body}");
        }
    }

    #[test]
    fn more_items_than_the_limit_are_too_large() {
        assert_eq!(Envelope::read(br#"{"value":[1,2,3]}"#, LIMITS).unwrap().items.len(), 3);
        for body in [r#"{"value":[1,2,3,4]}"#, r#"{"value":[1,2],"value":[3,4,5]}"#] {
            assert_eq!(refused(body), Refusal::TooLarge(Reason::BatchTooLarge), "{body}");
        }
    }

    #[test]
    fn repeated_keys_that_decide_make_it_ambiguous_in_any_spelling() {
        for body in
            [r#"{"value":[1],"v\u0061lue":[2]}"#, r#"{"value":[1,2],"validationTokens":[],"validationTokens":null}"#]
        {
            let envelope = Envelope::read(body.as_bytes(), LIMITS).unwrap();
            assert!(envelope.is_ambiguous && envelope.items.len() == 2, "{body}");
        }
        assert!(!Envelope::read(br#"{"value":[],"x":1,"x":2}"#, LIMITS).unwrap().is_ambiguous);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::read(&body, LIMITS);
        }
    }
}
