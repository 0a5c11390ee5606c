//! The sinks: their backlog, and whether they are paused.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::shapes::iso_8601;
use crate::api::pages::List;
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::config::Scope;
use crate::domain::SinkName;
use crate::store::Backlog;
use crate::wording;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/sinks", [(Method::GET, web::get().to(list))]))
        .service(resource("/sinks/{name}/pause", [(Method::POST, web::post().to(pause))]))
        .service(resource("/sinks/{name}/resume", [(Method::POST, web::post().to(resume))]));
}

/// A sink.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkShape {
    name: String,
    /// Whether the sink is in the config; deliveries for a removed sink are kept.
    is_configured: bool,
    /// Whether an operator paused it.
    is_paused: bool,
    /// The number of deliveries that wait.
    open_count: u64,
    /// Dead letters.
    dead_count: u64,
    /// When the oldest waiting delivery was created.
    oldest_date_time: Option<String>,
    /// How long it has waited.
    oldest_age: Option<String>,
    /// What to do about deliveries that wait for a sink that is not in the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Every sink that is in the config or has deliveries or dead letters.
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
    let backlogs = admin.store.backlog().await?;
    let others = backlogs.keys().filter(|name| !admin.sinks.contains(name));
    let value = admin.sinks.iter().chain(others).map(|name| shape(&admin, name, &backlogs));
    Ok(Json(List::whole(value.collect())))
}

/// Pauses a sink: nothing is attempted, and its deliveries wait.
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
    let name = configured(&admin, &name)?;
    if admin.pauses.pause(&name).await? {
        tracing::info!(caller = writer.0.name(), sink = %name, "a sink is paused");
    }
    shown(&writer, &admin, &name).await
}

/// Resumes a sink.
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
        (status = 204, description = "The same, if the token does not have the scope `read`"),
        (status = 404, description = "The config has no such sink", body = Refusal),
    ),
)]
pub async fn resume(writer: Writer, admin: Data<Admin>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let name = configured(&admin, &name)?;
    if admin.pauses.resume(&name).await? {
        tracing::info!(caller = writer.0.name(), sink = %name, "a sink is resumed");
    }
    shown(&writer, &admin, &name).await
}

/// The sink as it is now, if the caller may read it.
async fn shown(writer: &Writer, admin: &Admin, name: &SinkName) -> Result<HttpResponse, ApiError> {
    if !writer.0.may(Scope::Read) {
        return Ok(HttpResponse::NoContent().finish());
    }
    Ok(HttpResponse::Ok().json(shape(admin, name, &admin.store.backlog().await?)))
}

fn configured(admin: &Admin, name: &str) -> Result<SinkName, ApiError> {
    admin.sinks.iter().find(|sink| sink.as_str() == name).cloned().ok_or_else(ApiError::not_found)
}

fn shape(admin: &Admin, name: &SinkName, backlogs: &BTreeMap<SinkName, Backlog>) -> SinkShape {
    let backlog = backlogs.get(name);
    let oldest = backlog.and_then(|backlog| backlog.oldest);
    let (is_configured, n_open) = (admin.sinks.contains(name), backlog.map_or(0, |backlog| backlog.n_open));
    let is_stuck = !is_configured && n_open > 0;
    SinkShape {
        name: name.to_string(),
        is_configured,
        is_paused: admin.pauses.is_paused(name),
        open_count: n_open,
        dead_count: backlog.map_or(0, |backlog| backlog.n_dead),
        oldest_date_time: oldest.map(|oldest| oldest.at.to_string()),
        oldest_age: oldest.map(|oldest| iso_8601(oldest.age)),
        hint: is_stuck.then(|| wording::sink_is_gone(name.as_str(), (n_open, &n_open.to_string()))),
    }
}
