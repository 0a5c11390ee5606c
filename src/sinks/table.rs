//! Reads a sink's table so that every mistake in it is reported at once.
//!
//! serde stops at the first mistake. So a value that cannot be read is removed and the rest is read again, until
//! nothing more is found.
//!
//! **Invariant**: no text shows a value that may be a secret: neither texts nor tables are repeated.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

use crate::domain::SinkName;

/// The mistakes in a sink's table, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<(String, String)>);

/// The mistakes in a sink's table: one line for each, with its key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkConfigError {
    sink: SinkName,
    mistakes: Mistakes,
}

impl Mistakes {
    /// One mistake.
    pub fn one(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self(vec![(key.into(), text.into())])
    }

    /// Adds one: what was found, what was expected.
    pub fn add(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.0.push((key.into(), text.into()));
    }

    /// `value`, if there is no mistake.
    ///
    /// # Errors
    /// The mistakes.
    pub fn none_in<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl SinkConfigError {
    pub(super) fn new(sink: SinkName, mistakes: Mistakes) -> Self {
        Self { sink, mistakes }
    }

    /// The mistakes, one text each: `sinks.crm.url: found .., expected ..`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.mistakes.0.iter().map(|(key, text)| format!("sinks.{}.{key}: {text}", self.sink))
    }
}

impl fmt::Display for SinkConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for SinkConfigError {}

/// Reads a table.
pub(super) fn read<C: DeserializeOwned>(table: &toml::Table) -> Result<C, Mistakes> {
    let known = keys_of::<C>();
    let mut mistakes = Mistakes::default();
    let mut aside = BTreeSet::new();
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        mistakes.add(key, format!("found an unknown key, expected one of {}", known.join(", ")));
        aside.insert(key.clone());
    }
    loop {
        let mut at = None;
        let entries = table.iter().filter(|(key, _)| !aside.contains(*key));
        let entries = Entries { entries, value: None, at: &mut at };
        let error = match C::deserialize(MapAccessDeserializer::new(entries)) {
            Ok(config) => return mistakes.none_in(config),
            Err(error) => error,
        };
        match at {
            Some(key) => {
                mistakes.add(&key, without_value(error.message()));
                aside.insert(key);
            }
            // All values could be read, so one is missing; it is no mistake of its own where it was put aside.
            None => {
                let missing = error.message().split('`').nth(1).unwrap_or_default();
                if !aside.contains(missing) {
                    mistakes.add(missing, "found nothing, expected a value: it has no default");
                }
                return Err(mistakes);
            }
        }
    }
}

/// serde's message in reelhook's words, without the found value if that may be a secret.
fn without_value(message: &str) -> String {
    let Some(found) = ["invalid type: ", "invalid value: "].iter().find_map(|it| message.strip_prefix(it)) else {
        return message.to_owned();
    };
    match (found.strip_prefix("string \""), found.rfind(", expected ")) {
        (Some(_), Some(at)) => format!("found text{}", &found[at..]),
        _ => format!("found {found}"),
    }
}

/// The entries of a table; where a value cannot be read, `at` holds its key.
struct Entries<'a, I> {
    entries: I,
    value: Option<&'a toml::Value>,
    at: &'a mut Option<String>,
}

impl<'de, 'a, I: Iterator<Item = (&'a String, &'a toml::Value)>> MapAccess<'de> for Entries<'a, I> {
    type Error = toml::de::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        *self.at = Some(key.clone());
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let value = self.value.take().cloned().unwrap_or(toml::Value::Boolean(false));
        let value = seed.deserialize(value)?;
        *self.at = None;
        Ok(value)
    }
}

/// The keys that a config type has, as serde derived them.
pub(super) fn keys_of<C: DeserializeOwned>() -> &'static [&'static str] {
    let keys = Cell::new(&[][..]);
    // An error every time: it asks for the keys and gives nothing.
    drop(C::deserialize(KeysOnly(&keys)));
    keys.get()
}

struct KeysOnly<'a>(&'a Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for KeysOnly<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("only the keys are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.set(fields);
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        url: String,
        port: u16,
        #[serde(default)]
        names: Vec<String>,
    }

    fn mistakes(text: &str) -> Vec<String> {
        let table = toml::from_str(text).unwrap();
        let mistakes = read::<Example>(&table).unwrap_err();
        SinkConfigError::new(SinkName::new("crm"), mistakes).lines().collect()
    }

    #[test]
    fn a_table_without_mistakes_is_read() {
        let table = toml::from_str("url = 'a'\nport = 1").unwrap();
        assert_eq!(read(&table), Ok(Example { url: "a".into(), port: 1, names: Vec::new() }));
        assert_eq!(keys_of::<Example>(), ["url", "port", "names"]);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let told = mistakes("url = 3\nport = 70000\nnames = 'x'\nnmaes = []\nprot = 1");
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told[0].starts_with("sinks.crm.nmaes: found an unknown key, expected one of url, port, names"));
        assert!(told.contains(&"sinks.crm.url: found integer `3`, expected a string".to_owned()), "{told:?}");
    }

    #[test]
    fn a_missing_value_is_named_beside_other_mistakes() {
        assert_eq!(mistakes("port = 1").len(), 1);
        let told = mistakes("port = 'x'");
        assert!(told.iter().any(|line| line.starts_with("sinks.crm.port: found text, expected u16")), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("sinks.crm.url: found nothing")), "{told:?}");
    }

    #[test]
    fn a_value_that_may_be_a_secret_is_not_repeated() {
        let told = mistakes("url = 'a'\nport = 'canary, expected u16'\nnames = { canary = 'canary' }").concat();
        assert!(!told.contains("canary"), "{told}");
    }
}
