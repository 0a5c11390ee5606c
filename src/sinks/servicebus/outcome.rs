//! What the outcome of a message means for its delivery.

use fe2o3_amqp::types::definitions::{self, ErrorCondition};
use fe2o3_amqp::types::messaging::{Modified, Outcome, Rejected};
use fe2o3_amqp::types::primitives::Symbol;

use crate::sinks::{DeliveryError, reason};

/// What no later attempt mends: it is about the message alone.
const OF_THE_MESSAGE: [&str; 3] = ["amqp:link:message-size-exceeded", "amqp:decode-error", "amqp:invalid-field"];
/// After which every other message would be refused too: a queue that is full, gone or switched off, a login that may not
/// send, a broker with too much to do.
const OF_THE_QUEUE: [&str; 6] = [
    "amqp:resource-limit-exceeded",
    "amqp:not-found",
    "amqp:unauthorized-access",
    "com.microsoft:server-busy",
    "com.microsoft:entity-disabled",
    "com.microsoft:timeout",
];

/// The result of a message that the broker settled.
///
/// # Errors
/// The broker did not accept it.
pub(super) fn result(outcome: Outcome) -> Result<(), DeliveryError> {
    Err(match outcome {
        Outcome::Accepted(_) => return Ok(()),
        Outcome::Rejected(Rejected { error: Some(error) }) => of_message(&error),
        Outcome::Rejected(Rejected { error: None }) => {
            reason::retry("the broker rejected the message, and told no reason: a queue may be full")
        }
        Outcome::Released(_) => reason::retry("the broker released the message: it took it to no queue"),
        Outcome::Modified(Modified { undeliverable_here: Some(true), .. }) => {
            reason::retry("the broker did not take the message (modified): it cannot be delivered there")
        }
        Outcome::Modified(_) => reason::retry("the broker did not take the message (modified)"),
    })
}

/// What the broker says: the condition, and its words.
pub(super) fn told(error: &definitions::Error) -> String {
    match error.description.as_deref() {
        Some(description) => format!("{}: {description}", condition(error)),
        None => condition(error),
    }
}

fn of_message(error: &definitions::Error) -> DeliveryError {
    let condition = condition(error);
    if OF_THE_MESSAGE.contains(&condition.as_str()) {
        reason::reject(&told(error))
    } else if OF_THE_QUEUE.contains(&condition.as_str()) {
        reason::retry_all(&told(error))
    } else {
        reason::retry(&told(error))
    }
}

fn condition(error: &definitions::Error) -> String {
    let symbol = match &error.condition {
        ErrorCondition::AmqpError(it) => Symbol::from(it),
        ErrorCondition::ConnectionError(it) => Symbol::from(it),
        ErrorCondition::SessionError(it) => Symbol::from(it),
        ErrorCondition::LinkError(it) => Symbol::from(it),
        ErrorCondition::Custom(it) => it.clone(),
    };
    symbol.as_str().to_owned()
}
