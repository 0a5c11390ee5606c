//! The admin listener: liveness, readiness, metrics, and the HTTP API. Only this machine can use it, unless a token is
//! configured.

mod caller;
mod collections;
mod deliveries;
mod error;
mod events;
mod head;
mod health;
mod json;
mod listener;
mod metadata;
mod openapi;
mod operations;
mod pages;
mod parameters;
mod preferences;
pub mod probes;
mod ready;
mod refusal;
mod reload;
mod schemas;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, Accept, CONTENT_TYPE, Header, VARY};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, Resource, Route};
use tokio_util::sync::CancellationToken;

use self::caller::{Reader, Writer};
use self::error::ApiError;

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
use crate::telemetry::exposition::Exposition;
use crate::telemetry::{Metrics, Rejections, Sender};

pub use self::health::Health;

/// The media type of the answers that are a line of text.
const TEXT: &str = "text/plain; charset=utf-8";
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
    /// What `/livez` and `/readyz` tell.
    pub health: Arc<Health>,
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
    let health = Data::from(Arc::clone(&admin.health));
    let (admin, access) = (Data::new(admin), Data::from(access));
    connections::serve(listener, settings, serving, move || {
        App::new()
            .wrap(from_fn(bodies::held))
            .app_data(admin.clone())
            .app_data(access.clone())
            .app_data(tokens.clone())
            .app_data(health.clone())
            .configure(health::routes)
            .service(page("/metrics", web::get().to(metrics)))
            .configure(resources)
            .configure(console.clone())
            .default_service(web::route().to(not_found))
            .wrap(from_fn(head::as_get))
    })
}

/// Graph's versions. reelhook serves nothing in which they differ.
const VERSIONS: [&str; 2] = ["/v1.0", "/beta"];

/// The API's resources, under each version.
fn resources(config: &mut ServiceConfig) {
    config.configure(openapi::routes).configure(schemas::routes);
    for version in VERSIONS {
        let scope = web::scope(version)
            .wrap(from_fn(error::exchange))
            .configure(metadata::routes)
            .configure(operations::routes)
            .configure(events::routes)
            .configure(deliveries::routes)
            .configure(reload::routes)
            .default_service(web::route().to(no_such_resource));
        config.service(scope);
    }
}

/// A resource at `path` with a route for each method; other methods are answered 405 with the allowed ones. `HEAD` works
/// where `GET` does: see [`head`].
fn resource<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let mut allow = Vec::new();
    let mut resource = web::resource(path);
    for (method, route) in routes {
        allow.push(method.to_string());
        if method == Method::GET {
            allow.push(Method::HEAD.to_string());
        }
        resource = resource.route(route.method(method));
    }
    let allow = allow.join(", ");
    let others =
        move |_reader: Reader| std::future::ready(Err::<HttpResponse, _>(ApiError::method_not_allowed(&allow)));
    resource.default_service(web::route().to(others))
}

/// A path outside of a version, which has only `GET` (and `HEAD`). It asks for a token itself, if at all.
fn page(path: &str, get: Route) -> Resource {
    let others = || async { HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET, HEAD")).finish() };
    web::resource(path).route(get.method(Method::GET)).default_service(web::route().to(others))
}

async fn no_such_resource(_reader: Reader) -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found())
}

/// The metrics, in the text format of Prometheus or as OpenMetrics, as the header `Accept` asks.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    operation_id = "getMetrics",
    responses(
        (status = 200, description = "The metrics as they are now", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        (status = 401, description = "There is no token, or the server does not know it"),
        (status = 403, description = "The token lacks the scope `read`, or the request comes from another site"),
    ),
)]
async fn metrics(admin: Data<Admin>, access: Data<Access>, request: HttpRequest) -> HttpResponse {
    if let Err(denied) = access.check(&request, Scope::Read) {
        admin.turned_away(&request, Reason::AdminAccess);
        return refused(denied);
    }
    exposition(&request, &admin.metrics, &admin.clock)
}

/// The metrics as they are now, in the format that the client prefers.
fn exposition(request: &HttpRequest, metrics: &Metrics, clock: &Clock) -> HttpResponse {
    // An unreadable header counts as none.
    let accepted = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
    let exposition = Exposition::preferred(accepted.iter().map(|media_type| media_type.essence_str()));
    let text = exposition.of(metrics.render(clock.steady()));
    HttpResponse::Ok().insert_header((CONTENT_TYPE, exposition.media_type())).insert_header((VARY, "accept")).body(text)
}

fn refused(denied: Denied) -> HttpResponse {
    match denied {
        Denied::Token => HttpResponse::Unauthorized().insert_header(("www-authenticate", "Bearer")).finish(),
        Denied::Scope(scope) => {
            HttpResponse::Forbidden().content_type(TEXT).body(format!("the token lacks the scope {}\n", scope.as_str()))
        }
        Denied::Host | Denied::Origin | Denied::Forwarded => HttpResponse::Forbidden().finish(),
    }
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type(TEXT).body("not found\n")
}
