//! An event as a message of AMQP 0-9-1. The names of headers are those of CloudEvents' binding for AMQP 1.0
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md>).

use std::sync::atomic::Ordering;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::Settings;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, percent_encode};
use crate::sinks::{DeliveryError, Message, reason};

/// By AMQP.
const LIMIT: Limit = Limit { place: "routing key", n_bytes: 255 };
/// The message is to be on a disk, if the queue is.
const PERSISTENT: u8 = 2;

/// A message, ready to be published.
pub(super) struct Publication {
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// The message of a delivery.
///
/// # Errors
/// [`DeliveryError::Reject`]: the routing key or the message is too long.
pub(super) fn of(settings: &Settings, delivery: &Delivery) -> Result<Publication, DeliveryError> {
    let routing_key = settings.routing_key.fill_within(delivery, LIMIT, escape)?;
    let Message { content_type, attributes, body } = settings.shape.message(delivery);
    let limit = settings.max_bytes.load(Ordering::Relaxed);
    if body.len() > limit {
        return Err(too_large(body.len(), limit));
    }
    let mut headers = FieldTable::default();
    for (name, value) in attributes {
        headers.insert(short(format!("cloudEvents_{name}"))?, AMQPValue::LongString(value.into()));
    }
    let properties = BasicProperties::default()
        .with_message_id(short(delivery.id.to_string())?)
        .with_content_type(short(content_type.to_owned())?)
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    Ok(Publication { routing_key: short(routing_key)?, properties, body })
}

/// What is told of a message that is longer than the server takes.
pub(super) fn too_large(n_bytes: usize, limit: usize) -> DeliveryError {
    reason::reject(&format!("the event has {n_bytes} bytes, and the server takes {limit} (max_message_size)"))
}

/// Appends a value to a routing key. What divides words, and what stands for words in a binding, is percent-encoded.
fn escape(value: &str, out: &mut String) {
    let is_special =
        |character: char| matches!(character, '.' | '*' | '#') || character.is_whitespace() || character.is_control();
    percent_encode(value, is_special, out);
}

/// A text of at most 255 bytes.
pub(super) fn short(text: String) -> Result<ShortString, DeliveryError> {
    ShortString::try_new(text).map_err(|error| reason::reject(&error.to_string()))
}
