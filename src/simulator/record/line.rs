//! One line of a record: a request and the status of its answer, without secrets and personal details.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The text in the place of a `clientState`.
pub(super) const CLIENT_STATE: &str = "<clientState>";

/// One request of a record.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Milliseconds since the request before it arrived.
    pub after_ms: u64,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers that say something of the notification.
    pub heads: Vec<(String, String)>,
    /// The JSON; `None` if there was no body, or if it was left out.
    #[serde(default)]
    pub body: Option<Box<RawValue>>,
    /// Why the body was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The status of the answer; 0 if there was none.
    pub answer: u16,
}

/// What stands for a bearer token of a tenant.
pub(super) fn bearer_of(tenant: Option<&str>) -> String {
    format!("Bearer <token of {}>", tenant.unwrap_or("no tenant"))
}

/// The tenant of what stands for a bearer token; `None` if it is something else.
pub(super) fn tenant_of_bearer(text: &str) -> Option<&str> {
    text.strip_prefix("Bearer <token of ")?.strip_suffix('>')
}

/// What stands for a validation token of a version and a tenant.
pub(super) fn validation_token_of(version: &str, tenant: &str) -> String {
    format!("<validation token {version} of {tenant}>")
}

/// The version and the tenant of what stands for a validation token; `None` if it is something else.
pub(super) fn parts_of_validation_token(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("<validation token ")?.strip_suffix('>')?.split_once(" of ")
}

/// What stands for another secret: the same for the same secret.
pub(super) fn token(number: usize) -> String {
    format!("<token {number}>")
}

/// The number of what stands for another secret; `None` if it is something else.
pub(super) fn number_of_token(text: &str) -> Option<usize> {
    text.strip_prefix("<token ")?.strip_suffix('>')?.parse().ok()
}
