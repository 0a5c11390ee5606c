//! The attributes of an event, each once, for whichever mode wants them.

use std::fmt::Write;

use super::data_schema::DataSchema;
use crate::config::Events;
use crate::domain::{ClientContext, Delivery, Envelope, Event, may_be_in_attribute};

/// Who takes attributes.
pub(super) trait Attributes {
    /// One whose value is a text.
    fn text(&mut self, name: &'static str, value: &str);
    /// One whose value is `true`.
    fn yes(&mut self, name: &'static str);
}

/// Attributes as a list of names and texts, for protocols whose headers are texts.
pub(super) struct Listed(pub(super) Vec<(&'static str, String)>);

impl Attributes for Listed {
    fn text(&mut self, name: &'static str, value: &str) {
        if name != "datacontenttype" {
            self.0.push((name, value.to_owned()));
        }
    }

    fn yes(&mut self, name: &'static str) {
        self.0.push((name, "true".to_owned()));
    }
}

/// Tells `to` every attribute but `specversion`, and those of the route if the event is on its way to a sink.
pub(super) fn tell(event: &Event, delivery: Option<&Delivery>, events: &Events, to: &mut impl Attributes) {
    let mut text = String::with_capacity(64);
    shown(to, "id", &event.id, &mut text);
    to.text("source", event.source());
    to.text("type", &events.sent_type(&event.kind));
    shown(to, "time", &event.time, &mut text);
    to.text("datacontenttype", super::DATA_CONTENT_TYPE);
    if let Some(base) = &events.schema_base {
        to.text("dataschema", &format!("{base}{}", DataSchema::of(event).file()));
    }
    if let Some(at) = event.envelope.carried.accepted_at {
        shown(to, "acceptedtime", &at, &mut text);
    }
    add(to, "subject", event.subject.as_deref());
    if let Some(delivery) = delivery {
        add(to, "route", Some(delivery.route.as_str()));
        add(to, "resendof", delivery.resend_of.map(|id| id.to_string()).as_deref());
    }
    if event.possible_repeat {
        to.yes("possiblerepeat");
    }
    add(to, "clientcontext", event.client_context.as_ref().map(ClientContext::as_str));
    if let Some(captures) = delivery.map(|it| &it.captures).filter(|captures| !captures.is_empty()) {
        // Attributes are flat: JSON inside a text is the only shape that one may have.
        add(to, "captures", Some(&escaped(serde_json::to_string(captures).unwrap_or_default())));
    }
    envelope(event, to);
}

/// The attributes about where an event came in, for whom, and which events belong together.
fn envelope(event: &Event, to: &mut impl Attributes) {
    let Envelope { channel, resource_type, tenant_id, subscription_id, carried } = &event.envelope;
    // Events about reelhook itself came in nowhere.
    add(to, "channel", Some(channel.as_str()).filter(|_| !event.is_for_operators()));
    add(to, "resourcetype", Some(resource_type));
    add(to, "changetype", carried.change_type.as_deref());
    add(to, "tenantid", tenant_id.as_deref());
    add(to, "callid", carried.call_id.as_deref());
    add(to, "subscriptionid", subscription_id.as_deref());
    add(to, "subscriptionexpiry", carried.subscription_expires_at.as_deref());
    add(to, "callback", carried.request.callback.as_deref());
    add(to, "correlationid", carried.request.correlation_id());
    if let Some(cause) = &carried.caused_by {
        shown(to, "causationid", cause, &mut String::new());
    }
    add(to, "traceparent", carried.request.traceparent.as_deref());
    add(to, "partitionkey", event.partition_key());
    to.text("sequence", &sequence(event));
}

/// The number of an event as a text that sorts in the same order: no store has more than 2^51 events.
pub(super) fn sequence(event: &Event) -> String {
    format!("{:016}", event.number)
}

/// Tells a value that is always a plain text; `text` is room for it.
fn shown(to: &mut impl Attributes, name: &'static str, value: &impl std::fmt::Display, text: &mut String) {
    text.clear();
    // Writing into memory cannot fail.
    let _ = write!(text, "{value}");
    to.text(name, text);
}

/// Tells a value, unless it is absent or contains a forbidden character: a part of it would be another value.
fn add(to: &mut impl Attributes, name: &'static str, value: Option<&str>) {
    let is_plain = |value: &str| value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let may_be = |value: &str| is_plain(value) || value.chars().all(may_be_in_attribute);
    if let Some(value) = value.filter(|value| !value.is_empty() && may_be(value)) {
        to.text(name, value);
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
