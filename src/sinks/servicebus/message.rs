//! An event as a message of AMQP 1.0
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md>).

use fe2o3_amqp::types::messaging::{ApplicationProperties, Data, Header, Message, Properties};
use fe2o3_amqp::types::primitives::Binary;

use super::Settings;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, key_or_hash, percent_encode};
use crate::sinks::{self, DeliveryError};

/// RabbitMQ takes the subject as a routing key, which may have so many.
const SUBJECT: Limit = Limit { place: "subject", n_bytes: 255 };
/// The longest id of a session, by Service Bus.
const MAX_SESSION_CHARS: usize = 128;

/// The message of a delivery.
///
/// # Errors
/// [`DeliveryError::Reject`]: the subject is too long.
pub(super) fn of(settings: &Settings, delivery: &Delivery) -> Result<Message<Data>, DeliveryError> {
    let subject = settings.subject.as_ref().map(|it| it.fill_within(delivery, SUBJECT, escape)).transpose()?;
    let sinks::Message { content_type, attributes, body } = settings.shape.message(delivery);
    let properties = Properties {
        message_id: Some(delivery.id.to_string().into()),
        subject,
        content_type: Some(content_type.into()),
        group_id: delivery.event.partition_key().map(session_id),
        ..Properties::default()
    };
    let message = Message::builder().header(Header { durable: true, ..Header::default() }).properties(properties);
    let message = if attributes.is_empty() {
        message
    } else {
        let named = attributes.into_iter().map(|(name, value)| (format!("cloudEvents_{name}"), value.into()));
        message.application_properties(ApplicationProperties(named.collect()))
    };
    Ok(message.data(Binary::from(body)).build())
}

/// Appends a value to a subject. What divides or stands for words in a routing key is percent-encoded.
fn escape(value: &str, out: &mut String) {
    let is_special = |character: char| matches!(character, '.' | '*' | '#') || character.is_control();
    percent_encode(value, is_special, out);
}

/// The id of the session of a partition key: the key, or its hash where it is longer than an id may be.
fn session_id(key: &str) -> String {
    key_or_hash(key.to_owned(), |key| key.chars().count() <= MAX_SESSION_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_key_is_the_id_of_a_session_or_its_hash_is() {
        let (longest, longer) = ("ü".repeat(128), "ü".repeat(129));
        assert_eq!(session_id(&longest), longest);
        assert_eq!(session_id(&longer).len(), 64);
        assert_ne!(session_id(&longer), session_id(&"ü".repeat(130)));
    }
}
