//! The checked config, from which the other modules are built. Every value of these types is valid.
//!
//! The file becomes a tree whose values know their lines (`tree`), the environment is laid over it (`environment`), and
//! each section reads the keys it knows (`section`, `sections`). There is no mirror of the file in serde's types: serde
//! stops at the first mistake, and an operator wants them all. config/reelhook.toml is the reference.
//!
//! **Invariants**
//! 1. A sink's own table stays uninterpreted here; the sinks read it, so that config need not know them.
//! 2. Secrets come from files or the environment only, never from the config's text, and never print.

mod environment;
mod load;
mod mistakes;
pub mod pattern;
mod places;
pub mod private;
mod remark;
mod report;
mod secret;
mod section;
mod sections;
mod tree;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::domain::{Channel, RouteName, SinkName, Status};

pub use environment::{PREFIX, variables};
pub use load::{Loaded, load, parse};
pub use mistakes::Mistakes;
pub use places::Places;
pub use remark::{Place, Remark};
pub use secret::{SecretError, SecretSource};

/// Graph counts an answer as slow, and repeats the POST, after this time
/// (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>).
pub const GRAPH_WAITS: Duration = Duration::from_secs(3);

/// The checked config.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Graph-facing listener.
    pub server: Server,
    /// The operator's listener.
    pub admin: Admin,
    /// The embedded store.
    pub store: Store,
    /// The calling bot's callback channel; `None` if it is not configured (its path then answers 404).
    pub calls: Option<Calls>,
    /// The subscription channel; `None` if it is not configured.
    pub subscriptions: Option<Subscriptions>,
    /// Announced operations and their deadlines.
    pub expectations: Expectations,
    /// The settings of every sink that does not set its own.
    pub dispatch: Dispatch,
    /// The sinks, by name.
    pub sinks: Vec<Sink>,
    /// The routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Logging.
    pub log: Log,
    /// When the config is loaded again.
    pub reload: Reload,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// The address for Graph's POSTs.
    pub listen: SocketAddr,
    /// Worker threads; default: the machine's cores.
    pub workers: usize,
    /// The most bytes of a body.
    pub max_body_bytes: usize,
    /// The most items of one POST.
    pub max_items: usize,
    /// The longest that a body may take to arrive.
    pub body_timeout: Duration,
    /// The longest that a request may wait for the store before it is answered 503.
    pub answer_timeout: Duration,
    /// The most connections at a time, over all workers; beyond it the one that was idle longest is closed.
    pub max_connections: usize,
    /// The most bytes of bodies held in memory at a time, for each path; beyond it the one that has been coming longest
    /// gets 503.
    pub max_inflight_bytes: usize,
    /// The most bytes of heads held in memory at a time; beyond it the one that has been coming longest gets 503.
    pub max_inflight_head_bytes: usize,
    /// The most handshakes of one source in a minute; `None`: no limit.
    pub handshakes_per_minute: Option<u32>,
    /// The proxies that are trusted to name a request's source address, on both listeners.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether each connection of the Graph-facing listener begins with the PROXY protocol.
    pub proxy_protocol: bool,
    /// How long `/readyz` answers 503 before the listener closes.
    pub shutdown_delay: Duration,
    /// The whole time that a shutdown may take, `shutdown_delay` included.
    pub shutdown_grace: Duration,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// Loopback, unless a token is configured.
    pub listen: SocketAddr,
    /// The longest that a body may take to arrive.
    pub body_timeout: Duration,
    /// The most bytes of bodies held in memory at a time, for each of: the API's requests, the console's forms, logins.
    pub max_inflight_bytes: usize,
    /// The tokens.
    pub tokens: Vec<AdminToken>,
}

/// `[[admin.tokens]]`
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// The name of its user; appears in logs.
    pub name: String,
    /// SHA-256 of the token's text.
    pub sha256: [u8; 32],
    /// Its scopes.
    pub scopes: Vec<Scope>,
}

/// A scope of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read.
    Read,
    /// Write.
    Write,
    /// See the recordings' tokens.
    Recordings,
    /// See quarantined bodies, and vouch for them.
    Admin,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// The SQLite file; its folder is made if it is missing.
    pub path: PathBuf,
    /// 32 bytes in base64; `None`: generated once, 0600, beside the file, as `<path>.key`.
    pub encryption_key: Option<SecretString>,
    /// How long repeats and equal bytes are recognised.
    pub deduplicate: Duration,
    /// How long a recording's token is kept after every delivery is settled.
    pub token_retention: Duration,
    /// How long settled events are kept.
    pub retention: Duration,
    /// Free disk space below which nothing is accepted.
    pub disk_reserve_bytes: u64,
    /// The most quarantine entries.
    pub quarantine_max_entries: usize,
    /// The most bytes of quarantined bodies.
    pub quarantine_max_bytes: u64,
    /// The share of both that known senders leave to strangers, 0 to 1.
    pub quarantine_strangers_share: f64,
}

/// `[calls]`
#[derive(Clone, Debug)]
pub struct Calls {
    /// The path for call notifications.
    pub path: String,
    /// Whether every path below it is served as well.
    pub subpaths: bool,
    /// The bot's application ids: the accepted audiences.
    pub app_ids: Vec<String>,
    /// The accepted tenants, in lower case; empty: all.
    pub tenants: Vec<String>,
    /// The accepted issuers.
    pub issuers: Vec<String>,
    /// The URL of the keys' OpenID configuration.
    pub openid_configuration: Url,
}

