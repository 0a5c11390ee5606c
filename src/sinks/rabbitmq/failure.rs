//! What an error of the server or of the connection means for a delivery.

use lapin::{Error, ErrorKind};

use crate::sinks::{DeliveryError, reason};

/// The failure of a message, or of a connection.
pub(super) fn of(error: &Error) -> DeliveryError {
    match error.kind() {
        // Something about this channel: an exchange that is not there, a key that may not be written.
        ErrorKind::ProtocolError(it) if error.is_amqp_soft_error() => reason::retry(it.get_message().as_str()),
        ErrorKind::ProtocolError(it) => reason::retry_all(it.get_message().as_str()),
        _ => reason::retry_all(&format!("the connection failed: {}", reason::chain(error))),
    }
}

/// The longest message that the server takes, if that is what it refused.
pub(super) fn limit(error: &Error) -> Option<usize> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let (_, limit) = error.get_message().as_str().split_once("is larger than configured max size ")?;
    let digits: String = limit.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
