//! What a refusal of the service means for a delivery.

use serde::Deserialize;

use crate::sinks::web_service::Answer;
use crate::sinks::{DeliveryError, reason};

/// What the reason begins with where the login lacks a right.
const RIGHTS: &str = "the login may not do this: ";

/// An error as the service has it.
#[derive(Default, Deserialize)]
struct Told {
    error: Error,
}

#[derive(Default, Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
}

/// The failure of a request. No message is refused for good: a mistake in the config must not destroy those that wait.
pub(super) fn of(answer: &Answer) -> DeliveryError {
    let Error { message, status } = serde_json::from_slice::<Told>(&answer.body).unwrap_or_default().error;
    let told = [status, message].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    match answer.status.as_u16() {
        401 => reason::retry_all("the service refused the login: the token is not valid"),
        403 => reason::retry_all(&format!("{RIGHTS}{told}")),
        404 => reason::retry_all(&format!("the topic is not there: {told}")),
        code @ (408 | 429 | 500..) => reason::retry_all(&format!("the service answered {code}: {told}")),
        code => reason::retry(&format!("the service answered {code}: {told}")),
    }
}

/// Whether the login is known, and may not do what it asked for.
pub(super) fn is_of_rights(error: &DeliveryError) -> bool {
    error.to_string().starts_with(RIGHTS)
}
