//! The body of a refusal, for `/openapi.json`. No value of these types is ever made: [`super::error`] writes the JSON.
#![allow(dead_code, reason = "descriptions, of which no value is made")]

use jiff::Timestamp;
use utoipa::ToSchema;

/// Microsoft Graph's error body.
#[derive(ToSchema)]
pub struct Refusal {
    /// The error.
    error: RefusalCode,
}

/// An error.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RefusalCode {
    /// A code for programs, such as `itemNotFound`.
    code: String,
    /// A text for developers. It may change.
    message: String,
    /// Ids and codes of the request.
    inner_error: InnerError,
}

/// Ids and codes of a request.
#[derive(ToSchema)]
pub struct InnerError {
    /// A more precise code, such as `invalidQueryOption`, if there is one.
    code: Option<String>,
    /// When the server answered.
    #[schema(value_type = String, format = DateTime)]
    date: Timestamp,
    /// The server's id of the request.
    #[schema(rename = "request-id")]
    request_id: String,
    /// The client's id of the request. If the client sent none, the server's id.
    #[schema(rename = "client-request-id")]
    client_request_id: String,
}
