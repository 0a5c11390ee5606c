//! Going through JSON one part at a time, with nothing built: each member of an object, each element of an array.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::Reason;

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

/// Calls with every member of the object that stands in `text`, which was read before.
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
    // It was read before, so it can be read again.
    let _ = serde_json::Deserializer::from_str(text).deserialize_map(Each(visit));
}

/// Calls with every element of an array, until it returns `false`.
///
/// # Errors
/// [`Reason::JsonInvalid`], or [`Reason::Shape`] where it is JSON but no array. Nothing behind the last call is looked at.
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
        // What is left of the array makes the reader fail.
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
