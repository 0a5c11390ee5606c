//! The quarantine: notifications that could not be verified or read.
//!
//! **Invariants**
//! 1. A body may hold a secret, so only the scope `admin` shows it. Accepting an entry without its token also needs
//!    that scope.
//! 2. The secrets in a body are shown only if the token has the scope `recordings` as well.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use crate::access::Denied;
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::config::Scope;
use crate::domain::Reason;
use crate::operator::{self, Sight};
use crate::store::QuarantineView;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/quarantine", [(Method::GET, web::get().to(list))]))
        .service(resource("/quarantine/{id}", [(Method::GET, web::get().to(show))]))
        .service(resource("/quarantine/{id}/replay", [(Method::POST, web::post().to(replay))]));
}

/// A quarantine entry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryShape {
    /// The entry's number.
    id: i64,
    /// The channel: `calls`, `subscriptions` or `lifecycle`.
    channel: &'static str,
    /// Why it was refused the last time.
    reason: &'static str,
    /// Why it was quarantined at first.
    first_reason: &'static str,
    /// When it was received.
    received_date_time: String,
    /// When it was last verified again. Null: only once, on arrival.
    verified_date_time: Option<String>,
    /// The size of the body.
    size_bytes: u64,
}

/// A quarantine entry with its body.
#[derive(Serialize, ToSchema)]
pub struct EntryWithBody {
    #[serde(flatten)]
    entry: EntryShape,
    /// The body in base64, byte for byte unless `withheld` says otherwise. Null without the scope `admin`.
    body: Option<String>,
    /// The body as text, if it is UTF-8.
    text: Option<String>,
    /// What is not shown. `secrets`: tokens and `clientState` are hidden in the body; the scope `recordings` shows
    /// them. `body`: the body is not shown, because the token lacks the scope `admin`, or because the body is not JSON
    /// and the token lacks the scope `recordings`. Null: everything is shown.
    withheld: Option<&'static str>,
}

/// How to verify the entry again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Accept the entry without its token, because you know that it comes from Graph. Tokens are not stored, so they
    /// cannot be checked again. `clientState`, certificates and encryption are still checked.
    #[serde(default)]
    vouch: bool,
}

/// The answer to a request to verify an entry again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Wished {
    id: i64,
    vouch: bool,
}

impl From<&QuarantineView> for EntryShape {
    fn from(view: &QuarantineView) -> Self {
        Self {
            id: view.id,
            channel: view.channel.as_str(),
            reason: view.reason.as_str(),
            first_reason: view.first_reason.as_str(),
            received_date_time: view.received_at.to_string(),
            verified_date_time: view.verified_at.map(|at| at.to_string()),
            size_bytes: view.n_bytes,
        }
    }
}

/// A page of entries, newest first, with the link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/quarantine",
    tag = "deliveries",
    operation_id = "listQuarantine",
    params(
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Entries, newest first", body = List<EntryShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<EntryShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["$top", pages::SKIPTOKEN])?;
    let entries = admin.operator.quarantine(pages::asked(&parameters)?).await?;
    List::page((&request, &parameters), &entries, |row| row.id).map(Json)
}

/// One entry. The scope `admin` shows the body; the scope `recordings` also shows the secrets in it.
#[utoipa::path(
    get,
    path = "/v1.0/quarantine/{id}",
    tag = "deliveries",
    operation_id = "getQuarantineEntry",
    params(
        ("id" = String, Path, description = "The entry's number"),
    ),
    responses(
        (status = 200, description = "The entry", body = EntryWithBody),
        (status = 404, description = "There is no such entry", body = Refusal),
    ),
)]
pub async fn show(
    reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<EntryWithBody>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let found = admin.operator.quarantine_entry(number(&id)?).await?;
    let sight = Sight { bodies: reader.0.may(Scope::Admin), secrets: reader.0.may(Scope::Recordings) };
    let (shown, withheld) = match operator::Body::of(&found, sight) {
        operator::Body::Whole(bytes) => (Some(bytes), None),
        operator::Body::WithoutSecrets(text) => (Some(text.into_bytes()), Some("secrets")),
        operator::Body::Withheld => (None, Some("body")),
    };
    Ok(Json(EntryWithBody {
        entry: EntryShape::from(&found),
        body: shown.as_ref().map(|bytes| STANDARD.encode(bytes)),
        text: shown.and_then(|bytes| String::from_utf8(bytes).ok()),
        withheld,
    }))
}

/// Verifies an entry again, within seconds. If it is accepted, the entry is removed and the notification is delivered.
/// If it is refused, the entry stays, with the new reason.
#[utoipa::path(
    post,
    path = "/v1.0/quarantine/{id}/replay",
    tag = "deliveries",
    operation_id = "replayQuarantineEntry",
    params(
        ("id" = String, Path, description = "The entry's number"),
    ),
    request_body = Judge,
    responses(
        (status = 202, description = "The entry will be verified again", body = Wished),
        (status = 404, description = "There is no such entry", body = Refusal),
    ),
)]
pub async fn replay(
    writer: Writer,
    admin: Data<Admin>,
    (id, judge): (Path<String>, Body<Judge>),
) -> Result<HttpResponse, ApiError> {
    let (id, Judge { vouch }) = (number(&id)?, judge.0);
    if vouch && !writer.0.may(Scope::Admin) {
        admin.rejections.note("admin", Reason::AdminAccess, None);
        return Err(Denied::Scope.into());
    }
    admin.operator.verify_again(id, vouch, writer.0.name()).await?;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(Wished { id, vouch }))
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_error| ApiError::not_found())
}
