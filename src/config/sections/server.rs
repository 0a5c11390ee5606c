//! `[server]`: the listener that Graph posts to.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;

use crate::config::section::Section;
use crate::config::value::{address, count, duration, network, size, switch};

/// Graph counts an answer as slow, and repeats the POST, after this time
/// (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>).
pub const GRAPH_WAITS: Duration = Duration::from_secs(3);

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
    /// The proxies that are trusted to name a request's source address, on every listener.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether each connection of the Graph-facing listener begins with the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether a sink may run commands on this machine.
    pub allow_exec: bool,
    /// How long `/readyz` answers 503 before the listener closes.
    pub shutdown_delay: Duration,
    /// The whole time that a shutdown may take, `shutdown_delay` included.
    pub shutdown_grace: Duration,
}

/// Reads `[server]`.
pub fn server(root: &mut Section<'_>) -> Server {
    let mut section = root.section_or_empty("server");
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
    let server = Server {
        listen: section.or("listen", SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 8080), address()),
        workers: section.or_else("workers", cores, count(1..=1024)),
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
        trusted_proxies: section.list("trusted_proxies", Vec::new(), network()),
        proxy_protocol: section.or("proxy_protocol", false, switch()),
        allow_exec: section.or("allow_exec", false, switch()),
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
