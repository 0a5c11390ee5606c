//! An event as a message of NATS (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md>).

use async_nats::jetstream::message::PublishMessage;
use async_nats::{HeaderMap, header};

use crate::config::Reading;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, percent_encode};
use crate::sinks::{DeliveryError, Message, Shape, Template, cloud_event};

/// A server reads lines of 4 KiB, which hold more than the subject.
const LIMIT: Limit = Limit { place: "subject", n_bytes: 2048 };

/// Reads the template of a subject. Its own text is a subject already: `*` and `>` are for those who subscribe.
pub(super) fn subject() -> Reading<Template> {
    Template::reading().check(|template| {
        let text = template.as_str();
        let has_empty_token = text.split('.').any(str::is_empty);
        if has_empty_token || text.contains(['*', '>', ' ', '\t']) {
            return Err(format!("found {text:?}, expected words between single dots, without *, > and spaces"));
        }
        Ok(())
    })
}

/// The subject of a delivery. In the values, what would end a word or match several is percent-encoded.
///
/// # Errors
/// [`DeliveryError::Reject`]: it is too long.
pub(super) fn subject_of(template: &Template, delivery: &Delivery) -> Result<String, DeliveryError> {
    let is_special =
        |character: char| matches!(character, '.' | '*' | '>') || character.is_whitespace() || character.is_control();
    template.fill_within(delivery, LIMIT, |value, out| percent_encode(value, is_special, out))
}

/// The message of a delivery.
pub(super) fn of(shape: &Shape, delivery: &Delivery) -> PublishMessage {
    let Message { content_type, attributes, body } = shape.message(delivery);
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_MESSAGE_ID, delivery.id.to_string());
    headers.insert("Content-Type", content_type);
    for (name, value) in attributes {
        headers.insert(format!("ce-{name}"), cloud_event::in_header(&value));
    }
    PublishMessage::build().headers(headers).payload(body.into())
}
