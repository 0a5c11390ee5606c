//! `/schemas/FILE` and `/asyncapi.json`: the form of the events that sinks get.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;

use super::parameters::Parameters;
use super::refusal::Refusal;
use super::{Admin, ApiError, Reader, error, resource};
use crate::sinks::cloud_event::{asyncapi, schemas};

/// The media type of a JSON Schema.
const SCHEMA: &str = "application/schema+json";

/// The routes of this room.
pub fn routes(config: &mut ServiceConfig) {
    let routes = [
        resource("/schemas/{file}", [(Method::GET, web::get().to(schema))]),
        resource("/asyncapi.json", [(Method::GET, web::get().to(asyncapi))]),
    ];
    for resource in routes {
        config.service(resource.wrap(from_fn(error::exchange)));
    }
}

#[derive(OpenApi)]
#[openapi(paths(schema, asyncapi))]
struct Described;

/// The part of `/openapi.json` for these paths.
pub fn described() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

/// The JSON Schema of events (`event.v1.json`), or of the data of some. The attribute `dataschema` names it.
#[utoipa::path(
    get,
    path = "/schemas/{file}",
    tag = "server",
    operation_id = "getSchema",
    params(("file" = String, Path, description = "The name of a schema with its version, such as recordOperation.v1.json")),
    responses(
        (status = 200, description = "The schema", body = Object, content_type = "application/schema+json"),
        (status = 404, description = "There is no such schema", body = Refusal),
    ),
)]
pub async fn schema(_: Reader, file: web::Path<String>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let schema = schemas::all().get(file.as_str()).ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().content_type(SCHEMA).json(schema))
}

/// The events in AsyncAPI 3.1.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    tag = "server",
    operation_id = "getAsyncApi",
    responses(
        (status = 200, description = "The events in AsyncAPI 3.1, with the types of the config that runs", body = Object),
    ),
)]
pub async fn asyncapi(_: Reader, admin: Data<Admin>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(asyncapi::document(&admin.operator.running.now().config.events)))
}
