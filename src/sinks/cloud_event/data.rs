//! The data of an event: what Graph told, and what reelhook adds to an operation.

use std::borrow::Cow;
use std::collections::HashMap;

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::attributes::sequence;
use super::{Wanted, member};
use crate::domain::{Delivery, Event, Order, Previous, Request, put_back};

/// Writes the data; an operation's with what reelhook adds.
pub(super) fn write(event: &Event, delivery: Option<&Delivery>, wanted: &Wanted, out: &mut Vec<u8>) {
    only_wanted(wanted, out, |out| whole(event, Some(&Added::of(event, delivery)), wanted, out));
}

/// Writes the resource alone.
pub(super) fn write_resource(event: &Event, wanted: &Wanted, out: &mut Vec<u8>) {
    only_wanted(wanted, out, |out| whole(event, None, wanted, out));
}

fn whole(event: &Event, added: Option<&Added<'_>>, wanted: &Wanted, out: &mut Vec<u8>) {
    let opened = event.data.trim_end().strip_suffix('}').filter(|_| event.is_of_operation());
    let Some(opened) = opened else {
        let secrets = event.secrets.as_ref().filter(|_| wanted.include_access_token);
        let whole = secrets.and_then(|it| put_back(&event.data, it));
        return on_one_line(whole.as_deref().unwrap_or(&event.data), out);
    };
    on_one_line(opened, out);
    let end = out.len();
    if let Some(added) = added {
        member("reelhook", added, out);
    }
    if let Some(token) = event.recording_access_token.as_ref().filter(|_| wanted.include_access_token) {
        member("recordingAccessToken", token.expose_secret(), out);
    }
    if opened.trim_end().ends_with('{') && out.len() > end {
        // The object had no members: the first has no comma before it.
        out[end] = b' ';
    }
    out.push(b'}');
}

/// Writes what `write` writes, or only the members of it that are wanted, in the order in which they are named. Data that
/// is no object has no members, and is written whole.
fn only_wanted(wanted: &Wanted, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let Some(fields) = &wanted.fields else { return write(out) };
    let mut whole = Vec::new();
    write(&mut whole);
    // Of a key that occurs twice, the last value.
    let Ok(members) = serde_json::from_slice::<HashMap<Cow<'_, str>, &RawValue>>(&whole) else {
        return out.extend_from_slice(&whole);
    };
    let chosen = fields.iter().filter_map(|field| Some((field, *members.get(field.as_str())?)));
    let mut separator = b'{';
    for (field, value) in chosen {
        out.push(separator);
        separator = b',';
        // Writing into memory cannot fail.
        drop(serde_json::to_writer(&mut *out, field));
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// What reelhook adds to an operation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Added<'a> {
    /// The route that chose the sink. Absent in the stream of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    route: Option<&'a str>,
    /// The named groups of the route's regex. Absent in the stream of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, String>, required = false)]
    captures: Option<&'a std::collections::BTreeMap<String, String>>,
    /// The first delivery of the event, if an operator had it sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    resend_of: Option<String>,
    /// How the notification compares with the stored state. Absent from reelhook's own events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    order: Option<&'static str>,
    /// The state that was stored before; `null` for the first notification.
    #[schema(value_type = Option<Previous>, required = true)]
    previous_state: Option<&'a Previous>,
    /// Whether the same bytes arrived before and it is not known whether this is a repeat or a change; absent if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    possible_repeat: bool,
    /// When reelhook accepted it, if it was in the quarantine until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    accepted_date_time: Option<String>,
    /// The metadata of the announcement.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    metadata: Option<serde_json::Value>,
    /// `calls`, `subscriptions` or `lifecycle`.
    #[schema(value_type = String)]
    channel: &'static str,
    /// The subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    subscription_id: Option<&'a str>,
    /// When that subscription expires, as Graph sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    subscription_expiration_date_time: Option<&'a str>,
    /// Microsoft's correlation id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    correlation_id: Option<&'a str>,
    /// The key by which a destination can keep events in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    partition_key: Option<&'a str>,
    /// The number of the event, as 16 digits.
    #[schema(pattern = "^[0-9]{16}$")]
    sequence: String,
    #[serde(flatten)]
    #[schema(inline)]
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
            accepted_date_time: event.envelope.carried.accepted_at.map(|at| at.to_string()),
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
