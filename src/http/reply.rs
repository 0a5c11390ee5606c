//! Every status code of the public listener. Bodies are constant and short, so they reveal nothing.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};

use crate::domain::Reason;
use crate::graph::Refusal;
use crate::intake::Refused;

/// Every status of an answer to Graph: the metrics have a counter for each.
pub const STATUSES: [u16; 12] = [200, 202, 204, 400, 401, 404, 405, 408, 413, 415, 429, 503];

/// Seconds after which a sender may retry.
const RETRY_AFTER_SECONDS: &str = "10";

/// 202: everything in the POST is stored durably.
pub fn accepted() -> HttpResponse {
    HttpResponse::Accepted().finish()
}

/// 200: the answer to a handshake is exactly the token, in a form that no browser runs.
pub fn handshake(token: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("content-type", "text/plain; charset=utf-8"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(token)
}

/// The answer to a refused request, and the reason that is counted. `None`: this refusal is a normal case of Graph's
/// protocol.
pub fn refused(refused: Refused) -> (HttpResponse, Option<Reason>) {
    match refused {
        Refused::ByGraph(Refusal::Unauthorized(reason)) => (unauthorized(), Some(reason)),
        Refused::ByGraph(Refusal::Malformed(reason)) => (bad_request(), Some(reason)),
        Refused::ByGraph(Refusal::TooLarge(reason)) => (too_large(), Some(reason)),
        Refused::ByGraph(Refusal::Legacy) => (HttpResponse::NoContent().finish(), None),
        Refused::ByGraph(Refusal::Undecided(reason)) => (unavailable(), Some(reason)),
        Refused::ByGraph(Refusal::Overloaded) | Refused::ByStore => (unavailable(), Some(Reason::Shed)),
        Refused::NotConfigured => (not_found(), Some(Reason::BadRequest)),
    }
}

/// 401, without a reason: an honest sender has a working token.
fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized().insert_header((WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")).finish()
}

/// 400.
pub fn bad_request() -> HttpResponse {
    text(StatusCode::BAD_REQUEST, "bad request\n")
}

/// 400: the body did not arrive as its head said. The connection is closed, because the start of the next request is
/// unknown.
pub fn broken() -> HttpResponse {
    closing(StatusCode::BAD_REQUEST, "bad request\n")
}

/// 404.
pub fn not_found() -> HttpResponse {
    text(StatusCode::NOT_FOUND, "not found\n")
}

/// 405: only POST is served.
pub fn method_not_allowed() -> HttpResponse {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    reply.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static("POST"));
    reply
}

/// 408: the body arrived too slowly. The connection is closed.
pub fn timeout() -> HttpResponse {
    closing(StatusCode::REQUEST_TIMEOUT, "request timeout\n")
}

/// 413. 413. The connection is closed, because the rest of the body is not read.
pub fn too_large() -> HttpResponse {
    closing(StatusCode::PAYLOAD_TOO_LARGE, "payload too large\n")
}

/// 415.
pub fn unsupported() -> HttpResponse {
    closing(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type\n")
}

/// 429: too many handshakes from one source.
pub fn too_many() -> HttpResponse {
    HttpResponse::TooManyRequests().insert_header((RETRY_AFTER, "60")).finish()
}

/// 503: the sender should try again later.
pub fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS)).finish()
}

/// 503 during a body. The connection is closed, because the rest of the body is not read.
pub fn overloaded() -> HttpResponse {
    let mut reply = HttpResponse::ServiceUnavailable();
    reply.force_close().insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS)).finish()
}

fn text(status: StatusCode, body: &'static str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(("content-type", "text/plain; charset=utf-8"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body)
}

fn closing(status: StatusCode, body: &'static str) -> HttpResponse {
    HttpResponse::build(status)
        .force_close()
        .insert_header(("content-type", "text/plain; charset=utf-8"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_listed() {
        let replies = [
            accepted(),
            handshake("token".into()),
            unauthorized(),
            bad_request(),
            broken(),
            not_found(),
            method_not_allowed(),
            timeout(),
            too_large(),
            unsupported(),
            too_many(),
            unavailable(),
            overloaded(),
            refused(Refused::ByGraph(Refusal::Legacy)).0,
        ];
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status().as_u16()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        assert_eq!(statuses, STATUSES);
    }
}
