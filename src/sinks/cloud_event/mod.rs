//! CloudEvents 1.0: the format of every sink and of the stream of events. `docs/sinks.md` shows it to users.
//!
//! Structured mode is one JSON object
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>). In binary mode the attributes
//! are the protocol's headers, and the body is the data.
//!
//! The data is inserted as stored text, without parsing it again.
//!
//! **Invariants**
//! 1. An event is one line without raw newlines, whatever the layout of Graph's JSON.
//! 2. Both modes have the same attributes: `attributes` tells each once.
//! 3. The data of a resource is what Graph sent. An operation's is reelhook's own, and tells under `reelhook` what
//!    reelhook adds: route, captures, order, previous state, the metadata that was announced, the envelope. The member comes
//!    last; one of Graph's under that name is not in the data.
//! 4. No attribute contains a character that CloudEvents forbids: such a value is omitted, and is only in the data.

pub mod asyncapi;
mod attributes;
mod data;
mod data_schema;
mod envelope;
pub mod schemas;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use self::attributes::{Attributes, Listed};
use crate::config::Events;
use crate::domain::{Delivery, Event};

/// The media type of one event in structured mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// The media type of the data alone.
pub const DATA_CONTENT_TYPE: &str = "application/json";

/// What CloudEvents' bindings for HTTP (3.1.3.2) and NATS (3.1.3.2) have percent-encoded in a header's value.
const IN_HEADERS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// How an event is written: what of its data, and under which names.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The recording's token, and a resource's other secrets, too.
    pub include_access_token: bool,
    /// Only these members of the data; `None`: all.
    pub fields: Option<Vec<String>>,
    /// How it is named.
    pub events: Events,
}

impl Wanted {
    /// All of the data.
    pub fn all(include_access_token: bool) -> Self {
        Self { include_access_token, ..Self::default() }
    }
}

/// Writes the event of a delivery in structured mode, under its plain names.
pub fn write(delivery: &Delivery, include_access_token: bool, out: &mut Vec<u8>) {
    write_wanted(delivery, &Wanted::all(include_access_token), out);
}

/// As [`write()`], as it is wanted.
pub fn write_wanted(delivery: &Delivery, wanted: &Wanted, out: &mut Vec<u8>) {
    write_event(&delivery.event, Some(delivery), wanted, out);
}

/// Writes an event that is not on its way to a sink: without route and captures, and never with the token.
pub fn write_unrouted(event: &Event, events: &Events, out: &mut Vec<u8>) {
    write_event(event, None, &Wanted { events: events.clone(), ..Wanted::default() }, out);
}

fn write_event(event: &Event, delivery: Option<&Delivery>, wanted: &Wanted, out: &mut Vec<u8>) {
    out.reserve(event.data.len() + 1536);
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    attributes::tell(event, delivery, &wanted.events, &mut Structured(out));
    out.extend_from_slice(br#","data":"#);
    data::write(event, delivery, wanted, out);
    out.push(b'}');
}

/// The attributes of binary mode, with `specversion` and without `datacontenttype`: a binding has that as its content type.
pub fn attributes(delivery: &Delivery, events: &Events) -> Vec<(&'static str, String)> {
    let mut listed = Listed(vec![("specversion", "1.0".to_owned())]);
    attributes::tell(&delivery.event, Some(delivery), events, &mut listed);
    listed.0
}

/// The body of binary mode: the data.
pub fn write_data(delivery: &Delivery, wanted: &Wanted, out: &mut Vec<u8>) {
    data::write(&delivery.event, Some(delivery), wanted, out);
}

/// The resource alone: what Graph told, without what reelhook adds to it.
pub fn write_resource(delivery: &Delivery, wanted: &Wanted, out: &mut Vec<u8>) {
    data::write_resource(&delivery.event, wanted, out);
}

/// An attribute's value as HTTP and NATS have it in a header: percent-encoded.
pub fn in_header(value: &str) -> String {
    utf8_percent_encode(value, IN_HEADERS).to_string()
}

/// Attributes as members of the event.
struct Structured<'a>(&'a mut Vec<u8>);

impl Attributes for Structured<'_> {
    fn text(&mut self, name: &'static str, value: &str) {
        member(name, value, self.0);
    }

    fn yes(&mut self, name: &'static str) {
        member(name, &true, self.0);
    }
}

/// Appends a member to an object that has members already.
fn member(name: &str, value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    // Writing into memory cannot fail.
    drop(serde_json::to_writer(out, value));
}
