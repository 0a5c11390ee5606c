//! An event as a message of Pub/Sub, by Google's binding
//! (<https://github.com/googleapis/google-cloudevents/blob/main/docs/spec/pubsub.md>).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Settings;
use super::topic;
use crate::domain::Delivery;
use crate::sinks::template::{as_it_is, key_or_hash};
use crate::sinks::{DeliveryError, Message, reason};

/// The most bytes of a message, and of all messages of a request.
pub(super) const MAX_BYTES: usize = 10_000_000;
/// The longest value of an attribute, and the longest key of an order.
const MAX_TEXT_BYTES: usize = 1024;

/// A message, as the service names its parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PubsubMessage {
    /// Where it goes to.
    #[serde(skip)]
    pub(super) topic: String,
    /// In base64.
    data: String,
    attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<String>,
}

impl PubsubMessage {
    /// The message of a delivery.
    ///
    /// # Errors
    /// [`DeliveryError::Reject`]: the name of the topic is too long, or the event is too large.
    pub(super) fn of(settings: &Settings, delivery: &Delivery) -> Result<Self, DeliveryError> {
        let topic = settings.topic.fill_within(delivery, topic::LIMIT, topic::escape)?;
        let Message { content_type, attributes, body } = settings.shape.message(delivery);
        let own = [("delivery-id", delivery.id.to_string()), ("content-type", content_type.to_owned())];
        let of_event = attributes.into_iter().map(|(name, value)| (format!("ce-{name}"), value));
        let attributes: BTreeMap<String, String> =
            own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(of_event).collect();
        if let Some((name, value)) = attributes.iter().find(|(_, value)| value.len() > MAX_TEXT_BYTES) {
            let n_bytes = value.len();
            return Err(reason::reject(&format!(
                "the attribute {name} has {n_bytes} bytes, and Pub/Sub takes {MAX_TEXT_BYTES}: the format \"cloudevents\" has \
                 no such limit"
            )));
        }
        let message = Self { topic, data: STANDARD.encode(body), attributes, ordering_key: key_of(settings, delivery) };
        match message.n_bytes() {
            n_bytes if n_bytes > MAX_BYTES => {
                Err(reason::reject(&format!("the message has {n_bytes} bytes, and Pub/Sub takes {MAX_BYTES}")))
            }
            _ => Ok(message),
        }
    }

    /// What the service counts.
    pub(super) fn n_bytes(&self) -> usize {
        let of_attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.data.len() / 4 * 3 + of_attributes + self.ordering_key.as_ref().map_or(0, String::len)
    }
}

/// The key of the order. An event without a partition key has none.
fn key_of(settings: &Settings, delivery: &Delivery) -> Option<String> {
    if !settings.ordering {
        return None;
    }
    let key = match &settings.ordering_key {
        Some(template) => template.fill(delivery, as_it_is),
        None => delivery.event.partition_key()?.to_owned(),
    };
    Some(key_or_hash(key, |key| key.len() <= MAX_TEXT_BYTES))
}
