//! Dead letters: deliveries that failed for good.
//!
//! **Invariants**
//! 1. Several are replayed only if the caller sends their number. So a filter that matches more than intended changes
//!    nothing.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Body;
use super::shapes::{DeliveryShape, EventShape};
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, TEXT, Writer, resource};
use crate::domain::{DeliveryId, SinkName};
use crate::operator::{self, Action, DeliveryOfEvent, Present};
use crate::store::{Counted, DeadFilter};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/deadLetters", [(Method::GET, web::get().to(list))]))
        .service(resource("/deadLetters/$count", [(Method::GET, web::get().to(count))]))
        .service(resource("/deadLetters/replay", [(Method::POST, web::post().to(replay_many))]))
        .service(resource("/deadLetters/{id}", [(Method::GET, web::get().to(show))]))
        .service(resource("/deadLetters/{id}/replay", [(Method::POST, web::post().to(replay_one))]));
}

/// A delivery with its event.
#[derive(Serialize, ToSchema)]
pub struct DetailedDelivery {
    #[serde(flatten)]
    delivery: DeliveryShape,
    /// What happened to it, line by line.
    story: Vec<String>,
    event: Option<EventShape>,
    /// The event's data, as sinks get it, but without the recording's token. Null if the data cannot be decrypted.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
}

impl DetailedDelivery {
    /// Shows a delivery and what happened to it.
    pub fn of(found: DeliveryOfEvent, present: &Present<'_>) -> Self {
        Self {
            delivery: DeliveryShape::with_exchanges(&found, present.now),
            story: operator::explain::of_delivery(&found.delivery, present),
            event: found.event.as_ref().map(EventShape::from),
            data: found.event.and_then(|event| RawValue::from_string(event.data).ok()),
        }
    }
}

/// How many deliveries are due again.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    replayed: u64,
    /// In a dry run: how many match.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched_count: Option<u64>,
    /// In a dry run: true if there may be more, because only the first 20,000 dead letters were looked at. Otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_at_least: Option<bool>,
}

/// Which dead letters to replay: with `ids`; or all of them, or those of `sink`, `reason` and `since`, with their `count`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Many {
    /// These, at most 1000. Those that are no dead letters any more are passed over.
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<Uuid>>,
    /// The sink; absent: all sinks.
    sink: Option<String>,
    /// Those whose last reason contains this text.
    reason: Option<String>,
    /// Those that became dead letters from this instant on, or so long ago: `2h`.
    since: Option<String>,
    /// How many you expect, from `/deadLetters/$count`. If the number differs, nothing is replayed. Needed without `ids` and
    /// `dryRun`.
    #[schema(format = "uint64")]
    count: Option<u64>,
    /// Count, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// The query parameters that choose dead letters.
const CHOOSING: [&str; 3] = ["sink", "reason", "since"];

/// The dead letters that a query means.
fn chosen(parameters: &Parameters, admin: &Admin) -> Result<DeadFilter, ApiError> {
    let since = instant(parameters, "since", admin)?;
    let reason = parameters.one("reason")?.map(str::to_owned);
    Ok(DeadFilter { sink: parameters.one("sink")?.map(SinkName::new), reason, since, until: None })
}

/// Reads how long ago, or an instant.
///
/// # Errors
/// It is neither.
pub fn since(text: &str, admin: &Admin) -> Result<Timestamp, ApiError> {
    read(text, "since", admin)
}

/// The same, of the query parameter with this name.
///
/// # Errors
/// It occurs twice, or is neither.
pub fn instant(parameters: &Parameters, name: &str, admin: &Admin) -> Result<Option<Timestamp>, ApiError> {
    parameters.one(name)?.map(|text| read(text, name, admin)).transpose()
}

fn read(text: &str, name: &str, admin: &Admin) -> Result<Timestamp, ApiError> {
    operator::since(text, admin.clock.now())
        .map_err(|expected| ApiError::bad_request("invalidQueryOption", format!("{name}: {expected}")))
}

/// The most ids of a request.
const MAX_IDS: usize = 1000;

/// Refuses more ids than a request may have.
///
/// # Errors
/// There are more.
pub fn check_number_of<I>(ids: &[I]) -> Result<(), ApiError> {
    if ids.len() <= MAX_IDS {
        return Ok(());
    }
    Err(ApiError::bad_request("invalidRequest", format!("ids: found {}, expected {MAX_IDS} at most", ids.len())))
}

