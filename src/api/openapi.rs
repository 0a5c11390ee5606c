//! `/openapi.json`: the API in OpenAPI 3.1, made from the code.
//!
//! Each module describes its own paths; this one merges them.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::{ApiError, Reader, deliveries, error, events, operations, reload, resource};

#[derive(OpenApi)]
#[openapi(info(
    title = "reelhook",
    description = "Microsoft Graph's record operations: the state of each recording, in Graph's own format. Each path \
                   is served under /beta as well.",
))]
struct Frame;

/// The routes of this room.
pub fn routes(config: &mut ServiceConfig) {
    let show = [(Method::GET, web::route().to(show)), (Method::HEAD, web::route().to(show))];
    config.service(resource("/openapi.json", show).wrap(from_fn(error::exchange)));
}

async fn show(_reader: Reader) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(document()))
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    for part in [operations::described(), events::described(), deliveries::described(), reload::described()] {
        document.merge(part);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of [[admin.tokens]], with the scope read, write, recordings or admin. If no token is configured, \
         only the machine itself can use the listener, without a token.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}
