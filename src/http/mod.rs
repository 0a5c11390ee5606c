//! The public listener for Graph: limits a request, passes it to the intake, and answers. It does not read payloads.
//!
//! **Invariants**
//! 1. Only `reply` contains status codes.
//! 2. Every answer is counted once, and every refusal once with a reason from the closed set.
//! 3. The handshake is answered before the body is read.
//! 4. A request to an unknown path counts as a refusal, not as an answer to Graph. The shares of slow answers are
//!    computed only from Graph's own requests, so that other senders do not change them.

mod bounds;
mod handshake;
mod head;
mod reply;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Server;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, web};

use crate::bodies::{self, Body};
use crate::config;
use crate::connections::{self, Serving};
use crate::domain::{Channel, Reason};
use crate::intake::{Arrived, Intake, Refused, Taken, path_label};
use crate::sources::Proxies;
use crate::telemetry::{Rejections, Sender};

pub use self::bounds::Bounds;

/// The label of unknown paths.
const OUTSIDE: &str = "other";
/// The sender: Graph or others.
const MEDIA_TYPE: &str = "application/json";
/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// How much of a connection the kernel buffers before it is read. This holds many notifications; 1 MiB takes 32 round
/// trips.
const RECEIVE_BUFFER_BYTES: usize = 32 * 1024;
/// How much of the answers the kernel buffers for a client that does not read them. This holds many answers.
const SEND_BUFFER_BYTES: usize = 32 * 1024;

/// The most bytes of one head. Graph's heads have 2 to 5 KiB, most of it the token.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The state that the handlers share.
struct Surface {
    intake: Arc<Intake>,
    bounds: Arc<Bounds>,
    proxies: Proxies,
    paths: Paths,
}

/// The parts of the public listener.
pub struct Served {
    /// The paths.
    pub paths: Paths,
    /// The limits.
    pub bounds: Arc<Bounds>,
    /// The intake.
    pub intake: Arc<Intake>,
}

/// The paths of the channels.
#[derive(Clone)]
pub struct Paths {
    /// The path of call notifications.
    pub calls: Option<String>,
    /// Whether every path below it is served as well.
    pub calls_subpaths: bool,
    /// The paths of change notifications and lifecycle notifications.
    pub subscriptions: Option<(String, String)>,
}

impl Paths {
    /// The path of a channel.
    fn of(&self, channel: Channel) -> &str {
        let subscriptions = self.subscriptions.as_ref();
        let path = match channel {
            Channel::Calls => self.calls.as_ref(),
            Channel::Subscriptions => subscriptions.map(|(notifications, _)| notifications),
            Channel::Lifecycle => subscriptions.map(|(_, lifecycle)| lifecycle),
        };
        path.map(String::as_str).unwrap_or_default()
    }
}

/// Serves Graph on `listener` until the returned server is stopped.
///
/// # Errors
/// The listener could not be used.
pub fn serve(
    listener: TcpListener,
    settings: &config::Server,
    Served { paths, bounds, intake }: Served,
) -> std::io::Result<Server> {
    let serving = Serving {
        listener: "public",
        path: OUTSIDE,
        max_head_bytes: MAX_HEAD_BYTES,
        proxies: Proxies::new(&settings.trusted_proxies),
        proxy_protocol: settings.proxy_protocol,
        probes: &[],
        rejections: Arc::clone(&intake.rejections),
        metrics: Arc::clone(&intake.metrics),
    };
    for channel in Channel::ALL {
        intake.metrics.answers_of(path_label(channel), &reply::STATUSES);
    }
    let surface = Data::new(Surface { bounds, proxies: serving.proxies.clone(), paths: paths.clone(), intake });
    // Connections inherit these sizes. Without them each buffer can grow to more than twice this size, and a thousand
    // connections fill the memory of a small container.
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, RECEIVE_BUFFER_BYTES)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
    // Called again, with a queue for a burst of new connections.
    rustix::net::listen(&listener, BACKLOG)?;
    let settings = connections::Settings {
        workers: settings.workers,
        max_connections: settings.max_connections,
        max_strangers: settings.max_connections,
        head_memory_bytes: settings.max_inflight_head_bytes,
        shutdown_grace: settings.shutdown_grace,
        answers_half_closed: true,
    };
    connections::serve(listener, settings, serving, move || {
        App::new().wrap(from_fn(bodies::held)).app_data(surface.clone()).configure(|routes| configure(routes, &paths))
    })
}

fn configure(routes: &mut ServiceConfig, paths: &Paths) {
    let wrong_method = || web::route().to(wrong_method);
    if let Some(path) = &paths.calls {
        let mut served = vec![path.clone()];
        if paths.calls_subpaths {
            served.push(format!("{path}/{{below:.*}}"));
        }
        routes.service(web::resource(served).route(web::post().to(calls)).default_service(wrong_method()));
    }
    if let Some((notifications, lifecycle)) = &paths.subscriptions {
        let change = web::post().to(|s, r| subscription(s, r, Channel::Subscriptions));
        routes.service(web::resource(notifications.as_str()).route(change).default_service(wrong_method()));
        let change = web::post().to(|s, r| subscription(s, r, Channel::Lifecycle));
        routes.service(web::resource(lifecycle.as_str()).route(change).default_service(wrong_method()));
    }
    routes.default_service(web::route().to(no_such_path));
}

