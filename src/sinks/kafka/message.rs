//! An event as a message of Kafka (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>).

use std::fmt::Write;

use rdkafka::message::{Header, OwnedHeaders};

use super::Settings;
use crate::config::Reading;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, as_it_is};
use crate::sinks::{DeliveryError, Message, Template};

/// A topic's name is that of a folder on the brokers.
const TOPIC: Limit = Limit { place: "topic", n_bytes: 249 };
/// A key may be as long as a message; nobody could work with it.
const KEY: Limit = Limit { place: "key", n_bytes: 8192 };

/// A message with the place that it goes to.
pub(super) struct Record {
    pub(super) topic: String,
    pub(super) key: Option<String>,
    pub(super) headers: OwnedHeaders,
    /// Never empty: to a compacted topic a message without a body is the removal of its key.
    pub(super) body: Vec<u8>,
}

/// Reads the template of a topic. Its own text has only the characters that a topic can have.
pub(super) fn topic() -> Reading<Template> {
    Template::reading().check(|template| {
        let is_legal = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
        let text = template.as_str();
        if template.texts().all(|text| text.chars().all(is_legal)) && !matches!(template.fixed(), Some("." | "..")) {
            return Ok(());
        }
        Err(format!("found {text:?}, expected a topic of letters, digits, full stops, underscores and hyphens"))
    })
}

impl Record {
    /// The message of a delivery.
    ///
    /// # Errors
    /// [`DeliveryError::Reject`]: the topic or the key is too long.
    pub(super) fn of(settings: &Settings, delivery: &Delivery) -> Result<Self, DeliveryError> {
        let topic = settings.topic.fill_within(delivery, TOPIC, escape)?;
        let key = match &settings.key {
            Some(key) => Some(key.fill_within(delivery, KEY, as_it_is)?),
            None => delivery.event.partition_key().map(str::to_owned),
        };
        let Message { content_type, attributes, body } = settings.shape.message(delivery);
        let headers = OwnedHeaders::new_with_capacity(attributes.len() + 2);
        let headers = insert(headers, "delivery-id", &delivery.id.to_string());
        let headers = insert(headers, "content-type", content_type);
        let headers =
            attributes.iter().fold(headers, |headers, (name, value)| insert(headers, &format!("ce_{name}"), value));
        Ok(Self { topic, key, headers, body })
    }
}

fn insert(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

/// Appends a value to the name of a topic. Topics have no percent sign: what they cannot have, and what divides their names,
/// is an underscore and its bytes in hexadecimal. So is the underscore, so that two values never become one.
fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        if character.is_ascii_alphanumeric() || character == '-' {
            out.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            // Writing into memory cannot fail.
            let _ = write!(out, "_{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_never_become_one_topic() {
        let escaped = |value: &str| {
            let mut out = String::new();
            escape(value, &mut out);
            out
        };
        assert_eq!(["a-b", "a.b", "a_2Eb", "é", ".."].map(escaped), ["a-b", "a_2Eb", "a_5F2Eb", "_C3_A9", "_2E_2E"]);
    }
}
