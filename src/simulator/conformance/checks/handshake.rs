//! The checks of the handshake: Graph makes no subscription where it fails.

use hyper::Method;

use super::super::check::{Check, Made, Source, Unmade, one};
use super::super::judge::{Judge, echo, unescaped};
use super::super::sources::{DELIVERY, LIFECYCLE};
use crate::simulator::payload::Seed;
use crate::simulator::scenario::HANDSHAKE;
use crate::simulator::{Answer, Graph};

pub(in super::super) const ECHO: &str = "handshake-echoes-the-decoded-token";
pub(in super::super) const AT_LIFECYCLE: &str = "handshake-at-the-lifecycle-url";

/// A token with characters that decoders confuse, and what it means.
const CONFUSING: (&str, &str) = ("a%2Bb%20c+d%26e%3D%C3%A9", "a+b c d&e=\u{e9}");
/// A token that is markup.
const MARKUP: (&str, &str) = ("%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>");
/// How long a token is that only an attacker sends, and the same in words.
const LONG: (usize, &str) = (20_000, "a token of 20,000 characters");
/// The names of the headers that stand in a token.
const INJECTED_NAMES: [&str; 2] = ["x-injected", "set-cookie"];
/// Their value.
const INJECTED: &str = "made-of-the-token-7d1f";
const XSS: Source = Source::Says("Escaping any HTML or JavaScript is a good practice", DELIVERY);

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        ECHO,
        Source::Says("A body that includes the URL decoded plain text validation token", DELIVERY),
        |graph, _| one(graph.handshake(&graph.paths.notifications, HANDSHAKE.0)),
        Judge::Echo(HANDSHAKE.1),
    )
    .entry(),
    Check::must(
        AT_LIFECYCLE,
        Source::Says("you must validate both lifecycleNotificationUrl and notificationUrl endpoints", LIFECYCLE),
        at_the_lifecycle_url,
        Judge::Echo(HANDSHAKE.1),
    )
    .after(&[ECHO]),
    Check::should(
        "handshake-decodes-like-a-form",
        Source::Says("treat the validation token value as opaque, as the token format can change", DELIVERY),
        |graph, _| one(graph.handshake(&graph.paths.notifications, CONFUSING.0)),
        Judge::Echo(CONFUSING.1),
    )
    .after(&[ECHO]),
    Check::should(
        "handshake-among-other-parameters",
        Source::Says("Any query string parameter included in the notificationUrl property will be included", DELIVERY),
        among_others,
        Judge::Echo(HANDSHAKE.1),
    )
    .after(&[ECHO]),
    Check::should(
        "handshake-without-script",
        XSS,
        |graph, _| {
            let mut post = graph.handshake(&graph.paths.notifications, MARKUP.0);
            post.headers.remove("accept");
            one(post.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8"))
        },
        Judge::By("refused, escaped, or echoed as text/plain", no_script),
    )
    .after(&[ECHO]),
    Check::should(
        "handshake-sets-no-headers",
        Source::Assumed("a token with line ends must not become a header"),
        crlf,
        Judge::By("no header with the value that stands in the token", no_injected_header),
    )
    .after(&[ECHO]),
    Check::advice(
        "handshake-is-hardened",
        XSS,
        |graph, _| one(graph.handshake(&graph.paths.notifications, HANDSHAKE.0)),
        Judge::By("X-Content-Type-Options: nosniff", nosniff),
    )
    .after(&[ECHO]),
    Check::advice(
        "handshake-by-post-alone",
        Source::Assumed("Graph uses POST; an echo by GET can be linked to"),
        by_get,
        Judge::By("no echo", no_echo),
    )
    .after(&[ECHO]),
    Check::advice(
        "handshake-refuses-an-empty-token",
        Source::Assumed("Graph never sends one"),
        |graph, _| one(graph.handshake(&graph.paths.notifications, "")),
        Judge::Status(&[400]),
    )
    .after(&[ECHO]),
    Check::advice(
        "handshake-bounds-the-token",
        Source::Assumed("only attackers need an endless echo"),
        |graph, _| one(graph.handshake(&graph.paths.notifications, &"a".repeat(LONG.0))),
        Judge::Bounds(LONG.1, &[400, 413, 414, 431]),
    )
    .after(&[ECHO]),
];

fn at_the_lifecycle_url(graph: &Graph, _: &mut Seed) -> Made {
    if graph.paths.lifecycle == graph.paths.notifications {
        return Err(Unmade::Skip("the lifecycle URL is the notification URL"));
    }
    one(graph.handshake(&graph.paths.lifecycle, HANDSHAKE.0))
}

fn among_others(graph: &Graph, _: &mut Seed) -> Made {
    let path = &graph.paths.notifications;
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut post = graph.handshake(&format!("{path}{separator}region=eu"), HANDSHAKE.0);
    post.path.push_str("&x=1");
    one(post)
}

fn crlf(graph: &Graph, _: &mut Seed) -> Made {
    let token = format!("a%0d%0aX-Injected:%20{INJECTED}%0d%0aSet-Cookie:%20a={INJECTED}");
    one(graph.handshake(&graph.paths.notifications, &token))
}

fn by_get(graph: &Graph, _: &mut Seed) -> Made {
    let mut post = graph.handshake(&graph.paths.notifications, HANDSHAKE.0);
    post.method = Method::GET;
    one(post)
}

fn no_script(answer: &Answer) -> Result<(), String> {
    let body = String::from_utf8_lossy(&answer.body);
    let is_escaped = !body.contains('<') && unescaped(&body) == MARKUP.1;
    if !answer.is_2xx() || is_escaped { Ok(()) } else { echo(answer, MARKUP.1) }
}

/// Looked for by its value: receivers set cookies of their own.
fn no_injected_header(answer: &Answer) -> Result<(), String> {
    let is_injected = |value: &hyper::header::HeaderValue| {
        value.as_bytes().windows(INJECTED.len()).any(|bytes| bytes == INJECTED.as_bytes())
    };
    match answer.headers.iter().find(|(name, value)| INJECTED_NAMES.contains(&name.as_str()) && is_injected(value)) {
        Some((name, _)) => Err(format!("the answer has {name}, made of the token")),
        None => Ok(()),
    }
}

fn nosniff(answer: &Answer) -> Result<(), String> {
    match answer.header("x-content-type-options") {
        "nosniff" => Ok(()),
        "" => Err("no X-Content-Type-Options".into()),
        other => Err(format!("X-Content-Type-Options {other:?}")),
    }
}

fn no_echo(answer: &Answer) -> Result<(), String> {
    if answer.is_2xx() && answer.body == HANDSHAKE.1.as_bytes() { Err("the token was echoed".into()) } else { Ok(()) }
}
