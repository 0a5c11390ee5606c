//! Notifications as Microsoft sends them, as text: members in a given order, repeated keys where a dialect has them.
//!
//! Items are made one by one and put into an envelope: [`comms`] for calls, [`changes`] for subscriptions.

pub mod calls;
pub mod change;
pub mod dialect;
pub mod encryption;
pub mod recording;
pub mod resources;

use serde_json::Value;
use uuid::Uuid;

pub use self::change::Change;
pub use self::dialect::Dialect;
pub use self::recording::{Recording, Said};
pub use self::resources::{Resource, Subscriber};

/// A JSON object as text: members in order, a key as often as it was put.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(String, String)>);

impl Object {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member at the end.
    pub fn with(self, key: &str, value: impl Into<Value>) -> Self {
        self.raw(key, value.into().to_string())
    }

    /// Adds a member whose value is JSON text.
    pub fn raw(mut self, key: &str, json: impl Into<String>) -> Self {
        self.0.push((key.into(), json.into()));
        self
    }

    /// Adds a member where `present`.
    pub fn with_if(self, present: bool, key: &str, value: impl Into<Value>) -> Self {
        if present { self.with(key, value) } else { self }
    }

    /// The text.
    pub fn text(&self) -> String {
        let members = self.0.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// Where ids come from: the same ones for the same number.
#[derive(Debug)]
pub struct Seed(fastrand::Rng);

impl Seed {
    /// From a number.
    pub fn new(number: u64) -> Self {
        Self(fastrand::Rng::with_seed(number))
    }

    /// The next id.
    pub fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.u128(..).to_be_bytes()).into_uuid()
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.0.bool()
    }
}

/// The body of a POST on the calls channel.
pub fn comms(items: &[String]) -> String {
    Object::new()
        .with("@odata.type", "#microsoft.graph.commsNotifications")
        .raw("value", format!("[{}]", items.join(",")))
        .text()
}

/// The body of a POST on the subscriptions channel; `validationTokens` is left out where there is none.
pub fn changes(items: &[String], validation_tokens: &[String]) -> String {
    let body = Object::new().raw("value", format!("[{}]", items.join(",")));
    let with_tokens = !validation_tokens.is_empty();
    body.with_if(with_tokens, "validationTokens", validation_tokens.to_vec()).text()
}

/// An id in upper case without dashes, as paths in Graph's documentation have it.
pub(super) fn undashed(id: Uuid) -> String {
    id.simple().to_string().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_order_and_repeats_its_keys() {
        let object = Object::new().with("b", 1).with("a\"", "x\n").with("b", Value::Null);
        assert_eq!(object.text(), r#"{"b":1,"a\"":"x\n","b":null}"#);
    }

    #[test]
    fn the_same_seed_gives_the_same_bodies() {
        let body = |seed| comms(&[Recording::new(&mut Seed::new(seed)).completed()]);
        assert_eq!(body(7), body(7));
        assert_ne!(body(7), body(8));
    }

    #[test]
    fn tokens_are_in_the_envelope_only_where_there_are_any() {
        assert_eq!(changes(&["{}".into()], &[]), r#"{"value":[{}]}"#);
        assert_eq!(changes(&[], &["t".into()]), r#"{"value":[],"validationTokens":["t"]}"#);
    }
}
