//! Publishes the identity's keys as Microsoft does: OpenID configurations and key sets, over HTTP.
//!
//! It can be told to misbehave, as providers and the network before them do, and counts what it was asked. Keys rotate
//! and go down on demand.

mod controls;
mod documents;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use futures_util::stream;
use parking_lot::RwLock;
use serde_json::Value;

use self::documents::Version;
use super::identity::Reach;
use super::{Identity, SimulatorError};

/// Where the calling platform's configuration lies.
const CALLS_CONFIGURATION: &str = "/v1/.well-known/OpenIdConfiguration";
/// The same address, as some of Microsoft's pages spell it.
const CALLS_CONFIGURATION_IN_LOWER_CASE: &str = "/v1/.well-known/openidconfiguration";
/// Where Entra's configuration for all tenants lies.
const COMMON_CONFIGURATION: &str = "/common/v2.0/.well-known/openid-configuration";
/// The pieces of a huge document.
const PIECE: Bytes = Bytes::from_static(&[b' '; 64 * 1024]);

/// How the provider answers.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// As it should.
    #[default]
    Healthy,
    /// With this status and no document.
    Status(u16),
    /// Key sets with these bytes: garbage, an empty set, foreign keys.
    KeySet(Bytes),
    /// Both documents with these bytes.
    Document(Bytes),
    /// With so many bytes, of unannounced length.
    Huge(usize),
    /// As it should, after this long.
    Slow(Duration),
    /// Not at all.
    Silent,
    /// With a redirect to this address.
    Redirect(String),
}

/// A running provider.
pub struct Provider {
    address: SocketAddr,
    state: Data<State>,
    handle: ServerHandle,
}

struct State {
    identity: Identity,
    mode: RwLock<Mode>,
    n_configurations: AtomicU64,
    n_key_sets: AtomicU64,
}

impl Provider {
    /// Listens on an address (port 0: any free one). The provider answers while the server is polled: spawn it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(listen: SocketAddr, identity: Identity) -> Result<(Self, Server), SimulatorError> {
        let failed = |cause| SimulatorError::Listen { address: listen, cause };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = Data::new(State {
            identity,
            mode: RwLock::default(),
            n_configurations: AtomicU64::new(0),
            n_key_sets: AtomicU64::new(0),
        });
        let shared = state.clone();
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .configure(controls::routes)
                .route(CALLS_CONFIGURATION, web::get().to(calls_configuration))
                .route(CALLS_CONFIGURATION_IN_LOWER_CASE, web::get().to(calls_configuration))
                .route("/v1/keys", web::get().to(calls_keys))
                .route("/{tenant}/.well-known/openid-configuration", web::get().to(configuration_v1))
                .route("/{tenant}/v2.0/.well-known/openid-configuration", web::get().to(configuration_v2))
                .route("/{tenant}/discovery/keys", web::get().to(keys_v1))
                .route("/{tenant}/discovery/v2.0/keys", web::get().to(keys_v2))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).map_err(failed)?.run();
        Ok((Self { address, state, handle: server.handle() }, server))
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `calls.openid_configuration` must be for a receiver to trust the identity.
    pub fn calls_configuration(&self) -> String {
        format!("http://{}{CALLS_CONFIGURATION}", self.reachable())
    }

    /// What `subscriptions.openid_configuration` must be.
    pub fn subscriptions_configuration(&self) -> String {
        format!("http://{}{COMMON_CONFIGURATION}", self.reachable())
    }

    /// Answers so from now on.
    pub fn set(&self, mode: Mode) {
        *self.state.mode.write() = mode;
    }

    /// The identity whose keys are published.
    pub fn identity(&self) -> &Identity {
        &self.state.identity
    }

    /// How often an OpenID configuration was asked for.
    pub fn n_configurations(&self) -> u64 {
        self.state.n_configurations.load(Ordering::SeqCst)
    }

    /// How often a key set was asked for.
    pub fn n_key_sets(&self) -> u64 {
        self.state.n_key_sets.load(Ordering::SeqCst)
    }

    /// Stops at once.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }

    /// Where it listens on all addresses, the loopback one reaches it.
    fn reachable(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        address
    }
}

async fn calls_configuration(state: Data<State>, request: HttpRequest) -> HttpResponse {
    configuration(&state, documents::calls(&base(&request))).await
}

async fn configuration_v1(state: Data<State>, request: HttpRequest, tenant: web::Path<String>) -> HttpResponse {
    configuration(&state, documents::entra(&base(&request), &tenant, Version::V1)).await
}

async fn configuration_v2(state: Data<State>, request: HttpRequest, tenant: web::Path<String>) -> HttpResponse {
    configuration(&state, documents::entra(&base(&request), &tenant, Version::V2)).await
}

async fn calls_keys(state: Data<State>) -> HttpResponse {
    let keys = documents::calls_keys(&state.identity);
    key_set(&state, keys).await
}

async fn keys_v1(state: Data<State>, tenant: web::Path<String>) -> HttpResponse {
    let keys = documents::entra_keys(&state.identity, &tenant, Version::V1);
    key_set(&state, keys).await
}

async fn keys_v2(state: Data<State>, tenant: web::Path<String>) -> HttpResponse {
    let keys = documents::entra_keys(&state.identity, &tenant, Version::V2);
    key_set(&state, keys).await
}

async fn configuration(state: &State, document: Value) -> HttpResponse {
    state.n_configurations.fetch_add(1, Ordering::SeqCst);
    answer(state, document, false).await
}

async fn key_set(state: &State, keys: Value) -> HttpResponse {
    state.n_key_sets.fetch_add(1, Ordering::SeqCst);
    answer(state, keys, true).await
}

/// The provider's own address, as the asker knows it.
fn base(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    format!("{}://{}", connection.scheme(), connection.host())
}

async fn answer(state: &State, document: Value, is_key_set: bool) -> HttpResponse {
    match state.identity.reach() {
        Reach::Up => {}
        Reach::Down => return HttpResponse::ServiceUnavailable().finish(),
        Reach::Silent => return std::future::pending().await,
    }
    let mode = state.mode.read().clone();
    match mode {
        Mode::KeySet(bytes) if is_key_set => json_answer(bytes),
        Mode::Healthy | Mode::KeySet(_) => HttpResponse::Ok().json(document),
        Mode::Status(status) => {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
            HttpResponse::build(status).finish()
        }
        Mode::Document(bytes) => json_answer(bytes),
        Mode::Huge(n_bytes) => {
            let pieces = (0..n_bytes.div_ceil(PIECE.len())).map(|_| Ok::<_, std::convert::Infallible>(PIECE));
            HttpResponse::Ok().content_type("application/json").streaming(stream::iter(pieces))
        }
        Mode::Slow(time) => {
            tokio::time::sleep(time).await;
            HttpResponse::Ok().json(document)
        }
        Mode::Silent => std::future::pending().await,
        Mode::Redirect(to) => HttpResponse::Found().insert_header(("location", to)).finish(),
    }
}

fn json_answer(bytes: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(bytes)
}