async fn calls(surface: Data<Surface>, request: HttpRequest) -> HttpResponse {
    let began = Instant::now();
    let outcome = surface.take_call(&request).await;
    surface.answer(&request, path_label(Channel::Calls), outcome, began)
}

async fn subscription(surface: Data<Surface>, request: HttpRequest, channel: Channel) -> HttpResponse {
    let began = Instant::now();
    let path = path_label(channel);
    let bounds = surface.bounds.now();
    if let Some(reply) = bounds.handshakes.answer(&request, &surface.intake, (path, surface.sender(&request))) {
        surface.count(path, &reply, began);
        return reply;
    }
    let (outcome, is_graphs) = match surface.take_notifications(&request, channel).await {
        Ok(arrived) => (arrived.outcome.map_err(Failed::Refused), arrived.is_graphs),
        Err(reason) => (Err(Failed::Body(reason)), false),
    };
    let reply = surface.answer(&request, path, outcome, began);
    if is_graphs {
        connections::prove(&request);
        surface.intake.metrics.answered_graph(path, began.elapsed(), surface.intake.clock.steady());
    }
    reply
}

async fn wrong_method(surface: Data<Surface>, request: HttpRequest) -> HttpResponse {
    surface.outside(&request, reply::method_not_allowed())
}

async fn no_such_path(surface: Data<Surface>, request: HttpRequest) -> HttpResponse {
    surface.outside(&request, reply::not_found())
}

/// Why a request is not answered 202.
enum Failed {
    Body(Reason),
    Refused(Refused),
}

/// A body that is being read. If the connection breaks meanwhile, the web server drops the request silently; this value
/// then counts it.
struct Reading<'a> {
    rejections: &'a Rejections,
    path: &'static str,
    is_over: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.rejections.note(self.path, Reason::BadRequest, None);
        }
    }
}

impl Surface {
    /// Receives a POST of the calling channel. If its head does not verify the sender, its body is not read.
    async fn take_call(&self, request: &HttpRequest) -> Result<Taken, Failed> {
        bodies::check_headers(request.headers(), MEDIA_TYPE).map_err(Failed::Body)?;
        let authorization: Vec<&[u8]> =
            request.headers().get_all(AUTHORIZATION).map(|value| value.as_bytes()).collect();
        let sender = self.intake.prove(&authorization).await.map_err(Failed::Refused)?;
        connections::prove(request);
        let body = self.body(request, Channel::Calls).await.map_err(|reason| {
            if reason == Reason::Shed {
                self.intake.refused();
            }
            Failed::Body(reason)
        })?;
        let head = head::read(request, self.paths.of(Channel::Calls));
        self.intake.calls(&sender, &head, body.bytes.clone()).await.map_err(Failed::Refused)
    }

    async fn take_notifications(&self, request: &HttpRequest, channel: Channel) -> Result<Arrived, Reason> {
        bodies::check_headers(request.headers(), MEDIA_TYPE)?;
        let body = self.body(request, channel).await?;
        let head = head::read(request, self.paths.of(channel));
        Ok(self.intake.notifications(channel, &head, body.bytes.clone()).await)
    }

    async fn body(&self, request: &HttpRequest, channel: Channel) -> Result<Body, Reason> {
        let bounds = self.bounds.now();
        let mut reading = Reading { rejections: &self.intake.rejections, path: path_label(channel), is_over: false };
        let body = bodies::read(request, bounds.of(channel)).await;
        reading.is_over = true;
        body
    }

    fn answer(
        &self,
        request: &HttpRequest,
        path: &'static str,
        outcome: Result<Taken, Failed>,
        began: Instant,
    ) -> HttpResponse {
        let (reply, reason) = match outcome {
            Ok(taken) => {
                taken.answered(began.elapsed());
                (reply::accepted(), None)
            }
            Err(Failed::Refused(refused)) => reply::refused(refused),
            Err(Failed::Body(reason)) => (body_refused(reason), Some(reason)),
        };
        if let Some(reason) = reason {
            self.intake.rejections.note_of(path, reason, self.sender(request));
        }
        self.count(path, &reply, began);
        reply
    }

    /// The sender of a request, as far as it is known.
    fn sender<'r>(&self, request: &'r HttpRequest) -> Sender<'r> {
        let source = self.proxies.source(request.peer_addr(), request.headers());
        Sender { request_id: request_id(request), source }
    }

    fn outside(&self, request: &HttpRequest, reply: HttpResponse) -> HttpResponse {
        let (method, path) = (request.method().as_str(), request.path());
        self.intake.rejections.note_not_served(OUTSIDE, method, path, self.sender(request));
        reply
    }

    fn count(&self, path: &'static str, reply: &HttpResponse, began: Instant) {
        self.intake.metrics.answered(path, reply.status().as_u16(), began.elapsed(), self.intake.clock.steady());
    }
}

fn body_refused(reason: Reason) -> HttpResponse {
    match reason {
        Reason::BodyTooLarge => reply::too_large(),
        Reason::BodyTimeout => reply::timeout(),
        Reason::ContentEncoding | Reason::ContentType => reply::unsupported(),
        Reason::Shed => reply::overloaded(),
        _ => reply::broken(),
    }
}

/// The sender's id of the request (<https://github.com/microsoftgraph/microsoft-graph-comms-samples>: the calling
/// platform's message id).
fn request_id(request: &HttpRequest) -> Option<&str> {
    let headers = request.headers();
    let id = headers.get("x-microsoft-skype-message-id").or_else(|| headers.get("client-request-id"))?;
    id.to_str().ok()
}
