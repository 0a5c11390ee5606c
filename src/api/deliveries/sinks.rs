//! The sinks: what waits for each, and whether it is paused.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::shapes::iso_8601;
use crate::api::pages::List;
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::config::Scope;
use crate::domain::SinkName;
use crate::operator::{OperatorError, Redirected, SinkSummary};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/sinks", [(Method::GET, web::get().to(list))]))
        .service(resource("/sinks/{name}/pause", [(Method::POST, web::post().to(pause))]))
        .service(resource("/sinks/{name}/resume", [(Method::POST, web::post().to(resume))]))
        .service(resource("/sinks/{name}/move", [(Method::POST, web::post().to(move_waiting))]))
        .service(resource("/sinks/{name}/drop", [(Method::POST, web::post().to(drop_waiting))]));
}

/// A sink.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkShape {
    name: String,
    /// Whether the config has the sink. Deliveries for a removed sink are kept.
    is_configured: bool,
    /// Whether an operator paused it. The pause of a removed sink holds again if the sink comes back.
    is_paused: bool,
    /// The first of these that is true: `removed` (not in the config any more), `pausedByOperator`, `failing` (the last three
    /// attempts failed; or one failed other than by a refusal of its event, 410, with no success in the 3 s before it; until
    /// an attempt succeeds), `pausedByReelhook` (most of the last attempts failed with 429, 503 or no connection), `active`.
    state: &'static str,
    /// Since when it is in this state. Null unless it fails or an operator paused it.
    state_since_date_time: Option<String>,
    /// Until when reelhook makes no attempt, because most of the last attempts failed.
    paused_until_date_time: Option<String>,
    /// When the next attempt is due. Null if no delivery waits for an attempt, or nothing is attempted.
    next_attempt_date_time: Option<String>,
    /// When the last attempt that delivered began, if there was one since the server started.
    last_delivered_date_time: Option<String>,
    /// The last attempt that failed.
    last_failure: Option<FailureShape>,
    /// The number of waiting deliveries.
    open_count: u64,
    /// The number of dead letters.
    dead_count: u64,
    /// When the oldest waiting delivery was created.
    oldest_date_time: Option<String>,
    /// How long ago that was. A replay does not begin it anew.
    oldest_age: Option<String>,
    /// What to do if deliveries or an operator's pause wait for a sink that is not in the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// A failed attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureShape {
    /// When it began.
    date_time: String,
    /// Why it failed.
    reason: String,
}

/// All sinks of the config, and removed sinks of which deliveries, dead letters or an operator's pause are left.
#[utoipa::path(
    get,
    path = "/v1.0/sinks",
    tag = "deliveries",
    operation_id = "listSinks",
    responses(
        (status = 200, description = "The sinks", body = List<SinkShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<SinkShape>>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let summaries = admin.operator.sink_summaries().await?;
    Ok(Json(List::whole(summaries.iter().map(SinkShape::from).collect())))
}

/// Pauses a sink: its deliveries wait, and none is attempted.
#[utoipa::path(
    post,
    path = "/v1.0/sinks/{name}/pause",
    tag = "deliveries",
    operation_id = "pauseSink",
    params(
        ("name" = String, Path, description = "The sink's name"),
    ),
    responses(
        (status = 200, description = "The sink is paused", body = SinkShape),
        (status = 204, description = "The same, if the token does not have the scope `read`"),
        (status = 404, description = "The config has no such sink", body = Refusal),
    ),
)]
pub async fn pause(writer: Writer, admin: Data<Admin>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let name = SinkName::new(&name);
    admin.operator.pause(&name, writer.0.name()).await?;
    shown(&writer, &admin, &name).await
}

/// Resumes a sink: its waiting deliveries are attempted again. If the config does not have the sink, only its pause ends.
#[utoipa::path(
    post,
    path = "/v1.0/sinks/{name}/resume",
    tag = "deliveries",
    operation_id = "resumeSink",
    params(
        ("name" = String, Path, description = "The sink's name"),
    ),
    responses(
        (status = 200, description = "The sink is resumed", body = SinkShape),
        (status = 204, description = "The same, if the token does not have the scope `read`, or nothing is left of the sink"),
        (status = 404, description = "The config has no such sink, and nobody paused it", body = Refusal),
    ),
)]
pub async fn resume(writer: Writer, admin: Data<Admin>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let name = SinkName::new(&name);
    admin.operator.resume(&name, writer.0.name()).await?;
    shown(&writer, &admin, &name).await
}

