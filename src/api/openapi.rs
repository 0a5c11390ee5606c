//! `/openapi.json`: the API in OpenAPI 3.1, made from the code.
//!
//! Each module describes its own paths with the answers that only they give; this one merges them, and adds the answers
//! that every path of the API may give.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement};

use super::refusal::Refusal;
use super::{ApiError, Reader, deliveries, error, events, health, metadata, operations, reload, resource, schemas};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "reelhook",
        version = env!("CARGO_PKG_VERSION"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "Microsoft Graph's record operations: the state of each recording, in Graph's own format; \
                       deliveries to sinks; events as they arrive. Each path under /v1.0 is served under /beta as well. \
                       HEAD works where GET does.",
    ),
    servers((url = "/", description = "The admin listener that served this document")),
    components(schemas(Refusal)),
    paths(show),
)]
struct Frame;

/// Answers that every path of the API may give: status, name, meaning.
const OF_ALL: [(&str, &str, &str); 5] = [
    ("400", "BadRequest", "A parameter or a property is wrong or unknown; the message names it"),
    ("401", "Unauthorized", "There is no token, or the server does not know it"),
    ("403", "Forbidden", "The token lacks a scope, which the message names; or the request comes from another site"),
    ("500", "InternalError", "A fault in reelhook or its store; the server's log has the cause under the request-id"),
    ("503", "Unavailable", "This cannot be done now. Retrying later is safe"),
];
/// Answers of paths that take a body.
const OF_BODIES: [(&str, &str, &str); 3] = [
    ("408", "TooSlow", "The body arrived too slowly"),
    ("413", "TooLarge", "The body is larger than 64 KiB"),
    ("415", "UnsupportedMediaType", "The body is not JSON, or it is compressed"),
];

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(made);

/// The routes of this room.
pub fn routes(config: &mut ServiceConfig) {
    let show = [(Method::GET, web::get().to(show))];
    config.service(resource("/openapi.json", show).wrap(from_fn(error::exchange)));
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "server",
    operation_id = "getOpenApi",
    responses(
        (status = 200, description = "The API in OpenAPI 3.1", body = Object),
    ),
)]
pub async fn show(_reader: Reader) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(&*DOCUMENT))
}

fn made() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    let of_api = [
        metadata::described(),
        operations::described(),
        events::described(),
        deliveries::described(),
        reload::described(),
        schemas::described(),
    ];
    for part in of_api {
        document.merge(part);
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations_of(item) {
            add_common_answers(operation);
            refuse_null(operation);
        }
    }
    document.merge(health::described());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of [[admin.tokens]], with the scope read, write, recordings or admin. If no token is configured, \
         only the machine itself can use the listener, without a token.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    for (_status, name, meaning) in OF_ALL.into_iter().chain(OF_BODIES) {
        components.responses.insert(name.to_owned(), RefOr::T(refusal(meaning)));
    }
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    remove_unused(&mut document);
    document
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// A path's own description of an answer is kept.
fn add_common_answers(operation: &mut Operation) {
    let of_bodies = if operation.request_body.is_some() { &OF_BODIES[..] } else { &[] };
    for (status, name, _meaning) in OF_ALL.iter().chain(of_bodies) {
        let answers = &mut operation.responses.responses;
        answers.entry((*status).to_owned()).or_insert_with(|| RefOr::Ref(Ref::from_response_name(*name)));
    }
}

/// A body may be absent, but it is never `null`: `Option` stands for both in a description.
fn refuse_null(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        let Some(RefOr::T(Schema::OneOf(either))) = &mut content.schema else { continue };
        either.items.retain(|item| !is_null(item));
        if let [only] = &either.items[..] {
            content.schema = Some(only.clone());
        }
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(it)) if it.schema_type == SchemaType::Type(Type::Null))
}

fn refusal(meaning: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
    ResponseBuilder::new().description(meaning).content("application/json", body).build()
}

/// Removes schemas that nothing refers to: those of generic types are written where they are used.
fn remove_unused(document: &mut utoipa::openapi::OpenApi) {
    loop {
        let text = serde_json::to_string(document).unwrap_or_default();
        let Some(components) = &mut document.components else { return };
        let n_before = components.schemas.len();
        components.schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if components.schemas.len() == n_before {
            return;
        }
    }
}
