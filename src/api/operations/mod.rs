//! The operations as Graph's resource: below their call, as Graph's own clients expect them, and all together at
//! `/communications/recordOperations`.
//!
//! **Invariants**
//! 1. A recording's token is part of an answer only for a single operation, and only with the scope `recordings`.
//! 2. An unknown option or property is refused by its name: none is silently ignored.
//! 3. An unknown id and an unreadable id get the same answer.

mod condition;
mod create;
mod delete;
mod duration;
mod fields;
mod list;
mod names;
mod request;
mod schema;
mod shape;
mod show;
mod update;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::collections::{COLLECTIONS, also_at};
use super::resource;

/// The properties of an operation.
#[cfg(test)]
pub fn properties() -> &'static [&'static str] {
    names::of_operation()
}

/// The routes of this room, under a version.
pub fn routes(config: &mut ServiceConfig) {
    for path in COLLECTIONS {
        let count = [(Method::GET, web::route().to(list::count))];
        config.service(resource(&format!("{path}/$count"), count));
        let of_one = [
            (Method::GET, web::route().to(show::show)),
            (Method::PATCH, web::route().to(update::update)),
            (Method::DELETE, web::route().to(delete::delete)),
        ];
        config.service(resource(&format!("{path}/{{id}}"), of_one));
        let of_all = [(Method::GET, web::route().to(list::list)), (Method::POST, web::route().to(create::create))];
        config.service(resource(path, of_all));
    }
}

#[derive(OpenApi)]
#[openapi(
    paths(list::list, list::count, create::create, show::show, update::update, delete::delete),
    tags((name = "operations", description = "Record operations: find, announce, wait for, change and remove them")),
)]
struct Described;

/// The part of `/openapi.json` for these paths. Each path for all operations is there a second time, below one call.
pub fn described() -> utoipa::openapi::OpenApi {
    also_at(Described::openapi(), COLLECTIONS, "callId")
}
