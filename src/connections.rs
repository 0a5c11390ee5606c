//! The connections of both listeners: HTTP/1.1 by actix, with the deadlines and the counts that actix leaves open.
//!
//! actix times the head of a connection's first request alone: a second one that never ends would hold its place for
//! good. What it refuses itself, before there is a request, it answers without a word to anybody. And who reads none of
//! its answers it waits for without end, or keeps ever more of them in memory. So actix gets a stream that knows the time.
//!
//! **Invariants**
//! 1. A connection has a deadline whenever no handler has a request of it, and whenever its far side takes no answers.
//! 2. Nothing more is read from who takes no answers.
//! 3. What was refused before a handler saw it is counted once. What a handler was told of, it counts itself.

use std::cell::Cell;
use std::io;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{ConnectionType, HttpService, KeepAlive, Request};
use actix_service::{IntoServiceFactory, apply_fn_factory, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory, ServiceResponse};
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::domain::Reason;
use crate::telemetry::Rejections;

/// How long a head may take from its first byte, and how long a new connection may say nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may rest between requests: longer than proxies keep theirs, so that it is they who close it.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a far side may take nothing of its answers.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what a refused sender still sends is read, so that it gets its answer.
const LINGER: Duration = Duration::from_secs(1);
/// The answer to a head that does not come to its end.
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads.
    pub workers: usize,
    /// The most connections at a time, over all threads; others wait to be taken.
    pub max_connections: usize,
    /// How long a stop waits for requests in flight.
    pub shutdown_grace: Duration,
    /// Whether who sends nothing more still gets an answer. Otherwise that is a hang-up: its request is let go.
    pub answers_half_closed: bool,
}

/// Where refusals are counted, and as whose: the `path` of the metric.
#[derive(Clone, Debug)]
pub struct Refusals {
    /// Counts and logs them.
    pub rejections: Arc<Rejections>,
    /// The label.
    pub path: &'static str,
}

impl Refusals {
    fn note(&self, reason: Reason) {
        self.rejections.note(self.path, reason, None);
    }
}

/// Serves `app` on `listener` until the returned server is stopped.
///
/// # Errors
/// The listener could not be used.
pub fn serve<F, I, S, B>(listener: TcpListener, settings: Settings, refusals: Refusals, app: F) -> io::Result<Server>
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
    let workers = settings.workers.max(1);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections((settings.max_connections / workers).max(1))
        .shutdown_timeout(settings.shutdown_grace.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
        let (stopping, refusals) = (stopping.clone(), refusals.clone());
        let http = HttpService::build()
            // As actix-web's own server has it: a stop closes what rests, and lets what is being answered be the last.
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // Both are ours: see `Watch`.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .h1_allow_half_closed(settings.answers_half_closed)
            .on_connect_ext(|connection: &Connection, shared| {
                shared.insert(Rc::clone(&connection.watch));
            })
            .h1(apply_fn_factory(map_config(app(), |()| AppConfig::default()), watched));
        apply_fn_factory(http, move |stream: TcpStream, http| {
            let (peer, refusals) = (stream.peer_addr().ok(), refusals.clone());
            let connection = Connection::new(stream, refusals.clone());
            let watch = Rc::clone(&connection.watch);
            counted(http.call((connection, peer)), watch, refusals)
        })
    })?;
    Ok(builder.run())
}

/// Counts what actix refused, when the connection ends by that.
async fn counted(
    served: impl Future<Output = Result<(), DispatchError>>,
    watch: Rc<Watch>,
    refusals: Refusals,
) -> Result<(), DispatchError> {
    // Pinned here: the connection is closed after the refusal is counted, not before.
    let mut served = pin!(served);
    let ended = served.as_mut().await;
    if matches!(ended, Err(DispatchError::Parse(_))) && watch.phase.get() != Phase::Over {
        refusals.note(Reason::BadRequest);
    }
    ended
}

