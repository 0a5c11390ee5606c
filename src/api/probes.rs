//! The listener for probes: liveness, readiness and, if the config says so, the metrics. It asks for no token, because it
//! has nothing else. So the admin listener can stay on loopback while an orchestrator and Prometheus come from outside.
//!
//! **Invariants**
//! 1. No path of the API or the console is served, and no answer depends on a token.
//! 2. Its connections take few open files and little memory from the other listeners, whoever connects.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};

use super::head;
use super::health::{self, Health};
use super::{exposition, not_found, page};
use crate::bodies;
use crate::clock::Clock;
use crate::connections::{self, Serving};
use crate::sources::Proxies;
use crate::telemetry::{Metrics, Rejections};

/// The name of this listener in the metrics.
const PROBES: &str = "probes";
/// The most connections. An orchestrator and a few scrapers need one each.
const MAX_CONNECTIONS: usize = 128;
/// The most bytes of all request heads at a time.
const HEAD_MEMORY_BYTES: usize = 1 << 20;
/// The most bytes of one head. A probe's has some hundred.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// How long a stop waits for requests that are being answered.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 128;
/// How much of a connection the kernel buffers, in each direction. The metrics take several round trips.
const BUFFER_BYTES: usize = 32 * 1024;

/// The parts of the app that this listener uses.
pub struct Probes {
    /// What `/livez` and `/readyz` tell.
    pub health: Arc<Health>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether `/metrics` is served.
    pub shows_metrics: bool,
    /// Counts and logs refused requests.
    pub rejections: Arc<Rejections>,
    /// The proxies that are trusted to name a request's source address.
    pub proxies: Proxies,
    /// The clock.
    pub clock: Clock,
}

/// Serves probes on `listener` until the returned server is stopped.
///
/// # Errors
/// The listener could not be used.
pub fn serve(listener: TcpListener, probes: Probes) -> std::io::Result<Server> {
    let serving = Serving {
        listener: PROBES,
        path: PROBES,
        max_head_bytes: MAX_HEAD_BYTES,
        proxies: probes.proxies.clone(),
        proxy_protocol: false,
        probes: &["/livez", "/readyz"],
        rejections: Arc::clone(&probes.rejections),
        metrics: Arc::clone(&probes.metrics),
    };
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, BUFFER_BYTES)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, BUFFER_BYTES)?;
    rustix::net::listen(&listener, BACKLOG)?;
    let (health, shows_metrics, probes) =
        (Data::from(Arc::clone(&probes.health)), probes.shows_metrics, Data::new(probes));
    connections::serve(listener, settings(), serving, move || {
        App::new()
            .wrap(from_fn(bodies::held))
            .app_data(health.clone())
            .app_data(probes.clone())
            .configure(health::routes)
            .configure(|config| {
                if shows_metrics {
                    config.service(page("/metrics", web::get().to(metrics)));
                }
            })
            .default_service(web::route().to(not_found))
            .wrap(from_fn(head::as_get))
    })
}

fn settings() -> connections::Settings {
    connections::Settings {
        workers: 1,
        max_connections: MAX_CONNECTIONS,
        // Nobody here has a token.
        max_strangers: MAX_CONNECTIONS,
        head_memory_bytes: HEAD_MEMORY_BYTES,
        shutdown_grace: SHUTDOWN_GRACE,
        // Every answer comes within a second, so a client that only sends and then reads is served.
        answers_half_closed: true,
    }
}

async fn metrics(probes: Data<Probes>, request: HttpRequest) -> HttpResponse {
    exposition(&request, &probes.metrics, &probes.clock)
}
