//! `POST /reload`: has the server load its config again, and tells what became of that.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::parameters::Parameters;
use super::refusal::Refusal;
use super::{Admin, ApiError, Writer, resource};
use crate::running;

/// The routes of this room.
pub fn routes(config: &mut ServiceConfig) {
    config.service(resource("/reload", [(Method::POST, web::post().to(reload))]));
}

#[derive(OpenApi)]
#[openapi(paths(reload), tags((name = "server", description = "The server itself")))]
struct Described;

/// What `/openapi.json` says of this room.
pub fn described() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

/// What a reload changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// What has another value now, as `routes` or `sinks.crm (added)`.
    changed: Vec<String>,
    /// The keys that the file has otherwise, and that only a restart changes.
    needs_restart: Vec<String>,
    /// What is right but may not be meant.
    warnings: Vec<String>,
}

/// Loads the config file and the files of its secrets again. Requests and deliveries that are under way end as they began.
#[utoipa::path(
    post,
    path = "/v1.0/reload",
    tag = "server",
    operation_id = "reload",
    responses(
        (status = 200, description = "The new config runs, but for the keys that need a restart", body = Reloaded),
        (status = 409, description = "The server has no config file, or stops", body = Refusal),
        (status = 422, description = "The config has mistakes: the message has one on each line. The server keeps the old config", body = Refusal),
    ),
)]
pub async fn reload(
    Writer(caller): Writer,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<Reloaded>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    match admin.reload.ask(caller.name()).await {
        Ok(running::Change { changed, needs_restart, warnings }) => {
            Ok(Json(Reloaded { changed, needs_restart, warnings }))
        }
        Err(running::Refusal::Mistakes(mistakes)) => Err(ApiError::mistakes(&mistakes)),
        Err(running::Refusal::Impossible(why)) => Err(ApiError::conflict("cannotReload", why)),
    }
}
