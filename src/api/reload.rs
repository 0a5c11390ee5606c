//! `POST /reload`: the server loads its config again, and answers with the result.

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

/// The result of a reload.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// The parts that have a new value, such as `routes` or `sinks.crm (added)`.
    changed: Vec<String>,
    /// The keys that have another value in the file, but change only with a restart.
    needs_restart: Vec<String>,
    /// Warnings: something is allowed, but perhaps not intended.
    warnings: Vec<String>,
}

/// Loads the config file and the files of its secrets again. Requests and deliveries in progress end with the old
/// config.
#[utoipa::path(
    post,
    path = "/v1.0/reload",
    tag = "server",
    operation_id = "reload",
    responses(
        (status = 200, description = "The server uses the new config, except for the keys that need a restart", body = Reloaded),
        (status = 409, description = "The server was started without a config file, or it is stopping", body = Refusal),
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
