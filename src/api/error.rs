//! Errors in Graph's format: a code for machines, a text for developers, and the ids that identify the request
//! (<https://learn.microsoft.com/graph/errors>).
//!
//! A handler returns an [`ApiError`]; [`exchange`], which wraps every path of the API, writes the answer.
//!
//! **Invariants**
//! 1. Every answer has the headers `request-id` and `client-request-id`; an error's body has them too.
//! 2. An internal error is logged with the request's id; the answer does not contain it.
//! 3. No cache may store an answer, because it may contain a recording's token.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse, ResponseError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Admin;
use crate::access::Denied;
use crate::operator::OperatorError;
use crate::store::StoreError;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
/// The longest client-request-id that is repeated.
const MAX_CLIENT_REQUEST_ID_BYTES: usize = 128;
/// Seconds after which a client may try again.
const RETRY_AFTER_SECONDS: &str = "10";

/// Why a request is refused.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    finer: Option<&'static str>,
    message: Cow<'static, str>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    closes: bool,
    /// The cause, only for the log.
    inside: Option<Box<StoreError>>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, finer: None, message: message.into(), header: None, closes: false, inside: None }
    }

    /// 400: the request is wrong. `finer` is one of Graph's detailed codes, such as `invalidQueryOption`.
    pub fn bad_request(finer: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "badRequest", message).with_finer(finer)
    }

    /// 404. The answer says nothing more about a missing resource.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "nothing has this address or id")
    }

    /// 405, with the allowed methods: `GET, POST`.
    pub fn method_not_allowed(allow: &str) -> Self {
        let mut error = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "notSupported",
            format!("found another method, expected {allow}"),
        );
        error.header = HeaderValue::from_str(allow).ok().map(|allow| Box::new((ALLOW, allow)));
        error
    }

    /// 409: the request conflicts with the stored state.
    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 412: the resource was changed after the client read it.
    pub fn stale() -> Self {
        let message = "the resource was changed after its @odata.etag was read: read it again before you change it";
        Self::new(StatusCode::PRECONDITION_FAILED, "resourceModified", message).with_finer("entityTagDoesNotMatch")
    }

    /// 408: the body arrived too slowly.
    pub fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "badRequest", "the body arrived too slowly").closing()
    }

    /// 413: more than `max_bytes`.
    pub fn too_large(max_bytes: usize) -> Self {
        let message = format!("found a longer body, expected at most {max_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "badRequest", message).with_finer("parameterIsTooLong").closing()
    }

    /// 415.
    pub fn unsupported_media_type() -> Self {
        let message = "expected the content type application/json, and no content encoding";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "badRequest", message).closing()
    }

    /// 422: a config with mistakes, one on each line.
    pub fn mistakes(mistakes: &[String]) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "configRefused", mistakes.join("\n"))
    }

    /// 503: retry later.
    pub fn unavailable() -> Self {
        let message = "this cannot be done now; retrying later is safe";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", message);
        error.header = Some(Box::new((RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS))));
        error
    }

    /// Adds one of Graph's detailed codes to the inner error.
    pub fn with_finer(mut self, finer: &'static str) -> Self {
        self.finer = Some(finer);
        self
    }

    /// Closes the connection, because the rest of the body is not read.
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    fn body(&self, ids: &Ids, date: String) -> Value {
        let mut inner = Map::new();
        if let Some(finer) = self.finer {
            inner.insert("code".into(), finer.into());
        }
        inner.insert("date".into(), date.into());
        inner.insert("request-id".into(), ids.request_id.clone().into());
        inner.insert("client-request-id".into(), ids.client_request_id.clone().into());
        json!({ "error": { "code": self.code, "message": self.message, "innerError": inner } })
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let forbidden = |message| Self::new(StatusCode::FORBIDDEN, "accessDenied", message);
        match denied {
            Denied::Token => {
                let message = "expected an Authorization header with one of this server's tokens: Bearer <token>";
                let mut error = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message);
                error.header = Some(Box::new((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))));
                error
            }
            Denied::Host => {
                forbidden("without configured tokens, only the loopback names 127.0.0.1 and localhost are allowed")
            }
            Denied::Origin => forbidden(
                "pages of other origins may change nothing here, and without configured tokens may read nothing",
            ),
            Denied::Forwarded => forbidden(
                "without configured tokens, requests through a proxy are refused (Forwarded, X-Forwarded-*, Via)",
            ),
            Denied::Scope(scope) => Self::new(
                StatusCode::FORBIDDEN,
                "accessDenied",
                format!("the token does not have the scope {}", scope.as_str()),
            ),
        }
    }
}

