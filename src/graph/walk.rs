//! Reads JSON one part at a time without building values: each member of an object, each element of an array.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::Reason;

/// Why `serde_json` refused a text: it is not JSON, or it is JSON of another shape.
pub(super) fn reason_of(error: &serde_json::Error) -> Reason {
    if error.is_data() { Reason::Shape } else { Reason::JsonInvalid }
}

/// A key. It is borrowed if it has no escapes.
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

/// Calls `visit` with every member of the object in `text`. The text was checked before.
pub(super) fn each_member<'a>(text: &'a str, visit: impl FnMut(Cow<'a, str>, &'a RawValue)) {
    struct Each<F>(F);
    impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Each<F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(Key(key)) = map.next_key()? {
                self.0(key, map.next_value()?);
            }
            Ok(())
        }
    }
    // It was read before, so reading it again cannot fail.
    let _ = serde_json::Deserializer::from_str(text).deserialize_map(Each(visit));
}

/// Calls `visit` with every element of an array, until it returns `false`.
///
/// # Errors
/// [`Reason::JsonInvalid`]; [`Reason::Shape`] if it is JSON but not an array. Nothing after the last call is read.
pub(super) fn each_element<'a>(text: &'a str, visit: impl FnMut(&'a RawValue) -> bool) -> Result<(), Reason> {
    struct Each<'s, F>(F, &'s mut bool);
    impl<'de, F: FnMut(&'de RawValue) -> bool> Visitor<'de> for Each<'_, F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(element) = seq.next_element()? {
                if !self.0(element) {
                    *self.1 = true;
                    return Ok(());
                }
            }
            Ok(())
        }
    }
    let mut has_enough = false;
    let read = serde_json::Deserializer::from_str(text).deserialize_seq(Each(visit, &mut has_enough));
    match read {
        // The rest of the array makes the reader fail.
        Err(_) if has_enough => Ok(()),
        read => read.map_err(|error| reason_of(&error)),
    }
}

/// Writes a member as JSON.
pub(super) fn push_member(text: &mut String, key: &str, value: &str) {
    text.push_str(&serde_json::Value::from(key).to_string());
    text.push(':');
    text.push_str(value);
}
