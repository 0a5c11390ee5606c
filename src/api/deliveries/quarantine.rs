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
use super::dead_letters::{check_number_of, since};
use crate::access::Denied;
use crate::api::pages::{self, List};
use crate::api::parameters::{Parameters, wrong};
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::config::Scope;
use crate::domain::Reason;
use crate::operator::{self, Action, Sight};
use crate::store::{Counted, QuarantineFilter, QuarantineView};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/quarantine", [(Method::GET, web::get().to(list))]))
        .service(resource("/quarantine/replay", [(Method::POST, web::post().to(replay_many))]))
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

/// Which entries to verify again: those with `ids`, or those of `reason` and `since`, or all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JudgeMany {
    /// These, at most 1000. Those that are gone are passed over.
    ids: Option<Vec<i64>>,
    /// Those whose last refusal had this reason.
    reason: Option<String>,
    /// Those that arrived from this instant on, or so long ago: `2h`.
    since: Option<String>,
    /// As for one entry. Needs `ids` or `reason`.
    #[serde(default)]
    vouch: bool,
    /// How many you expect, from a dry run. If the number differs, nothing is verified again.
    #[schema(format = "uint64")]
    count: Option<u64>,
    /// Count, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// The answer to a request to verify entries again.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WishedMany {
    /// How many entries are verified again. In a dry run: how many match.
    count: u64,
    /// In a dry run: true if there may be more, because only the 20,000 oldest entries were looked at. Otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_at_least: Option<bool>,
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
        ("reason" = Option<String>, Query, description = "Only entries whose last refusal had this reason, such as client_state"),
        ("since" = Option<String>, Query, description = "Only entries that arrived from this instant on, or so long ago: 2h"),
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
    let parameters =
        Parameters::read(request.query_string(), &["reason", "since", "$top", pages::SKIPTOKEN])?.at(admin.clock.now());
    let which = chosen(parameters.one("reason")?, parameters.one("since")?, &admin)?;
    let entries = admin.operator.quarantine(&which, pages::asked(&parameters)?).await?;
    Ok(Json(List::page(&request, &parameters, &entries)))
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
    request_body = Option<Judge>,
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
    may_vouch(&writer, &admin, vouch)?;
    admin.operator.verify_again(id, vouch, writer.0.name()).await?;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(Wished { id, vouch }))
}

/// Verifies entries again, within seconds: those with the ids; or those of a reason or since a time, or all. Entries that
/// arrive after the request, or that already wait for another check, are left out.
#[utoipa::path(
    post,
    path = "/v1.0/quarantine/replay",
    tag = "deliveries",
    operation_id = "replayQuarantine",
    request_body = Option<JudgeMany>,
    responses(
        (status = 200, description = "A dry run: how many match", body = WishedMany),
        (status = 202, description = "The entries will be verified again", body = WishedMany),
        (status = 400, description = "The selection is not valid", body = Refusal),
        (status = 409, description = "The number is wrong. The message has the right one. Nothing is verified again", body = Refusal),
    ),
)]
pub async fn replay_many(writer: Writer, admin: Data<Admin>, judge: Body<JudgeMany>) -> Result<HttpResponse, ApiError> {
    let JudgeMany { ids, reason, since: since_text, vouch, count, dry_run } = judge.0;
    may_vouch(&writer, &admin, vouch)?;
    if vouch && ids.is_none() && reason.is_none() {
        let message = "vouch: expected ids or reason as well, so that nobody accepts more than they looked at";
        return Err(ApiError::bad_request("invalidRequest", message));
    }
    let (operator, who) = (&admin.operator, writer.0.name());
    let accepted = |count| Ok(HttpResponse::build(StatusCode::ACCEPTED).json(WishedMany { count, is_at_least: None }));
    if let Some(ids) = ids {
        check_number_of(&ids)?;
        return accepted(operator.verify_these_again(&ids, vouch, who).await?);
    }
    let which = chosen(reason.as_deref(), since_text.as_deref(), &admin)?;
    let action = Action::Verify(which.clone(), vouch);
    if dry_run {
        let Counted { n: count, is_all } = operator.count(&action).await?.counted;
        return Ok(HttpResponse::Ok().json(WishedMany { count, is_at_least: (!is_all).then_some(true) }));
    }
    let bounds = operator.bounds(&action, count).await?;
    accepted(operator.verify_all_again(&which, vouch, bounds, who).await?)
}

/// The entries that a reason and a time mean.
fn chosen(reason: Option<&str>, from: Option<&str>, admin: &Admin) -> Result<QuarantineFilter, ApiError> {
    let unknown = |text: &str| wrong("reason", text, "a reason of the quarantine, such as client_state");
    let reason = reason.map(|text| Reason::parse(text).ok_or_else(|| unknown(text))).transpose()?;
    let since = from.map(|text| since(text, admin)).transpose()?;
    Ok(QuarantineFilter { reason, since, ..QuarantineFilter::default() })
}

/// To accept without a token needs the scope `admin` as well.
fn may_vouch(writer: &Writer, admin: &Admin, vouch: bool) -> Result<(), ApiError> {
    if vouch && !writer.0.may(Scope::Admin) {
        admin.rejections.note("admin", Reason::AdminAccess, None);
        return Err(Denied::Scope(Scope::Admin).into());
    }
    Ok(())
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_error| ApiError::not_found())
}
