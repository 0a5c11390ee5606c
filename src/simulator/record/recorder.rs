//! Stands between Graph and a receiver: passes each request on unchanged, gives back the answer, and writes what passed.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use parking_lot::Mutex;
use serde_json::value::RawValue;

use super::line::Line;
use super::mask::Mask;
use crate::simulator::SimulatorError;
use crate::simulator::client::{Answer, Client, ClientError, Post};

/// The largest body that passes.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The headers that belong to one connection: each side has its own.
const OF_A_CONNECTION: [&str; 6] =
    ["host", "transfer-encoding", "content-length", "connection", "keep-alive", "expect"];

/// A running recorder.
pub struct Recorder {
    /// The address that it listens on.
    pub address: SocketAddr,
    state: Data<State>,
    handle: ServerHandle,
}

struct State {
    client: Client,
    record: Mutex<Record>,
}

/// The file, and what is known of what is in it.
struct Record {
    file: File,
    mask: Mask,
    newest: Option<Instant>,
    n_lines: u64,
    failed: Option<std::io::Error>,
}

impl Recorder {
    /// Listens on an address, and passes requests to `client`'s receiver. The file must not exist yet. The recorder
    /// works while the server is polled.
    ///
    /// # Errors
    /// The file cannot be made, or the address cannot be listened on.
    pub fn start(listen: SocketAddr, client: Client, file: &Path) -> Result<(Self, Server), SimulatorError> {
        let failed = |cause| SimulatorError::Listen { address: listen, cause };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let file = made.map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => SimulatorError::Exists { path: file.to_owned() },
            _ => SimulatorError::File { path: file.to_owned(), cause },
        })?;
        let record = Record { file, mask: Mask::default(), newest: None, n_lines: 0, failed: None };
        let state = Data::new(State { client, record: Mutex::new(record) });
        let shared = state.clone();
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .app_data(PayloadConfig::new(MAX_BODY_BYTES))
                .default_service(web::to(pass))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).map_err(failed)?.run();
        Ok((Self { address, state, handle: server.handle() }, server))
    }

    /// How many requests were written.
    pub fn n_lines(&self) -> u64 {
        self.state.record.lock().n_lines
    }

    /// Stops, after the requests that are under way. The error is the first line that could not be written.
    ///
    /// # Errors
    /// The record is not whole.
    pub async fn stop(&self) -> std::io::Result<()> {
        self.handle.stop(true).await;
        self.state.record.lock().failed.take().map_or(Ok(()), Err)
    }
}

async fn pass(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let arrived = Instant::now();
    let post = posted(&request, body);
    let outcome = state.client.send_once(&post).await;
    let status = outcome.as_ref().map_or(0, |answer| answer.status);
    state.record.lock().write(&request, &post, arrived, status);
    match outcome {
        Ok(answer) => answered(&answer),
        Err(error) => unanswered(&error),
    }
}

/// The request as it goes on.
fn posted(request: &HttpRequest, body: Bytes) -> Post {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let (name, value) = (name.as_str(), HeaderValue::from_bytes(value.as_bytes()));
        if let (Ok(header), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value)
            && !["host", "transfer-encoding", "expect"].contains(&name)
        {
            headers.append(header, value);
        }
    }
    let path = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let method = Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(Method::POST);
    Post { method, path, headers, body }
}

fn answered(answer: &Answer) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(answer.status).unwrap_or_default();
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        if !OF_A_CONNECTION.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    response.body(answer.body.clone())
}

fn unanswered(error: &ClientError) -> HttpResponse {
    HttpResponse::BadGateway()
        .content_type("text/plain; charset=utf-8")
        .body(format!("no answer to pass on: {error}\n"))
}

impl Record {
    fn write(&mut self, request: &HttpRequest, post: &Post, arrived: Instant, answer: u16) {
        let after =
            self.newest.replace(arrived).map_or(0, |newest| arrived.saturating_duration_since(newest).as_millis());
        let heads = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let heads = self.mask.heads(heads);
        let path = self.mask.path(&post.path);
        let text = std::str::from_utf8(&post.body).ok();
        let body = text.and_then(|text| self.mask.body(text)).and_then(|text| RawValue::from_string(text).ok());
        let is_missing = body.is_none() && !post.body.is_empty();
        let line = Line {
            after_ms: u64::try_from(after).unwrap_or(u64::MAX),
            method: post.method.to_string(),
            path,
            heads,
            body,
            left_out: is_missing.then(|| "the body is not JSON, so nothing in it can be replaced".into()),
            answer,
        };
        let written = serde_json::to_string(&line).map_err(std::io::Error::from);
        match written.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes())) {
            Ok(()) => self.n_lines += 1,
            Err(error) => drop(self.failed.get_or_insert(error)),
        }
    }
}
