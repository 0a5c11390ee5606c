//! Whether the server is alive and ready: `/livez` and `/readyz`, the same on every listener that has them.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::ready::{self, Readiness};
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

/// The server is alive: the event loop answers, and no task or thread that the server needs has failed. The store, the
/// sinks and the key providers are not checked: a restart would not repair them.
pub(super) async fn livez(health: Data<Health>) -> HttpResponse {
    match health.tasks.what_broke() {
        None => HttpResponse::Ok().body("ok\n"),
        Some(name) => HttpResponse::ServiceUnavailable().body(format!("broken: {name}; the server is stopping\n")),
    }
}

/// The server is ready: a commit succeeds now, and the server is not stopping. Sinks that cannot be reached do not
/// matter.
pub(super) async fn readyz(health: Data<Health>) -> HttpResponse {
    if health.tasks.is_stopping() {
        return ready::told(Err("stopping"));
    }
    ready::told(health.readiness.of(ready::look(&*health.store)).await)
}
