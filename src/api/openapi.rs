//! `/openapi.json`: the API in OpenAPI 3.1, made from the code.
//!
//! Each room describes its own paths; here they are put together.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Required, SecurityRequirement};

use super::{ApiError, Reader, deliveries, error, events, operations, resource};

/// Graph's version under which the document lists the paths.
const VERSION: &str = "/v1.0";

#[derive(OpenApi)]
#[openapi(info(
    title = "reelhook",
    description = "Microsoft Graph's record operations: what became of each recording, in Graph's own shape. Each path \
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
    for part in [operations::described(), events::described(), deliveries::described()] {
        document.merge(part);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of [[admin.tokens]], with the scope read, write, recordings or admin. Where none is configured the \
         listener is the machine's own and needs none.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}

/// `part` with each of its paths that begins with the first collection again at the second one, whose paths have the
/// parameter `named`.
pub fn also_at(mut part: utoipa::openapi::OpenApi, [from, to]: [&str; 2], named: &str) -> utoipa::openapi::OpenApi {
    let call = ParameterBuilder::new()
        .name(named)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("Graph's id of the call"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    let mut again = Vec::new();
    for (path, item) in &part.paths.paths {
        if let Some(rest) = path.strip_prefix(VERSION).and_then(|path| path.strip_prefix(from)) {
            again.push((format!("{VERSION}{to}{rest}"), of_call(item.clone(), &call)));
        }
    }
    part.paths.paths.extend(again);
    part
}

fn of_call(mut item: PathItem, call: &Parameter) -> PathItem {
    for operation in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
        operation.parameters.get_or_insert_default().insert(0, call.clone().into());
        // Ids are each used once in a document.
        operation.operation_id = operation.operation_id.take().map(|id| format!("{id}OfCall"));
    }
    item
}
