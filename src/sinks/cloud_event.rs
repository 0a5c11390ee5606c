//! CloudEvents 1.0, structured JSON
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>): the format of every sink and
//! of the stream of events. `docs/sinks.md` shows it to users.
//!
//! The data is inserted as stored text, without parsing it again.
//!
//! **Invariants**
//! 1. An event is one line without raw newlines, whatever the layout of Graph's JSON.
//! 2. The data of a resource is what Graph sent. An operation's is reelhook's own, and tells under `reelhook` what
//!    reelhook adds: route, captures, order, previous state, the metadata that was announced, the envelope. The member comes
//!    last; one of Graph's under that name is not in the data.
//! 3. No attribute contains a character that CloudEvents forbids: such a value is omitted, and is only in the data.

use std::io::Write;

use secrecy::ExposeSecret;
use serde::Serialize;

use crate::domain::{ClientContext, Delivery, Envelope, Event, Order, Request, may_be_in_attribute, put_back};

/// The media type of one event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// Writes the event of a delivery.
pub fn write(delivery: &Delivery, include_access_token: bool, out: &mut Vec<u8>) {
    write_event(&delivery.event, Some(delivery), include_access_token, out);
}

/// Writes an event that is not on its way to a sink: without route and captures, and never with the token.
pub fn write_unrouted(event: &Event, out: &mut Vec<u8>) {
    write_event(event, None, false, out);
}

fn write_event(event: &Event, delivery: Option<&Delivery>, include_access_token: bool, out: &mut Vec<u8>) {
    out.reserve(event.data.len() + 1536);
    // Writing into memory cannot fail.
    drop(write!(out, r#"{{"specversion":"1.0","id":"{}","source":"{}","type":"#, event.id, event.source()));
    json(event.kind.as_str(), out);
    drop(write!(out, r#","time":"{}","datacontenttype":"application/json""#, event.time));
    attribute("acceptedtime", accepted(event).as_deref(), out);
    attribute("subject", event.subject.as_deref(), out);
    if let Some(delivery) = delivery {
        attribute("route", Some(delivery.route.as_str()), out);
        attribute("resendof", delivery.resend_of.map(|id| id.to_string()).as_deref(), out);
    }
    if event.possible_repeat {
        out.extend_from_slice(br#","possiblerepeat":true"#);
    }
    attribute("clientcontext", event.client_context.as_ref().map(ClientContext::as_str), out);
    if let Some(captures) = delivery.map(|it| &it.captures).filter(|captures| !captures.is_empty()) {
        // Attributes are flat: JSON inside a text is the only shape that one may have.
        attribute("captures", Some(&escaped(serde_json::to_string(captures).unwrap_or_default())), out);
    }
    envelope(event, out);
    out.extend_from_slice(br#","data":"#);
    data(event, delivery, include_access_token, out);
    out.push(b'}');
}

/// The attributes about where an event came in, for whom, and which events belong together.
fn envelope(event: &Event, out: &mut Vec<u8>) {
    let Envelope { channel, resource_type, tenant_id, subscription_id, carried } = &event.envelope;
    attribute("channel", Some(channel.as_str()), out);
    attribute("resourcetype", Some(resource_type), out);
    attribute("changetype", carried.change_type.as_deref(), out);
    attribute("tenantid", tenant_id.as_deref(), out);
    attribute("callid", carried.call_id.as_deref(), out);
    attribute("subscriptionid", subscription_id.as_deref(), out);
    attribute("subscriptionexpiry", carried.subscription_expires_at.as_deref(), out);
    attribute("callback", carried.request.callback.as_deref(), out);
    attribute("correlationid", carried.request.correlation_id(), out);
    attribute("partitionkey", event.partition_key(), out);
    drop(write!(out, r#","sequence":"{}""#, sequence(event)));
}

/// When an event was accepted, if it was in the quarantine until then.
fn accepted(event: &Event) -> Option<String> {
    event.envelope.carried.accepted_at.map(|at| at.to_string())
}

/// The number of an event as a text that sorts in the same order: no store has more than 2^51 events.
fn sequence(event: &Event) -> String {
    format!("{:016}", event.number)
}

/// Writes several events, a line each.
pub fn write_lines(deliveries: &[&Delivery], include_access_token: bool) -> Vec<u8> {
    let mut lines = Vec::new();
    for delivery in deliveries {
        write(delivery, include_access_token, &mut lines);
        lines.push(b'\n');
    }
    lines
}

fn data(event: &Event, delivery: Option<&Delivery>, include_access_token: bool, out: &mut Vec<u8>) {
    let opened = event.data.trim_end().strip_suffix('}').filter(|_| event.is_of_operation());
    let Some(opened) = opened else {
        let whole = event.secrets.as_ref().filter(|_| include_access_token).and_then(|it| put_back(&event.data, it));
        return on_one_line(whole.as_deref().unwrap_or(&event.data), out);
    };
    on_one_line(opened, out);
    if !opened.trim_end().ends_with('{') {
        out.push(b',');
    }
    out.extend_from_slice(br#""reelhook":"#);
    json(&Added::of(event, delivery), out);
    if let Some(token) = event.recording_access_token.as_ref().filter(|_| include_access_token) {
        member("recordingAccessToken", token.expose_secret(), out);
    }
    out.push(b'}');
}

/// reelhook's additions to an operation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    captures: Option<&'a std::collections::BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'static str>,
    previous_state: Option<&'a crate::domain::Previous>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possible_repeat: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<serde_json::Value>,
    channel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_expiration_date_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'a str>,
    sequence: String,
    #[serde(flatten)]
    request: &'a Request,
}

impl<'a> Added<'a> {
    fn of(event: &'a Event, delivery: Option<&'a Delivery>) -> Self {
        let carried = &event.envelope.carried;
        Self {
            route: delivery.map(|it| it.route.as_str()),
            captures: delivery.map(|it| &it.captures),
            resend_of: delivery.and_then(|it| it.resend_of).map(|id| id.to_string()),
            order: event.order.map(Order::as_str),
            previous_state: event.previous.as_ref(),
            possible_repeat: event.possible_repeat,
            accepted_date_time: accepted(event),
            // Parsed and written again, so that it is on one line.
            metadata: event.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            channel: event.envelope.channel.as_str(),
            subscription_id: event.envelope.subscription_id.as_deref(),
            subscription_expiration_date_time: carried.subscription_expires_at.as_deref(),
            correlation_id: carried.request.correlation_id(),
            partition_key: event.partition_key(),
            sequence: sequence(event),
            request: &carried.request,
        }
    }
}

/// JSON has newlines only between its tokens, where a space says the same.
fn on_one_line(json: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(json.as_bytes());
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Writes an attribute, unless it is absent or contains a forbidden character: a part of it would be another value.
fn attribute(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    let is_plain = |value: &str| value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let may_be = |value: &str| is_plain(value) || value.chars().all(may_be_in_attribute);
    if let Some(value) = value.filter(|value| !value.is_empty() && may_be(value)) {
        member(name, value, out);
    }
}

/// JSON text with every character that no attribute may hold escaped: it means the same.
fn escaped(json: String) -> String {
    if json.chars().all(may_be_in_attribute) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if may_be_in_attribute(character) {
            escaped.push(character);
        } else {
            let units =
                character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            escaped.push_str(&units);
        }
    }
    escaped
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json(value, out);
}

fn json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    drop(serde_json::to_writer(out, value));
}