/// The sink to move deliveries to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The name of a sink in the config.
    to: String,
}

/// How many deliveries were changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    count: u64,
    /// How many are left, because an attempt is under way for them or for an earlier delivery of their operation. Repeat the
    /// request when it has ended. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    under_way_count: Option<u64>,
}

impl From<Redirected> for Changed {
    fn from(Redirected { n, n_under_way }: Redirected) -> Self {
        Self { count: n, under_way_count: Some(n_under_way).filter(|n| *n > 0) }
    }
}

/// Moves the waiting deliveries of a sink that is no longer in the config to another sink. Ids and order stay the same. The
/// request waits up to 5 s for attempts under way: a delivery is moved when its attempt has failed.
#[utoipa::path(
    post,
    path = "/v1.0/sinks/{name}/move",
    tag = "deliveries",
    operation_id = "moveDeliveries",
    params(
        ("name" = String, Path, description = "The name of the removed sink"),
    ),
    request_body = Destination,
    responses(
        (status = 200, description = "How many were moved", body = Changed),
        (status = 409, description = "The config still has this sink, or does not have the other", body = Refusal),
    ),
)]
pub async fn move_waiting(
    writer: Writer,
    admin: Data<Admin>,
    (name, body): (Path<String>, Body<Destination>),
) -> Result<Json<Changed>, ApiError> {
    let (from, to) = (SinkName::new(&name), SinkName::new(&body.0.to));
    Ok(Json(admin.operator.move_waiting(&from, &to, writer.0.name()).await?.into()))
}

/// Turns the waiting deliveries of a sink that is no longer in the config into dead letters. They are kept. The request waits
/// up to 5 s for attempts under way.
#[utoipa::path(
    post,
    path = "/v1.0/sinks/{name}/drop",
    tag = "deliveries",
    operation_id = "dropDeliveries",
    params(
        ("name" = String, Path, description = "The name of the removed sink"),
    ),
    responses(
        (status = 200, description = "How many became dead letters", body = Changed),
        (status = 409, description = "The config still has this sink", body = Refusal),
    ),
)]
pub async fn drop_waiting(writer: Writer, admin: Data<Admin>, name: Path<String>) -> Result<Json<Changed>, ApiError> {
    Ok(Json(admin.operator.drop_waiting(&SinkName::new(&name), writer.0.name()).await?.into()))
}

/// The sink's state, if the caller may see it.
async fn shown(writer: &Writer, admin: &Admin, name: &SinkName) -> Result<HttpResponse, ApiError> {
    if !writer.0.may(Scope::Read) {
        return Ok(HttpResponse::NoContent().finish());
    }
    match admin.operator.sink_summary(name).await {
        // A removed sink of which only the pause was left.
        Err(OperatorError::Missing) => Ok(HttpResponse::NoContent().finish()),
        found => Ok(HttpResponse::Ok().json(SinkShape::from(&found?))),
    }
}

impl From<&SinkSummary> for SinkShape {
    fn from(sink: &SinkSummary) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            name: sink.name.to_string(),
            is_configured: sink.is_configured(),
            is_paused: sink.is_paused(),
            state: sink.state.name(),
            state_since_date_time: text(sink.since),
            paused_until_date_time: text(sink.paused_until),
            next_attempt_date_time: text(sink.next_attempt),
            last_delivered_date_time: text(sink.last_delivered),
            last_failure: sink
                .last_failure
                .as_ref()
                .map(|failure| FailureShape { date_time: failure.at.to_string(), reason: failure.reason.clone() }),
            open_count: sink.n_open,
            dead_count: sink.n_dead,
            oldest_date_time: sink.oldest.map(|oldest| oldest.at.to_string()),
            oldest_age: sink.oldest.map(|oldest| iso_8601(oldest.age)),
            hint: sink.hint(|n| n.to_string()),
        }
    }
}