/// A page of dead letters, newest first, with the link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters",
    tag = "deliveries",
    operation_id = "listDeadLetters",
    params(
        ("sink" = Option<String>, Query, description = "Only dead letters of this sink"),
        ("reason" = Option<String>, Query, description = "Only those whose last reason contains this text"),
        ("since" = Option<String>, Query, description = "Only those that became dead letters from this instant on, or so long ago: 2h"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Dead letters, newest first", body = List<DeliveryShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<DeliveryShape>>, ApiError> {
    let known = [&CHOOSING[..], &["$top", pages::SKIPTOKEN]].concat();
    let parameters = Parameters::read(request.query_string(), &known)?.at(admin.clock.now());
    let dead = admin.operator.dead_letters(&chosen(&parameters, &admin)?, pages::asked(&parameters)?).await?;
    let now = admin.clock.now();
    Ok(Json(List::shown(&request, &parameters, &dead, |row| DeliveryShape::of(&row.delivery, now))))
}

/// The number of dead letters. With a reason or a time, only the first 20,000 dead letters are looked at. If there are more,
/// the answer has the header `reelhook-count: at-least`.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters/$count",
    tag = "deliveries",
    operation_id = "countDeadLetters",
    params(
        ("sink" = Option<String>, Query, description = "Only dead letters of this sink"),
        ("reason" = Option<String>, Query, description = "Only those whose last reason contains this text"),
        ("since" = Option<String>, Query, description = "Only those that became dead letters from this instant on, or so long ago: 2h"),
    ),
    responses(
        (status = 200, description = "The number of dead letters", body = String, content_type = "text/plain"),
    ),
)]
pub async fn count(_reader: Reader, admin: Data<Admin>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::read(request.query_string(), &CHOOSING)?;
    let Counted { n, is_all } = admin.operator.n_dead_letters(&chosen(&parameters, &admin)?).await?;
    let mut answer = HttpResponse::Ok();
    if !is_all {
        answer.insert_header(("reelhook-count", "at-least"));
    }
    Ok(answer.content_type(TEXT).body(n.to_string()))
}

/// A dead letter with its event.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters/{id}",
    tag = "deliveries",
    operation_id = "getDeadLetter",
    params(
        ("id" = String, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The dead letter, with every attempt, its exchange, and the event", body = DetailedDelivery),
        (status = 404, description = "No dead letter has this id", body = Refusal),
    ),
)]
pub async fn show(
    _reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<DetailedDelivery>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let found = admin.operator.dead_letter(delivery_id(&id)?).await?;
    Ok(Json(DetailedDelivery::of(found, &admin.operator.present())))
}

/// Makes a dead letter due again. It keeps its delivery id.
#[utoipa::path(
    post,
    path = "/v1.0/deadLetters/{id}/replay",
    tag = "deliveries",
    operation_id = "replayDeadLetter",
    params(
        ("id" = String, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The delivery is due again", body = Replayed),
        (status = 404, description = "No delivery has this id", body = Refusal),
        (status = 409, description = "The delivery is not a dead letter (any more)", body = Refusal),
    ),
)]
pub async fn replay_one(writer: Writer, admin: Data<Admin>, id: Path<String>) -> Result<Json<Replayed>, ApiError> {
    admin.operator.replay_one(delivery_id(&id)?, writer.0.name()).await?;
    Ok(Json(Replayed { replayed: 1, ..Replayed::default() }))
}

/// Makes dead letters due again: those with the ids; or all, those of one sink, or those with a reason or since a time, if
/// the caller sends their number. What becomes a dead letter after that, also again, is left out.
#[utoipa::path(
    post,
    path = "/v1.0/deadLetters/replay",
    tag = "deliveries",
    operation_id = "replayDeadLetters",
    request_body = Many,
    responses(
        (status = 200, description = "The deliveries are due again", body = Replayed),
        (status = 400, description = "The selection is not valid", body = Refusal),
        (status = 409, description = "The number is wrong. The message has the right one. Nothing was replayed", body = Refusal),
    ),
)]
pub async fn replay_many(writer: Writer, admin: Data<Admin>, many: Body<Many>) -> Result<Json<Replayed>, ApiError> {
    let Many { ids, sink, reason, since: since_text, count, dry_run } = many.0;
    let (operator, who) = (&admin.operator, writer.0.name());
    if let Some(ids) = ids {
        check_number_of(&ids)?;
        let replayed = operator.replay_these(ids.into_iter().map(DeliveryId).collect(), who).await?;
        return Ok(Json(Replayed { replayed, ..Replayed::default() }));
    }
    let since = since_text.map(|text| since(&text, &admin)).transpose()?;
    let which = DeadFilter { sink: sink.as_deref().map(SinkName::new), reason, since, until: None };
    if dry_run {
        let Counted { n, is_all } = operator.n_dead_letters(&which).await?;
        let (matched_count, is_at_least) = (Some(n), (!is_all).then_some(true));
        return Ok(Json(Replayed { matched_count, is_at_least, ..Replayed::default() }));
    }
    if count.is_none() {
        return Err(ApiError::bad_request("invalidRequest", "expected one of ids, count and dryRun"));
    }
    let bounds = operator.bounds(&Action::Replay(which.clone()), count).await?;
    let replayed = operator.replay_all(&which, bounds, who).await?;
    Ok(Json(Replayed { replayed, ..Replayed::default() }))
}

/// Reads a delivery's id from a path.
///
/// # Errors
/// The text is not a delivery's id.
pub fn delivery_id(text: &str) -> Result<DeliveryId, ApiError> {
    text.parse().map_err(|_error| ApiError::not_found())
}
