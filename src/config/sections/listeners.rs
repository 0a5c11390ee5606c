//! `[server]`, `[admin]` and `[log]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;

use crate::config::section::Section;
use crate::config::value::{address, choice, count, duration, hex, name, network, size, switch, text};
use crate::config::{Admin, AdminToken, GRAPH_WAITS, Log, LogFormat, Scope, Server};

const SCOPES: &[(&str, Scope)] =
    &[("read", Scope::Read), ("write", Scope::Write), ("recordings", Scope::Recordings), ("admin", Scope::Admin)];

const SHA256: &str = "the token's SHA-256 as 64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum";

/// Reads `[server]`.
pub fn server(root: &mut Section<'_>) -> Server {
    let mut section = root.section_or_empty("server");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
    let server = Server {
        listen: section.or("listen", SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 8080), address),
        workers: section.or("workers", cores, count(1..=1024)),
        max_body_bytes: section.or("max_body", 1 << 20, size(ByteSize::kib(1)..=ByteSize::mib(256))),
        max_items: section.or("max_items", 1000, count(1..=100_000)),
        body_timeout: section.or("body_timeout", Duration::from_secs(5), duration(seconds(1, 300))),
        answer_timeout: section.or(
            "answer_timeout",
            Duration::from_millis(2500),
            duration(Duration::from_millis(100)..=Duration::from_secs(60)),
        ),
        max_connections: section.or("max_connections", 2048, count(1..=1_000_000)),
        max_inflight_bytes: section.or("max_inflight", 16 << 20, size(ByteSize::kib(1)..=ByteSize::gib(64))),
        max_inflight_head_bytes: section.or(
            "max_inflight_heads",
            16 << 20,
            size(ByteSize::kib(64)..=ByteSize::gib(64)),
        ),
        handshakes_per_minute: section.read("handshakes_per_minute", count(1..=1_000_000)),
        trusted_proxies: section.list("trusted_proxies", network).unwrap_or_default(),
        proxy_protocol: section.or("proxy_protocol", false, switch),
        shutdown_delay: section.or("shutdown_delay", Duration::ZERO, duration(seconds(0, 300))),
        shutdown_grace: section.or("shutdown_grace", Duration::from_secs(25), duration(seconds(1, 3600))),
    };
    check_server(&server, &section);
    server
}

fn check_server(server: &Server, section: &Section<'_>) {
    if server.max_inflight_bytes < server.max_body_bytes {
        let text = format!(
            "found less than server.max_body ({}), expected at least room for one body",
            ByteSize(server.max_body_bytes as u64)
        );
        section.report.mistake(&section.path_of("max_inflight"), text);
    }
    if server.shutdown_delay >= server.shutdown_grace {
        let text = "found as much as server.shutdown_grace or more, expected less: the grace includes the delay";
        section.report.mistake(&section.path_of("shutdown_delay"), text);
    }
    if server.proxy_protocol && server.trusted_proxies.is_empty() {
        let text = "found true without server.trusted_proxies, expected the networks of the proxies there: only from them is \
                    the PROXY protocol taken";
        section.report.mistake(&section.path_of("proxy_protocol"), text);
    }
    if server.handshakes_per_minute.is_some() && server.trusted_proxies.is_empty() {
        let text = "counts by the connection's address: behind a proxy, all of Graph counts as one source; name the proxy in \
                    server.trusted_proxies";
        section.report.warning(&section.path_of("handshakes_per_minute"), text);
    }
    if server.answer_timeout >= GRAPH_WAITS {
        let text = "is not below 3 s, after which Graph counts an answer as slow and delays later notifications";
        section.report.warning(&section.path_of("answer_timeout"), text);
    }
}

/// Reads `[admin]`, which must not be where `[server]` is.
pub fn admin(root: &mut Section<'_>, server: &Server) -> Admin {
    let mut section = root.section_or_empty("admin");
    let listen = section.or("listen", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8081), address);
    let seconds = Duration::from_secs(1)..=Duration::from_secs(300);
    let body_timeout = section.or("body_timeout", Duration::from_secs(5), duration(seconds));
    let max_inflight_bytes = section.or("max_inflight", 4 << 20, size(ByteSize::kib(64)..=ByteSize::gib(1)));
    let sections = section.sections("tokens");
    let is_open = sections.is_empty();
    let mut tokens: Vec<AdminToken> = Vec::new();
    for mut section in sections {
        if let Some(token) = token(&mut section, &tokens) {
            tokens.push(token);
        }
    }
    let key = section.path_of("listen");
    if !listen.ip().to_canonical().is_loopback() && is_open {
        let text = format!(
            "found {listen} without a token, expected a loopback address as 127.0.0.1:{port}, or [[admin.tokens]]: \
             otherwise anyone who reaches it can read and replay",
            port = listen.port()
        );
        section.report.mistake(&key, text);
    }
    if collide(listen, server.listen) {
        let text = format!("found {listen}, which server.listen ({}) takes, expected another port", server.listen);
        section.report.mistake(&key, text);
    }
    Admin { listen, body_timeout, max_inflight_bytes, tokens }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
    a.port() == b.port() && a.port() != 0 && same(a.ip(), b.ip())
}

fn token(section: &mut Section<'_>, others: &[AdminToken]) -> Option<AdminToken> {
    let name = section.need("name", "the name of the token's user", name(64));
    let sha256 = section.need("sha256", SHA256, |node| {
        // What was found is not shown: it may be the token itself.
        hex::<32>(node).map_err(|_| format!("found another value, expected {SHA256}"))
    });
    let key = section.path_of("scopes");
    let scopes = section.list("scopes", choice(SCOPES));
    if scopes.as_ref().is_none_or(Vec::is_empty) && !section.report.has_mistake(&key) {
        section
            .report
            .mistake(&key, "found no scope, expected a list of \"read\", \"write\", \"recordings\", \"admin\"");
    }
    let token = AdminToken { name: name?, sha256: sha256?, scopes: scopes? };
    if let Some(other) = others.iter().find(|other| other.name == token.name || other.sha256 == token.sha256) {
        let text = format!("found the name or the token of \"{}\" again, expected one entry for each", other.name);
        section.report.mistake(section.path(), text);
    }
    Some(token)
}

/// Reads `[log]`.
pub fn log(root: &mut Section<'_>) -> Log {
    let mut section = root.section_or_empty("log");
    Log {
        filter: section.or("filter", "info".to_owned(), |node| {
            let filter = text(node)?;
            match tracing_subscriber::EnvFilter::try_new(&filter) {
                Ok(_) => Ok(filter),
                Err(error) => Err(format!("found {filter:?} ({error}), expected a filter as \"info,reelhook=debug\"")),
            }
        }),
        format: section.or("format", LogFormat::Json, choice(&[("json", LogFormat::Json), ("text", LogFormat::Text)])),
    }
}