impl From<OperatorError> for ApiError {
    fn from(error: OperatorError) -> Self {
        let code = match error {
            OperatorError::Missing => return Self::not_found(),
            OperatorError::Store(error) => return error.into(),
            OperatorError::UnderWay(_) => "attemptInProgress",
            OperatorError::Delivered | OperatorError::IsDead => "notWaiting",
            OperatorError::NotDelivered => "notDelivered",
            OperatorError::TooManyJobs => "tooManyJobs",
            OperatorError::NotDead => "notDead",
            OperatorError::CountDiffers { .. } => "countDiffers",
            OperatorError::NoRouteMatches => "noRouteMatches",
            OperatorError::NotTaken { .. } => "notTaken",
            OperatorError::AlreadyRouted => "alreadyRouted",
            OperatorError::Configured(_) => "sinkIsConfigured",
            OperatorError::NotConfigured(_) => "sinkIsNotConfigured",
        };
        Self::conflict(code, error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let mut answer = match error {
            StoreError::Full | StoreError::Busy | StoreError::Closed => Self::unavailable(),
            StoreError::Slow => Self::bad_request("invalidQueryOption", error.to_string()),
            StoreError::Locked { .. } | StoreError::Unusable(_) | StoreError::Damaged(_) | StoreError::Database(_) => {
                let message = "internal error; the server's log has the cause under this request-id";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "generalException", message)
            }
        };
        answer.inside = Some(Box::new(error));
        answer
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The answer without a body: [`exchange`] adds the body with the ids.
    fn error_response(&self) -> HttpResponse {
        let mut reply = HttpResponse::build(self.status);
        if self.closes {
            reply.force_close();
        }
        if let Some(header) = self.header.as_deref() {
            reply.insert_header(header.clone());
        }
        reply.insert_header(("content-type", "application/json")).finish()
    }
}

/// The ids of a request.
#[derive(Clone, Debug)]
struct Ids {
    request_id: String,
    /// The client's id. If the client sent none, the server's id.
    client_request_id: String,
}

impl Ids {
    fn new(headers: &HeaderMap) -> Self {
        let request_id = Uuid::new_v4().to_string();
        let given = headers.get(CLIENT_REQUEST_ID).and_then(|value| value.to_str().ok());
        let given = given.filter(|id| !id.is_empty() && id.len() <= MAX_CLIENT_REQUEST_ID_BYTES);
        let client_request_id = given.map_or_else(|| request_id.clone(), str::to_owned);
        Self { request_id, client_request_id }
    }
}

/// Wraps each request of the API: adds the ids to the answer, and the bodies of errors.
pub async fn exchange(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let ids = Ids::new(request.headers());
    let mut answered = next.call(request).await?.map_into_boxed_body();
    if let Some(error) = answered.response().error().and_then(|error| error.as_error::<ApiError>()) {
        if let Some(inside) = &error.inside {
            tracing::warn!(error = %inside, request_id = ids.request_id, "a request to the API failed");
        }
        let date = answered.request().app_data::<Data<Admin>>().map(|admin| admin.clock.now().to_string());
        let body = error.body(&ids, date.unwrap_or_default()).to_string();
        answered = answered.map_body(|_head, _empty| BoxBody::new(body));
    }
    let headers = answered.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, id) in [(REQUEST_ID, ids.request_id), (CLIENT_REQUEST_ID, ids.client_request_id)] {
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(name, id);
        }
    }
    Ok(answered)
}
