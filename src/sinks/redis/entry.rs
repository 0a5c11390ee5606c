//! An event as an entry of a stream: a command, and its fields.

use redis::Cmd;

use super::Settings;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, percent_encode};
use crate::sinks::{DeliveryError, Message, reason};

/// A key may be longer; nobody could work with it.
const LIMIT: Limit = Limit { place: "key of the stream", n_bytes: 2048 };

/// The command that adds the entry of a delivery. `max_bytes` is the longest value that the server takes.
///
/// # Errors
/// [`DeliveryError::Reject`]: the key or the event is too long.
pub(super) fn of(settings: &Settings, delivery: &Delivery, max_bytes: usize) -> Result<Cmd, DeliveryError> {
    let key = settings.stream.fill_within(delivery, LIMIT, escape)?;
    let Message { content_type, attributes, body } = settings.shape.message(delivery);
    if body.len() > max_bytes {
        let n_bytes = body.len();
        return Err(reason::reject(&format!(
            "the event has {n_bytes} bytes, and the server takes {max_bytes} (proto-max-bulk-len)"
        )));
    }
    let mut command = redis::cmd("XADD");
    command.arg(key);
    if let Some(max_length) = settings.max_length {
        // Whole nodes are cut off: an exact length would cost the server much more.
        command.arg("MAXLEN").arg("~").arg(max_length);
    }
    command.arg("*").arg("id").arg(delivery.id.to_string()).arg("content-type").arg(content_type);
    for (name, value) in attributes {
        command.arg(format!("ce_{name}")).arg(value);
    }
    command.arg("event").arg(body);
    Ok(command)
}

/// Appends a value to a key. What divides keys, and what chooses a node of a cluster, is percent-encoded.
fn escape(value: &str, out: &mut String) {
    let is_special =
        |character: char| matches!(character, ':' | '{' | '}') || character.is_whitespace() || character.is_control();
    percent_encode(value, is_special, out);
}
