//! An event as an entry of a request.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Settings, queue};
use crate::config::Reading;
use crate::domain::Delivery;
use crate::sinks::template::{key_or_hash, percent_encode};
use crate::sinks::{DeliveryError, Message, Template, reason};

/// The most bytes of a message with its attributes, and of all messages of a request.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// The longest name of a group.
const MAX_GROUP_BYTES: usize = 128;
/// The type of an attribute that is a text.
const TEXT: &str = "String";

/// A message, as SQS names its parts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    /// Which of the request's entries it is.
    pub(super) id: String,
    message_body: String,
    message_attributes: BTreeMap<&'static str, Attribute>,
    #[serde(flatten)]
    order: Option<Order>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    data_type: &'static str,
    string_value: String,
}

/// What a FIFO queue needs to know.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Order {
    message_group_id: String,
    message_deduplication_id: String,
}

/// Reads the template of a group.
pub(super) fn group() -> Reading<Template> {
    Template::reading().check(|template| {
        if template.texts().all(|text| text.chars().all(|it| it.is_ascii_graphic())) {
            return Ok(());
        }
        Err(format!("found {:?}, expected ASCII characters without spaces", template.as_str()))
    })
}

impl Entry {
    /// The entry of a delivery.
    ///
    /// # Errors
    /// [`DeliveryError::Reject`]: it is too large.
    pub(super) fn of(settings: &Settings, delivery: &Delivery, id: usize) -> Result<Self, DeliveryError> {
        let Message { content_type, body, .. } = settings.shape.message(delivery);
        let text = |text: &str| Attribute { data_type: TEXT, string_value: text.to_owned() };
        let message_attributes =
            BTreeMap::from([("delivery-id", text(&delivery.id.to_string())), ("content-type", text(content_type))]);
        let order = queue::is_fifo(&settings.queue).then(|| Order {
            message_group_id: group_of(settings, delivery),
            message_deduplication_id: delivery.id.to_string(),
        });
        let entry = Self { id: id.to_string(), message_body: body_of(body), message_attributes, order };
        match entry.n_bytes() {
            n_bytes if n_bytes > MAX_BYTES => {
                Err(reason::reject(&format!("the message has {n_bytes} bytes, and SQS takes {MAX_BYTES}")))
            }
            _ => Ok(entry),
        }
    }

    /// What SQS counts.
    pub(super) fn n_bytes(&self) -> usize {
        let attributes = self.message_attributes.iter();
        let of_attributes: usize =
            attributes.map(|(name, it)| name.len() + it.data_type.len() + it.string_value.len()).sum();
        self.message_body.len() + of_attributes
    }
}

/// The body, which is JSON, without the two characters that SQS does not take. They are in texts only, where they can be
/// written otherwise.
fn body_of(body: Vec<u8>) -> String {
    let body = String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if !body.contains(['\u{fffe}', '\u{ffff}']) {
        return body;
    }
    body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// The group of a delivery. Without a partition key, an event is a group of its own.
fn group_of(settings: &Settings, delivery: &Delivery) -> String {
    let group = match &settings.group {
        Some(template) => template.fill(delivery, escape),
        None => match delivery.event.partition_key() {
            Some(key) => escaped(key),
            None => delivery.event.id.to_string(),
        },
    };
    key_or_hash(group, |group| group.len() <= MAX_GROUP_BYTES)
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    escape(value, &mut escaped);
    escaped
}

/// Appends a value to the name of a group, which has printable ASCII characters but for the space.
fn escape(value: &str, out: &mut String) {
    percent_encode(value, |it| !it.is_ascii_graphic(), out);
}
