//! The connections of every listener: HTTP/1.1 by actix, with the limits and counts that actix does not have.
//!
//! actix limits the time only for the head of a connection's first request: a second head that never ends would hold
//! its place for ever. Each head may have 128 KiB, for any number of clients. Nobody learns of requests that actix
//! itself refuses. actix waits for ever for a client that does not read its answers, or keeps more and more of them in
//! memory. When all its places are in use it accepts no more connections, so `/livez` is not answered either. Therefore
//! actix gets a `stream` with time limits, and `places`, in which the connection that was idle longest gives way.
//!
//! **Invariants**
//! 1. A new connection is accepted at once, as long as another one can give way.
//! 2. A request that was refused before it reached a handler is counted once; handlers count the others themselves.

mod exchange;
mod framing;
mod phase;
mod places;
mod progress;
mod proxy_protocol;
mod stream;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory, ServiceResponse};
use actix_web::rt::net::TcpStream;

use self::exchange::exchange;
use self::phase::Phase;
use self::places::{Bounds, Places};
use self::progress::Progress;
use self::stream::{Connection, LINGER};
use crate::domain::Reason;
use crate::sources::Proxies;
use crate::telemetry::{ConnectionEnd, Metrics, Rejections};

/// How many connections above the limit are accepted while others are about to give way.
const GIVING_WAY: usize = 64;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many threads.
    pub workers: usize,
    /// The most connections at a time, over all threads. Above it, the connection that was idle longest gives way.
    pub max_connections: usize,
    /// The most unauthenticated connections.
    pub max_strangers: usize,
    /// The most bytes of all heads at a time, over all threads. Above it, the head that has been arriving longest gives
    /// way.
    pub head_memory_bytes: usize,
    /// How long a stop waits for requests in progress.
    pub shutdown_grace: Duration,
    /// Whether a client that has sent everything still gets an answer. If not, a half-closed connection counts as a
    /// hang-up, and its request is dropped.
    pub answers_half_closed: bool,
}

/// The listener's name, limits and counters.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The listener's name in the metrics of connections.
    pub listener: &'static str,
    /// The label for refusals before there is a request.
    pub path: &'static str,
    /// The most bytes of one head. A longer one is answered 431.
    pub max_head_bytes: usize,
    /// The trusted proxies: their connections carry many clients, so they may be idle as long as any.
    pub proxies: Proxies,
    /// Whether each connection begins with the PROXY protocol; then only trusted proxies may connect.
    pub proxy_protocol: bool,
    /// The paths that are answered even if every place has a request in progress.
    pub probes: &'static [&'static str],
    /// Counts and logs refusals.
    pub rejections: Arc<Rejections>,
    /// Counts connections.
    pub metrics: Arc<Metrics>,
}

impl Serving {
    fn refused(&self, reason: Reason) {
        self.rejections.note(self.path, reason, None);
    }

    fn closed(&self, end: ConnectionEnd) {
        self.metrics.listeners.closed(self.listener, end);
    }
}

/// Notes that the sender on this connection was verified. Such a connection gives way last, and may be idle longest.
pub fn prove(request: &HttpRequest) {
    if let Some(progress) = request.conn_data::<Rc<Progress>>() {
        progress.proves();
    }
}

/// Whether the body of `request` is incomplete because its connection had to give way.
pub fn gave_way(request: &HttpRequest) -> bool {
    request.conn_data::<Rc<Progress>>().is_some_and(|progress| progress.is_dismissed().is_some())
}

impl Settings {
    /// The limits of one thread, each of whose heads may have `max_head_bytes`.
    fn bounds(&self, max_head_bytes: usize) -> Bounds {
        let of_one = |n: usize| (n / self.workers.max(1)).max(1);
        let max = of_one(self.max_connections);
        Bounds {
            max,
            max_strangers: of_one(self.max_strangers),
            spare: (max / 8).clamp(4, 256),
            head_memory_bytes: of_one(self.head_memory_bytes).max(2 * max_head_bytes),
        }
    }
}

/// Serves `app` on `listener` until the returned server is stopped.
///
/// # Errors
/// The listener could not be used.
pub fn serve<F, I, S, B>(listener: TcpListener, settings: Settings, serving: Serving, app: F) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let bounds = settings.bounds(serving.max_head_bytes);
    let builder = Server::build()
        .workers(settings.workers.max(1))
        // Connections above the limit give way; they need only a moment for that.
        .max_concurrent_connections(bounds.max + bounds.spare + GIVING_WAY)
        .shutdown_timeout(settings.shutdown_grace.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
        // This is called on each thread.
        let stopping = stopping.clone();
        let places = Rc::new(Places::new(bounds, serving.metrics.listeners.thread(serving.listener)));
        let serving = Rc::new(serving.clone());
        let serving_app = Rc::clone(&serving);
        let http = HttpService::build()
            // As in actix-web's own server: a stop closes idle connections, and ends the others after their present
            // answer.
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // Both types are reelhook's own.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .h1_allow_half_closed(settings.answers_half_closed)
            .on_connect_ext(|connection: &Connection, shared| {
                shared.insert(Rc::clone(&connection.progress));
            })
            .h1(apply_fn_factory(map_config(app(), |()| AppConfig::default()), move |request: Request, app| {
                exchange(request, (app, &serving_app))
            }));
        let taken = {
            let serving = Rc::clone(&serving);
            fn_service(move |stream: TcpStream| taken(stream, Rc::clone(&serving)))
        };
        taken.and_then(apply_fn_factory(http, move |(stream, peer): (TcpStream, Option<SocketAddr>), http| {
            let progress = places.take();
            progress.is_of_proxy(peer.is_some_and(|peer| serving.proxies.has(peer.ip())));
            let connection = Connection::new(stream, Rc::clone(&progress), Rc::clone(&serving));
            counted(http.call((connection, peer)), progress, Rc::clone(&serving))
        }))
    })?;
    Ok(builder.run())
}

/// A connection with the address of its client. Behind a proxy with the PROXY protocol, the proxy sends this address
/// first.
async fn taken(mut stream: TcpStream, serving: Rc<Serving>) -> Result<(TcpStream, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer_addr().ok();
    if !serving.proxy_protocol {
        return Ok((stream, peer));
    }
    let is_trusted = peer.is_some_and(|peer| serving.proxies.has(peer.ip()));
    let source = if is_trusted {
        proxy_protocol::source(&mut stream).await
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    };
    match source {
        Ok(source) => Ok((stream, source.or(peer))),
        Err(error) => {
            serving.refused(Reason::BadRequest);
            Err(DispatchError::Io(error))
        }
    }
}

/// Counts requests that actix refused, when their connection ends.
async fn counted(
    served: impl Future<Output = Result<(), DispatchError>>,
    progress: Rc<Progress>,
    serving: Rc<Serving>,
) -> Result<(), DispatchError> {
    // Pinned here, so that the refusal is counted before the connection is closed.
    let mut served = pin!(served);
    let ended = served.as_mut().await;
    if matches!(ended, Err(DispatchError::Parse(_))) && progress.phase() != Phase::Over {
        serving.refused(Reason::BadRequest);
        progress.ends(ConnectionEnd::Refused);
    }
    ended
}