/// Lets the connection know that a handler has a request of it, and when it was answered.
fn watched<A, B>(request: Request, app: &A) -> impl Future<Output = Result<A::Response, A::Error>> + use<A, B>
where
    A: Service<Request, Response = ServiceResponse<B>>,
{
    let watch = request.conn_data::<Rc<Watch>>().cloned();
    if let Some(watch) = &watch {
        watch.phase.set(Phase::Answering);
    }
    let answering = app.call(request);
    async move {
        let answer = answering.await;
        if let Some(watch) = watch {
            let head = answer.as_ref().ok().map(|answer| answer.response().head());
            watch.answered(head.is_some_and(|head| head.connection_type() == ConnectionType::Close));
        }
        answer
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing: it is new, or rests between two requests.
    Rest,
    /// It sends a head.
    Head,
    /// A handler has its request, with time limits of its own.
    Answering,
    /// It got its last answer: whatever is wrong with what follows was told by that.
    Over,
}

/// A connection's phase, and until when it may last. Half a head that came in one piece with the request before it looks
/// like rest, and gets no longer than that.
struct Watch {
    phase: Cell<Phase>,
    until: Cell<Instant>,
}

impl Watch {
    fn heard(&self) {
        if self.phase.get() == Phase::Rest {
            self.phase.set(Phase::Head);
            self.until.set(Instant::now() + HEAD_TIMEOUT);
        }
    }

    /// An answer whose body is a stream goes on after its handler is through.
    fn told(&self) {
        if matches!(self.phase.get(), Phase::Rest | Phase::Over) {
            self.until.set(Instant::now() + KEEP_ALIVE);
        }
    }

    fn answered(&self, is_last: bool) {
        let (phase, rest) = if is_last { (Phase::Over, HEAD_TIMEOUT) } else { (Phase::Rest, KEEP_ALIVE) };
        self.phase.set(phase);
        self.until.set(Instant::now() + rest);
    }
}

/// A stream that ends when its time is up.
struct Connection {
    stream: TcpStream,
    watch: Rc<Watch>,
    /// Always armed, so that it does not matter in which phase the connection was looked at last. It goes off early rather
    /// than being moved with every request: once in some seconds costs nothing.
    timer: Pin<Box<Sleep>>,
    /// Set while the far side takes no answers: until when it may.
    stalled_until: Option<Instant>,
    is_given_up: bool,
    refusals: Refusals,
}

impl Connection {
    fn new(stream: TcpStream, refusals: Refusals) -> Self {
        let until = Instant::now() + HEAD_TIMEOUT;
        let watch = Rc::new(Watch { phase: Cell::new(Phase::Rest), until: Cell::new(until) });
        let timer = Box::pin(sleep_until(until));
        Self { stream, watch, timer, stalled_until: None, is_given_up: false, refusals }
    }

    /// Ready when the time is up.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let phase_until = (self.watch.phase.get() != Phase::Answering).then(|| self.watch.until.get());
        let until = [phase_until, self.stalled_until].into_iter().flatten().min();
        loop {
            if self.timer.is_elapsed() || until.is_some_and(|until| until < self.timer.deadline()) {
                self.timer.as_mut().reset(until.unwrap_or_else(|| Instant::now() + HEAD_TIMEOUT));
            }
            ready!(self.timer.as_mut().poll(cx));
            if until.is_some_and(|until| until <= self.timer.deadline()) {
                return Poll::Ready(());
            }
        }
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        self.is_given_up = true;
        if self.watch.phase.get() == Phase::Head && self.stalled_until.is_none() {
            self.watch.phase.set(Phase::Over);
            self.refusals.note(Reason::BodyTimeout);
            // No answer is on its way in this phase; where this one cannot be sent at once, nobody reads it.
            let _ = Pin::new(&mut self.stream).poll_write(cx, REQUEST_TIMEOUT);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stalled_until.is_none() {
            let n_before = buffer.filled().len();
            if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
                if buffer.filled().len() > n_before {
                    this.watch.heard();
                }
                return Poll::Ready(read);
            }
        }
        ready!(this.poll_overdue(cx));
        this.give_up(cx);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(cx, bytes) {
            if this.stalled_until.take().is_some() {
                // Reading goes on, and nobody waits for that yet.
                cx.waker().wake_by_ref();
            }
            this.watch.told();
            return Poll::Ready(written);
        }
        this.stalled_until.get_or_insert_with(|| Instant::now() + STALL_TIMEOUT);
        if !this.is_given_up {
            ready!(this.poll_overdue(cx));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
