//! What an error of the broker or of the connection means for a delivery.

use fe2o3_amqp::connection::{ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, LinkStateError, ReceiverAttachError, SendError, SenderAttachError, SessionStopReason,
};
use fe2o3_amqp::session::BeginError;
use fe2o3_amqp::transport;
use fe2o3_amqp::types::definitions;
use fe2o3_amqp::types::messaging::{Outcome, Rejected};
use fe2o3_amqp_management::error::{AttachError, Error as CbsError};
use secrecy::{ExposeSecret, SecretString};

use super::outcome::told;
use crate::sinks::{DeliveryError, reason};

/// The failure of a message for which there is no outcome.
pub(super) fn of_sending(error: &SendError) -> DeliveryError {
    match error {
        SendError::MessageSizeExceeded(it) => reason::reject(&format!(
            "the event is a message of {} bytes, and the queue takes {} (max-message-size)",
            it.size, it.max_size
        )),
        SendError::MessageEncodeError => reason::reject("the event cannot be written as a message of AMQP"),
        SendError::LinkStateError(it) => lost(of_link(it)),
        SendError::Detached(it) => lost(of_detaching(it)),
        SendError::NonTerminalDeliveryState | SendError::IllegalDeliveryState => {
            reason::retry(&format!("the broker settled the message without an outcome: {error}"))
        }
    }
}

/// Why there is no connection.
pub(super) fn of_opening(error: &OpenError) -> DeliveryError {
    let text = match error {
        OpenError::SaslError { .. } => "the broker refused the login: check auth".to_owned(),
        OpenError::NotImplemented(Some(what)) => format!("the broker does not offer this login: {what}"),
        OpenError::ProtocolHeaderMismatch(_) => "found a server of another protocol, expected AMQP 1.0".to_owned(),
        OpenError::RemoteClosedWithError(error) => told(error),
        OpenError::Io(error) | OpenError::TransportError(transport::Error::Io(error)) => error.to_string(),
        error => reason::chain(error),
    };
    reason::retry_all(&format!("could not connect: {text}"))
}

/// Why there is no session.
pub(super) fn of_session(error: &BeginError) -> DeliveryError {
    let by_broker = match error {
        BeginError::RemoteEndedWithError(error) => Some(error),
        BeginError::ConnectionStopped(stop) => of_connection(stop),
        _ => None,
    };
    lost(by_broker)
}

/// Why there is no link to a queue.
pub(super) fn of_attaching(queue: &str, error: &SenderAttachError) -> DeliveryError {
    let text = match (of_sender(error), error) {
        (Some(error), _) => told(error),
        (None, SenderAttachError::IncomingTargetIsNone) => "the broker has no such queue".to_owned(),
        (None, error) => reason::chain(error),
    };
    reason::retry_all(&format!("no link to {queue:?}: {text}"))
}

/// Why there is no link to the node that takes tokens.
pub(super) fn of_cbs(error: &AttachError) -> DeliveryError {
    let by_broker = match error {
        AttachError::Sender(error) => of_sender(error),
        AttachError::Receiver(ReceiverAttachError::RemoteClosedWithError(error)) => Some(error),
        AttachError::Receiver(ReceiverAttachError::SessionStopped(stop)) => of_stop(stop),
        AttachError::Receiver(_) => None,
    };
    let text = by_broker.map_or_else(|| reason::chain(error), told);
    reason::retry_all(&format!("the broker takes no token ($cbs): {text}"))
}

/// Why the broker refused a token. Its words never show the token.
pub(super) fn of_token(error: &CbsError, token: &SecretString) -> DeliveryError {
    let text = match error {
        CbsError::Status(status) => {
            format!("{} {}", status.code.0, status.description.as_deref().unwrap_or_default())
        }
        CbsError::NotAccepted(Outcome::Rejected(Rejected { error: Some(error) })) => told(error),
        error => reason::chain(error),
    };
    let text = text.replace(token.expose_secret(), "(the token)");
    reason::retry_all(&format!("the broker refused the token: {text}"))
}

/// The failure of everything that is under way.
fn lost(by_broker: Option<&definitions::Error>) -> DeliveryError {
    reason::retry_all(&by_broker.map_or_else(|| "the connection was lost before the broker answered".to_owned(), told))
}

fn of_sender(error: &SenderAttachError) -> Option<&definitions::Error> {
    match error {
        SenderAttachError::RemoteClosedWithError(error) => Some(error),
        SenderAttachError::SessionStopped(stop) => of_stop(stop),
        _ => None,
    }
}

fn of_link(error: &LinkStateError) -> Option<&definitions::Error> {
    match error {
        LinkStateError::RemoteDetachedWithError(error) | LinkStateError::RemoteClosedWithError(error) => Some(error),
        LinkStateError::SessionStopped(stop) => of_stop(stop),
        _ => None,
    }
}

fn of_detaching(error: &DetachError) -> Option<&definitions::Error> {
    match error {
        DetachError::RemoteDetachedWithError(error) | DetachError::RemoteClosedWithError(error) => Some(error),
        DetachError::SessionStopped(stop) => of_stop(stop),
        _ => None,
    }
}

fn of_stop(stop: &SessionStopReason) -> Option<&definitions::Error> {
    match stop {
        SessionStopReason::RemoteEndedWithError(error) => Some(error),
        SessionStopReason::ConnectionStopped(stop) => of_connection(stop),
        _ => None,
    }
}

fn of_connection(stop: &ConnectionStopReason) -> Option<&definitions::Error> {
    match stop {
        ConnectionStopReason::RemoteClosedWithError(error) => Some(error),
        _ => None,
    }
}
