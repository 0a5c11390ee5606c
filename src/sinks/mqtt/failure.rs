//! What an answer of the broker means for a delivery.

use rumqttc::{ConnectReturnCode, ConnectionError, PubAck, PubAckReason, StateError};

use crate::sinks::{DeliveryError, reason};

/// A connection that could not be made.
pub(super) fn of_connection(error: &ConnectionError) -> DeliveryError {
    reason::retry_all(&match refusal(error) {
        Some(ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized) => {
            "the broker refused the login: check auth".to_owned()
        }
        Some(code) => format!("the broker refused the connection: {code:?}"),
        None => format!("could not connect: {}", told(error)),
    })
}

/// Why a connection ended.
pub(super) fn told(error: &ConnectionError) -> String {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let text = reason_string.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
            format!("the broker ended the connection: {reason_code:?}{text}")
        }
        other => reason::chain(other),
    }
}

/// The failure of a message that the broker answered.
///
/// # Errors
/// It did not take it, or would drop it.
pub(super) fn of_answer(answer: &PubAck) -> Result<(), DeliveryError> {
    match answer.reason {
        PubAckReason::Success => Ok(()),
        PubAckReason::NoMatchingSubscribers => {
            Err(reason::retry("nobody subscribes to this topic: the broker drops the event"))
        }
        PubAckReason::NotAuthorized => Err(reason::retry("the login may not publish to this topic")),
        other => {
            let text = answer.properties.as_ref().and_then(|it| it.reason_string.as_deref()).unwrap_or_default();
            Err(reason::retry(&format!("the broker did not take the event: {other:?} {text}")))
        }
    }
}

fn refusal(error: &ConnectionError) -> Option<ConnectReturnCode> {
    match error {
        ConnectionError::ConnectionRefused(code) => Some(*code),
        ConnectionError::MqttState(StateError::ConnFail { reason }) => Some(*reason),
        _ => None,
    }
}
