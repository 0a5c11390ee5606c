//! The shape of what is sent: the keys `format`, `fields`, `payload` and `include_access_token`, which every kind has that
//! sends events somewhere.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use crate::config::Section;
use crate::config::value::{choice, name, switch};
use crate::domain::Delivery;

use super::cloud_event::{self, CONTENT_TYPE, DATA_CONTENT_TYPE, Wanted};
use super::context::Context;
use super::payload::Payload;

/// The longest name of a member of the data.
const MAX_FIELD_CHARS: usize = 256;
/// The key of the format.
const FORMAT: &str = "format";

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object with attributes and data.
    CloudEvents,
    /// The attributes as the protocol's headers, the data as the body.
    CloudEventsBinary,
    /// The resource alone.
    Data,
}

/// The formats of a protocol with headers.
pub const WITH_HEADERS: &[(&str, Format)] =
    &[("cloudevents", Format::CloudEvents), ("cloudevents-binary", Format::CloudEventsBinary), ("data", Format::Data)];
/// The formats where there are no headers.
pub const WITHOUT_HEADERS: &[(&str, Format)] = &[("cloudevents", Format::CloudEvents), ("data", Format::Data)];

/// What is sent of an event, and how it is written.
#[derive(Clone, Debug)]
pub struct Shape {
    format: Format,
    wanted: Wanted,
    payload: Option<Payload>,
}

/// An event, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The media type of the body.
    pub content_type: &'static str,
    /// The event's attributes in binary mode, with their plain names and values: each protocol has its own way to write
    /// them. Empty in the other formats.
    pub attributes: Vec<(&'static str, String)>,
    /// The body: JSON on one line, never empty.
    pub body: Vec<u8>,
}

impl Shape {
    /// Reads the keys. `formats` are those of the protocol.
    pub fn read(section: &mut Section<'_>, formats: &'static [(&'static str, Format)], context: &Context) -> Self {
        let format = section.or(FORMAT, Format::CloudEvents, choice(formats));
        let fields = section.list("fields", Vec::new(), name(MAX_FIELD_CHARS));
        let payload = section.read("payload", Payload::reading());
        let include_access_token = section.or("include_access_token", false, switch());
        if section.has("payload") && section.has("fields") {
            section
                .mistake("fields", "found it beside payload, expected one of the two: payload says all that is sent");
        }
        if section.has("payload") && section.has(FORMAT) && format == Format::CloudEvents {
            let others = formats.iter().filter(|(_, format)| *format != Format::CloudEvents);
            let others: Vec<String> = others.map(|(name, _)| format!("{name:?}")).collect();
            let others = others.join(" or ");
            let told = format!(
                "found \"cloudevents\" beside payload, expected {others}, or no format: payload replaces the event"
            );
            section.mistake(FORMAT, told);
        }
        let fields = (!fields.is_empty()).then_some(fields);
        let mut events = context.events.clone();
        if fields.is_some() || payload.is_some() {
            // What is sent is not what the schemas describe.
            events.schema_base = None;
        }
        Self { format, wanted: Wanted { include_access_token, fields, events }, payload }
    }

    /// The event of a delivery as it is sent.
    pub fn message(&self, delivery: &Delivery) -> Message {
        let (mut body, mut attributes) = (Vec::new(), Vec::new());
        if self.format == Format::CloudEventsBinary {
            attributes = cloud_event::attributes(delivery, &self.wanted.events);
        }
        self.write(delivery, &mut body);
        let content_type = if self.is_structured() { CONTENT_TYPE } else { DATA_CONTENT_TYPE };
        Message { content_type, attributes, body }
    }

    /// The bodies of several events, a line each.
    pub fn lines(&self, deliveries: &[&Delivery]) -> Vec<u8> {
        let mut lines = Vec::new();
        for delivery in deliveries {
            self.write(delivery, &mut lines);
            lines.push(b'\n');
        }
        lines
    }

    /// Whether each event is sent as one JSON object with attributes and data.
    pub fn is_structured(&self) -> bool {
        self.payload.is_none() && self.format == Format::CloudEvents
    }

    /// Whether the recording's token is sent.
    pub fn includes_access_token(&self) -> bool {
        self.wanted.include_access_token
    }

    fn write(&self, delivery: &Delivery, out: &mut Vec<u8>) {
        match (&self.payload, self.format) {
            (Some(payload), _) => payload.write(delivery, out),
            (None, Format::CloudEvents) => cloud_event::write_wanted(delivery, &self.wanted, out),
            (None, Format::CloudEventsBinary) => cloud_event::write_data(delivery, &self.wanted, out),
            (None, Format::Data) => cloud_event::write_resource(delivery, &self.wanted, out),
        }
    }
}
