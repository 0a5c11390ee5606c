//! An event as a message of MQTT 5 (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/mqtt-protocol-binding.md>).

use bytes::Bytes;
use rumqttc::{Publish, PublishProperties, QoS};

use super::Settings;
use crate::config::Reading;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, percent_encode};
use crate::sinks::{DeliveryError, Message, Template, reason};

/// The protocol takes 65,535 bytes; nobody subscribes to such a topic.
const LIMIT: Limit = Limit { place: "topic", n_bytes: 2048 };
/// The body is text in UTF-8.
const TEXT: u8 = 1;
/// The number that a message gets when it is sent.
const NUMBER_BYTES: usize = 2;

/// A message, ready to be published.
pub(super) struct Publication {
    pub(super) topic: String,
    pub(super) properties: PublishProperties,
    pub(super) body: Bytes,
}

/// Reads the template of a topic. Its own text is a topic already: `+` and `#` are for those who subscribe, and `$` begins the
/// broker's own.
pub(super) fn topic() -> Reading<Template> {
    Template::reading().check(|template| {
        let text = template.as_str();
        if text.is_empty() || text.starts_with('$') || text.contains(['+', '#']) || text.chars().any(char::is_control) {
            return Err(format!("found {text:?}, expected a topic without + and #, which does not begin with $"));
        }
        Ok(())
    })
}

/// The message of a delivery.
///
/// # Errors
/// [`DeliveryError::Reject`]: the topic or the message is too long.
pub(super) fn of(settings: &Settings, delivery: &Delivery, max_bytes: usize) -> Result<Publication, DeliveryError> {
    let topic = settings.topic.fill_within(delivery, LIMIT, escape)?;
    let Message { content_type, attributes, body } = settings.shape.message(delivery);
    let delivery_id = ("delivery-id".to_owned(), delivery.id.to_string());
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_string(), value));
    let properties = PublishProperties {
        payload_format_indicator: Some(TEXT),
        content_type: Some(content_type.to_owned()),
        user_properties: std::iter::once(delivery_id).chain(attributes).collect(),
        ..PublishProperties::default()
    };
    let publish = Publish::new(topic.as_str(), QoS::AtLeastOnce, body, Some(properties));
    let n_bytes = publish.size() + NUMBER_BYTES;
    if n_bytes > max_bytes {
        return Err(reason::reject(&format!(
            "the message has {n_bytes} bytes, and the broker takes {max_bytes} (Maximum Packet Size)"
        )));
    }
    Ok(Publication { topic, properties: publish.properties.unwrap_or_default(), body: publish.payload })
}

/// Appends a value to a topic. What divides levels, what stands for levels in a subscription, and what begins the broker's own
/// topics is percent-encoded.
fn escape(value: &str, out: &mut String) {
    let is_special = |it: char| matches!(it, '/' | '+' | '#' | '$') || it.is_whitespace() || it.is_control();
    percent_encode(value, is_special, out);
}
