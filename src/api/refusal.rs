//! The body of a refusal, for `/openapi.json`. Nothing here is ever made: [`super::error`] writes it.
#![allow(dead_code, reason = "descriptions, of which no value is made")]

use jiff::Timestamp;
use utoipa::ToSchema;

/// Microsoft Graph's error body.
#[derive(ToSchema)]
pub struct Refusal {
    /// What is wrong.
    error: RefusalCode,
}

/// What is wrong.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RefusalCode {
    /// For machines, as `itemNotFound`.
    code: String,
    /// For developers; it may change.
    message: String,
    /// By which the request is found again.
    inner_error: InnerError,
}

/// By which a request is found again.
#[derive(ToSchema)]
pub struct InnerError {
    /// A finer code, as `invalidQueryOption`, where there is one.
    code: Option<String>,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    date: Timestamp,
    /// The server's id of the request.
    #[schema(rename = "request-id")]
    request_id: String,
    /// The client's id of the request; the server's where it has none.
    #[schema(rename = "client-request-id")]
    client_request_id: String,
}
