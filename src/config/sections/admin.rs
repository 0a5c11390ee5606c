//! `[admin]`: the operator's listener and the tokens that open it, and the listener for probes, which needs none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;

use super::server::Server;
use crate::config::reading::Shown;
use crate::config::secret::SecretSource;
use crate::config::section::Section;
use crate::config::value::{address, choice, duration, hex, name, size, switch};

/// The admin listener's address if the config has none.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

const SCOPES: &[(&str, Scope)] =
    &[("read", Scope::Read), ("write", Scope::Write), ("recordings", Scope::Recordings), ("admin", Scope::Admin)];

const SHA256: &str = "the token's SHA-256 as 64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum";

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// Loopback, unless a token is configured.
    pub listen: SocketAddr,
    /// The address of `/livez` and `/readyz` alone, without a token; `None`: only the admin listener has them.
    pub probes: Option<SocketAddr>,
    /// Whether `/metrics` is there as well.
    pub probes_metrics: bool,
    /// The longest that a body may take to arrive.
    pub body_timeout: Duration,
    /// The most bytes of bodies held in memory at a time, for each of: the API's requests, the console's forms, logins.
    pub max_inflight_bytes: usize,
    /// The token that the commands on this machine send. The server neither reads nor needs it.
    pub command_token: Option<SecretSource>,
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

impl Scope {
    /// Its name in the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Recordings => "recordings",
            Self::Admin => "admin",
        }
    }
}

/// Reads `[admin]`, which must not be where `[server]` is.
pub fn admin(root: &mut Section<'_>, server: &Server) -> Admin {
    let mut section = root.section_or_empty("admin");
    let listen = section.or("listen", DEFAULT_LISTEN, address());
    let probes = section.read("probes", address());
    let probes_metrics = section.or("probes_metrics", false, switch());
    let seconds = Duration::from_secs(1)..=Duration::from_secs(300);
    let body_timeout = section.or("body_timeout", Duration::from_secs(5), duration(seconds));
    let max_inflight_bytes = section.or("max_inflight", 4 << 20, size(ByteSize::kib(64)..=ByteSize::gib(1)));
    let command_token = section.secret_source("command_token");
    let sections = section.sections("tokens");
    let is_open = sections.is_empty();
    let mut tokens: Vec<AdminToken> = Vec::new();
    for mut section in sections {
        if let Some(token) = token(&mut section, &tokens) {
            tokens.push(token);
        }
    }
    let admin = Admin { listen, probes, probes_metrics, body_timeout, max_inflight_bytes, command_token, tokens };
    check_listeners(&admin, server, &section, is_open);
    admin
}

fn check_listeners(admin: &Admin, server: &Server, section: &Section<'_>, is_open: bool) {
    let (listen, key) = (admin.listen, section.path_of("listen"));
    if !listen.ip().to_canonical().is_loopback() && is_open {
        let text = format!(
            "found {listen} without a token, expected a loopback address as 127.0.0.1:{port}, or [[admin.tokens]]: \
             otherwise anyone who reaches it can read and replay",
            port = listen.port()
        );
        section.report.mistake(&key, text);
    }
    let taken = |key: &str, listen: SocketAddr, (other, other_listen): (&str, SocketAddr)| {
        if collide(listen, other_listen) {
            let text = format!("found {listen}, which {other} ({other_listen}) takes, expected another port");
            section.report.mistake(&section.path_of(key), text);
        }
    };
    taken("listen", listen, ("server.listen", server.listen));
    if let Some(probes) = admin.probes {
        taken("probes", probes, ("server.listen", server.listen));
        taken("probes", probes, ("admin.listen", listen));
    } else if admin.probes_metrics {
        let text = "has no effect without admin.probes";
        section.report.warning(&section.path_of("probes_metrics"), text);
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
    a.port() == b.port() && a.port() != 0 && same(a.ip(), b.ip())
}

fn token(section: &mut Section<'_>, others: &[AdminToken]) -> Option<AdminToken> {
    let name = section.need("name", "the name of the token's user", name(64));
    // What was found is not shown: it may be the token itself.
    let hidden = hex::<32>().or_say(format!("found another value, expected {SHA256}")).shown(|_hash| Shown::Set);
    let sha256 = section.need("sha256", SHA256, hidden);
    let missing = "found no scope, expected a list of \"read\", \"write\", \"recordings\", \"admin\"";
    let scopes = section.need_list("scopes", missing, choice(SCOPES));
    let token = AdminToken { name: name?, sha256: sha256?, scopes };
    if let Some(other) = others.iter().find(|other| other.name == token.name || other.sha256 == token.sha256) {
        let text = format!("found the name or the token of \"{}\" again, expected one entry for each", other.name);
        section.report.mistake(section.path(), text);
    }
    Some(token)
}
