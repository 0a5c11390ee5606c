//! What an error means for a delivery.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::{Settings, client};
use crate::sinks::lost::Lost;
use crate::sinks::{DeliveryError, reason};

/// A producer that cannot be made.
pub(super) fn of_client(error: &KafkaError) -> DeliveryError {
    reason::retry_all(&format!("the client cannot be made: {error}"))
}

/// A message that was not taken from us.
pub(super) fn of_sending(error: &KafkaError, settings: &Settings, n_bytes: usize) -> DeliveryError {
    match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge) => reason::reject(&format!(
            "the event has {n_bytes} bytes, and a message may have {} with its key and headers (max_bytes)",
            settings.max_bytes
        )),
        // Too much waits for brokers that do not answer.
        Some(Code::QueueFull) => reason::retry_all("too many messages wait for the brokers"),
        Some(code) => of_code(code),
        None => reason::retry(&error.to_string()),
    }
}

/// A message that was not confirmed. It was one of `n_sent`.
pub(super) fn of(error: &KafkaError, settings: &Settings, n_sent: usize, lost: &Lost) -> DeliveryError {
    let Some(code) = error.rdkafka_error_code() else { return reason::retry(&error.to_string()) };
    match code {
        // The whole batch was too large: which of its messages is, nobody says.
        Code::MessageSizeTooLarge if n_sent > 1 => reason::retry(&too_large(settings)),
        Code::MessageSizeTooLarge => reason::reject(&too_large(settings)),
        Code::PurgeQueue | Code::PurgeInflight => {
            reason::retry("another attempt was given up, and what was not sent yet was taken back with it")
        }
        Code::MessageTimedOut => {
            let patience = client::message_timeout(settings.timeout);
            let noted = lost.noted().map(|noted| format!(": {noted}")).unwrap_or_default();
            reason::retry_all(&format!("no confirmation within {patience:?}{noted}"))
        }
        other => of_code(other),
    }
}

/// What is the same before and after a message was taken from us.
fn of_code(code: Code) -> DeliveryError {
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            reason::retry("there is no such topic")
        }
        Code::TopicAuthorizationFailed => reason::retry("the login may not write to this topic"),
        Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::ClusterAuthorizationFailed
        | Code::BrokerTransportFailure
        | Code::Authentication
        | Code::Fatal => reason::retry_all(&code.to_string()),
        _ => reason::retry(&code.to_string()),
    }
}

fn too_large(settings: &Settings) -> String {
    format!(
        "the topic takes smaller messages than {} bytes: set max_bytes to its max.message.bytes",
        settings.max_bytes
    )
}
