//! The admin listener: liveness, readiness, metrics, and the HTTP API. Only this machine can use it, unless a token is
//! configured.

mod caller;
mod collections;
mod deliveries;
mod error;
mod events;
mod json;
mod listener;
mod openapi;
mod operations;
mod pages;
mod parameters;
mod preferences;
mod ready;
mod refusal;
mod reload;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{Accept, CONTENT_TYPE, Header, VARY};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, Resource, Route};
use tokio_util::sync::CancellationToken;

use self::caller::{Reader, Writer};
use self::error::ApiError;
use self::ready::Readiness;

use crate::access::{Access, Denied};
use crate::bodies::{self, BodyLimits, Room};
use crate::clock::Clock;
use crate::config::{self, Scope};
use crate::connections::{self, Serving};
use crate::domain::Reason;
use crate::odata::SkipTokens;
use crate::operator::Operator;
use crate::running::Reload;
use crate::sources::Proxies;
use crate::store::{Changes, Events, Operations};
use crate::tasks::Tasks;
use crate::telemetry::exposition::Exposition;
use crate::telemetry::{Metrics, Rejections, Sender};

/// The label of this listener in the rejection metric.
const PATH: &str = "admin";

/// The parts of the app that the admin listener uses.
pub struct Admin {
    /// The operator's actions.
    pub operator: Arc<Operator>,
    /// The stored operations.
    pub operations: Arc<dyn Operations>,
    /// The events, as a stream.
    pub events: Arc<dyn Events>,
    /// Signals changes when they are committed.
    pub changes: Arc<Changes>,
    /// Asks for a reload.
    pub reload: Arc<Reload>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Limits for the bodies of requests.
    pub bodies: BodyLimits,
    /// Counts and logs refused requests.
    pub rejections: Arc<Rejections>,
    /// The proxies that are trusted to name a request's source address.
    pub proxies: Proxies,
    /// The clock.
    pub clock: Clock,
    /// Whether the server is stopping, and whether a task broke.
    pub tasks: Tasks,
    /// Cancelled when the server stops: waiting clients are then answered at once.
    pub no_more_waiting: CancellationToken,
}

impl Admin {
    /// Counts and logs that a request was refused.
    fn turned_away(&self, request: &HttpRequest, reason: Reason) {
        let source = self.proxies.source(request.peer_addr(), request.headers());
        self.rejections.note_of(PATH, reason, Sender { source, ..Sender::default() });
    }
}

/// Limits for the bodies of the API's requests.
pub fn body_limits(settings: &config::Admin) -> BodyLimits {
    BodyLimits {
        max_bytes: json::MAX_BODY_BYTES,
        timeout: settings.body_timeout,
        room: Room::new(settings.max_inflight_bytes),
    }
}

/// Serves operators on `listener` until the returned server is stopped.
///
/// # Errors
/// The listener could not be used.
pub fn serve<C: Fn(&mut web::ServiceConfig) + Clone + Send + 'static>(
    listener: TcpListener,
    access: Arc<Access>,
    admin: Admin,
    console: C,
) -> std::io::Result<Server> {
    let serving = Serving {
        listener: PATH,
        path: PATH,
        max_head_bytes: listener::MAX_HEAD_BYTES,
        proxies: admin.proxies.clone(),
        proxy_protocol: false,
        probes: &["/livez"],
        rejections: Arc::clone(&admin.rejections),
        metrics: Arc::clone(&admin.metrics),
    };
    let settings = listener::prepare(&listener)?;
    let tokens = Data::new(SkipTokens::new(&admin.operations.page_key()));
    let (admin, access, readiness) = (Data::new(admin), Data::from(access), Data::new(Readiness::default()));
    connections::serve(listener, settings, serving, move || {
        App::new()
            .wrap(from_fn(bodies::held))
            .app_data(admin.clone())
            .app_data(access.clone())
            .app_data(tokens.clone())
            .app_data(readiness.clone())
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
            .configure(resources)
            .configure(console.clone())
            .default_service(web::route().to(not_found))
    })
}

/// Graph's versions. reelhook serves nothing in which they differ.
const VERSIONS: [&str; 2] = ["/v1.0", "/beta"];

/// The API's resources, under each version.
fn resources(config: &mut ServiceConfig) {
    config.configure(openapi::routes);
    for version in VERSIONS {
        let scope = web::scope(version)
            .wrap(from_fn(error::exchange))
            .configure(operations::routes)
            .configure(events::routes)
            .configure(deliveries::routes)
            .configure(reload::routes)
            .default_service(web::route().to(no_such_resource));
        config.service(scope);
    }
}

/// A resource at `path` with a route for each method; other methods are answered 405 with the allowed ones.
fn resource<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let mut allow = Vec::new();
    let mut resource = web::resource(path);
    for (method, route) in routes {
        allow.push(method.to_string());
        resource = resource.route(route.method(method));
    }
    let allow = allow.join(", ");
    let others =
        move |_reader: Reader| std::future::ready(Err::<HttpResponse, _>(ApiError::method_not_allowed(&allow)));
    resource.default_service(web::route().to(others))
}

async fn no_such_resource(_reader: Reader) -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found())
}

/// The server is alive: the event loop answers, and no task or thread that the server needs has failed. The store, the
/// sinks and the key providers are not checked: a restart would not repair them.
async fn livez(admin: Data<Admin>) -> HttpResponse {
    match admin.tasks.what_broke() {
        None => HttpResponse::Ok().body("ok\n"),
        Some(name) => HttpResponse::ServiceUnavailable().body(format!("broken: {name}; the server is stopping\n")),
    }
}

/// The server is ready: a commit succeeds now, and the server is not stopping. Sinks that cannot be reached do not
/// matter.
async fn readyz(admin: Data<Admin>, readiness: Data<Readiness>) -> HttpResponse {
    if admin.tasks.is_stopping() {
        return ready::told(Err("stopping"));
    }
    ready::told(readiness.of(ready::look(&*admin.operator.store)).await)
}

async fn metrics(admin: Data<Admin>, access: Data<Access>, request: HttpRequest) -> HttpResponse {
    if let Err(denied) = access.check(&request, Scope::Read) {
        admin.turned_away(&request, Reason::AdminAccess);
        return refused(denied);
    }
    // An unreadable header counts as none.
    let accepted = Accept::parse(&request).map(|accept| accept.ranked()).unwrap_or_default();
    let exposition = Exposition::preferred(accepted.iter().map(|media_type| media_type.essence_str()));
    let text = exposition.of(admin.metrics.render(admin.clock.steady()));
    HttpResponse::Ok().insert_header((CONTENT_TYPE, exposition.media_type())).insert_header((VARY, "accept")).body(text)
}

fn refused(denied: Denied) -> HttpResponse {
    match denied {
        Denied::Token => HttpResponse::Unauthorized().insert_header(("www-authenticate", "Bearer")).finish(),
        Denied::Host | Denied::Origin | Denied::Forwarded | Denied::Scope => HttpResponse::Forbidden().finish(),
    }
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().body("not found\n")
}
