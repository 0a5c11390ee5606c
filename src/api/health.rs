//! Whether the server is alive and ready: `/livez` and `/readyz`, the same on every listener that has them.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use utoipa::OpenApi;

use super::ready::{self, Readiness};
use super::{TEXT, page};
use crate::store::Store;
use crate::tasks::Tasks;

/// What the health of the server is read from.
pub struct Health {
    store: Arc<dyn Store>,
    tasks: Tasks,
    readiness: Readiness,
}

impl Health {
    /// The health of a server with this store and these tasks. Make one for all listeners: it limits the commits that
    /// are made for `/readyz`.
    pub fn new(store: Arc<dyn Store>, tasks: Tasks) -> Self {
        Self { store, tasks, readiness: Readiness::default() }
    }
}

/// Both paths. The app data must have a [`Health`].
pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(page("/livez", web::get().to(livez))).service(page("/readyz", web::get().to(readyz)));
}

#[derive(OpenApi)]
#[openapi(paths(livez, readyz, super::metrics))]
struct Described;

/// The part of `/openapi.json` for these paths and for the metrics.
pub(super) fn described() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

/// The server is alive: the event loop answers, and no task or thread that the server needs has failed. The store, the
/// sinks and the key providers are not checked: a restart would not repair them.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "server",
    operation_id = "getLivez",
    security(()),
    responses(
        (status = 200, description = "The server is alive", body = String, content_type = "text/plain"),
        (status = 503, description = "A task or a thread broke, and the server is stopping", body = String, content_type = "text/plain"),
    ),
)]
async fn livez(health: Data<Health>) -> HttpResponse {
    match health.tasks.what_broke() {
        None => HttpResponse::Ok().content_type(TEXT).body("ok\n"),
        Some(name) => {
            let text = format!("broken: {name}; the server is stopping\n");
            HttpResponse::ServiceUnavailable().content_type(TEXT).body(text)
        }
    }
}

/// The server is ready: a commit succeeds now, and the server is not stopping. Sinks that cannot be reached do not
/// matter.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    operation_id = "getReadyz",
    security(()),
    responses(
        (status = 200, description = "The server is ready", body = String, content_type = "text/plain"),
        (status = 503, description = "The server is not ready; the text says why", body = String, content_type = "text/plain"),
    ),
)]
async fn readyz(health: Data<Health>) -> HttpResponse {
    if health.tasks.is_stopping() {
        return ready::told(Err("stopping"));
    }
    ready::told(health.readiness.of(ready::look(&*health.store)).await)
}