/// `[subscriptions]`
#[derive(Clone, Debug)]
pub struct Subscriptions {
    /// The path for change notifications.
    pub path: String,
    /// The path for lifecycle notifications.
    pub lifecycle_path: String,
    /// The applications that own the subscriptions: the accepted audiences.
    pub app_ids: Vec<String>,
    /// The accepted tenants, in lower case; empty: all.
    pub tenants: Vec<String>,
    /// The URL of the keys' OpenID configuration.
    pub openid_configuration: Url,
    /// The accepted issuers, with `{tenantid}` for the token's own tenant.
    pub issuers: Vec<String>,
    /// The application that publishes notifications (`appid` / `azp`).
    pub publisher: String,
    /// The accepted values of `clientState`; several during a rotation.
    pub client_states: Vec<SecretString>,
    /// The keys for encrypted content.
    pub certificates: Vec<Certificate>,
    /// The subscriptions that send encrypted content: their plain items need a validation token as well. Others are
    /// recognised by their items.
    pub encrypted: Vec<String>,
    /// The most RSA operations that may wait at a time; beyond it 503.
    pub max_pending_decryptions: usize,
}

/// `[[subscriptions.certificates]]`
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The `encryptionCertificateId` of the subscription.
    pub id: String,
    /// The private key: PEM, PKCS#8 or PKCS#1.
    pub private_key: SecretString,
    /// If configured, an item that names another thumbprint is not decrypted. Upper-case hex SHA-1.
    pub thumbprint: Option<String>,
}

/// `[expectations]`
#[derive(Clone, Debug)]
pub struct Expectations {
    /// How long after the end of a call its unfinished operations are lost.
    pub lost_after: Duration,
    /// The deadline of announced operations that name none; `None`: no deadline.
    pub default_within: Option<Duration>,
    /// How long an ended call is stored.
    pub remember_calls: Duration,
    /// How many ended calls are stored.
    pub max_remembered_calls: u32,
}

/// `[dispatch]`
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The settings of every sink that does not set its own.
    pub defaults: SinkDispatch,
}

/// How deliveries to one sink are made: the keys that every sink has.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkDispatch {
    /// Deliveries at a time.
    pub concurrency: usize,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// New deliveries held in memory; the others wait in the store.
    pub queue: usize,
    /// The most bytes of deliveries in memory, waiting or being attempted; the others wait in the store.
    pub queue_bytes: usize,
    /// The delay before each attempt. The first is zero: the first attempt is made at once. After the last one the
    /// delivery becomes a dead letter.
    pub retry: Vec<Duration>,
    /// The share by which a delay is varied, 0 to 1.
    pub jitter: f64,
    /// The longest `Retry-After` that is obeyed.
    pub max_retry_after: Duration,
}

/// `[sinks.NAME]`
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its name.
    pub name: SinkName,
    /// Its kind, which decides who reads the table.
    pub kind: String,
    /// The keys that every sink has.
    pub dispatch: SinkDispatch,
    /// The other keys, uninterpreted.
    pub table: toml::Table,
}

/// `[[routes]]`
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// The condition on the client context.
    pub client_context: Option<TextMatch>,
    /// The condition on the resource's path, without its first slash and ignoring case.
    pub resource: Option<TextMatch>,
    /// The statuses; empty: any.
    pub status: Vec<Status>,
    /// The tenants, in lower case; empty: any.
    pub tenant: Vec<String>,
    /// The resource types, compared without regard to case; empty: any.
    pub resource_type: Vec<String>,
    /// The change types, compared without regard to case; empty: any.
    pub change_type: Vec<String>,
    /// The subscriptions, compared without regard to case; empty: any.
    pub subscription: Vec<String>,
    /// The channels; empty: any.
    pub channel: Vec<Channel>,
    /// The events' types, compared without regard to case; empty: any.
    pub kind: Vec<String>,
    /// The destinations.
    pub sinks: Vec<SinkName>,
    /// Whether later routes are tried as well.
    pub continues: bool,
}

/// A condition on a client context or a path.
#[derive(Clone, Debug, PartialEq)]
pub enum TextMatch {
    /// It is one of these texts.
    Exact(Vec<String>),
    /// It begins with this text.
    Prefix(String),
    /// `*` and `?` over the whole text.
    Glob(String),
    /// A regular expression over the whole text; named groups become captures.
    Regex(String),
    /// The client context (no path) is JSON, and the value at the pointer (RFC 6901) is this one.
    Json {
        /// The pointer.
        pointer: String,
        /// The value.
        equals: serde_json::Value,
    },
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// A `tracing` filter: "info", "reelhook=debug".
    pub filter: String,
    /// The format of a line.
    pub format: LogFormat,
}

/// `[reload]`
#[derive(Clone, Debug)]
pub struct Reload {
    /// Whether a changed file is loaded again by itself.
    pub watch: bool,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for a terminal.
    Text,
}

/// Networks that an outgoing connection may reach although they are private.
pub type AllowedNetworks = Vec<IpNet>;
