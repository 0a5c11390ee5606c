//! The checks of the subscriptions channel: handshake, changes, lifecycle.

use hyper::Method;

use super::hostile_bodies::{GZIPPED, ODD_TEXTS, OVERSIZE_BYTES, deeply_nested};
use super::judge::{Judge, echo};
use super::{Check, Made, Unmade, one};
use crate::simulator::payload::{self, Change, Dialect, Seed, change};
use crate::simulator::scenario::HANDSHAKE;
use crate::simulator::{Answer, Certificate, Graph};

const DELIVERY: &str = "change-notifications-delivery-webhooks: validation of the notification URL";
const ALWAYS: &str = "change-notifications-with-resource-data: answer 202 before validation, whatever its result";
const RETRY: &str = "change-notifications-delivery-webhooks: without a 2xx it is sent again for up to 4 h";
const XSS: &str = "change-notifications-delivery-webhooks: the token must not become script or markup";
/// A token with characters that decoders confuse, and what it means.
const CONFUSING: (&str, &str) = ("a%2Bb%20c+d%26e%3D%C3%A9", "a+b c d&e=\u{e9}");
/// A token that is markup.
const MARKUP: (&str, &str) = ("%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>");

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "handshake-echoes-the-decoded-token",
        DELIVERY,
        |g, _| one(g.handshake(&g.paths.notifications, HANDSHAKE.0)),
        Judge::Echo(HANDSHAKE.1),
    ),
    Check::must(
        "handshake-at-the-lifecycle-url",
        "both URLs are validated",
        |g, _| one(g.handshake(&g.paths.lifecycle, HANDSHAKE.0)),
        Judge::Echo(HANDSHAKE.1),
    ),
    Check::must(
        "handshake-decodes-like-a-form",
        "the token is form-encoded: + is a space, %2B is a plus",
        |g, _| one(g.handshake(&g.paths.notifications, CONFUSING.0)),
        Judge::Echo(CONFUSING.1),
    ),
    Check::must(
        "handshake-among-other-parameters",
        "query parameters of the notification URL are kept",
        among_others,
        Judge::Echo(HANDSHAKE.1),
    ),
    Check::should(
        "handshake-before-the-body",
        "a request with the token is a handshake",
        with_body,
        Judge::Echo(HANDSHAKE.1),
    ),
    Check::must(
        "handshake-without-script",
        XSS,
        |g, _| one(g.handshake(&g.paths.notifications, MARKUP.0)),
        Judge::By("refused, or echoed as text/plain", no_script),
    ),
    Check::must(
        "handshake-sets-no-headers",
        "a token with line ends must not become a header",
        crlf,
        Judge::By("no header from the token", no_injected_header),
    ),
    Check::should(
        "handshake-is-hardened",
        XSS,
        |g, _| one(g.handshake(&g.paths.notifications, HANDSHAKE.0)),
        Judge::By("X-Content-Type-Options: nosniff", nosniff),
    ),
    Check::must("handshake-by-post-alone", "an echo by GET can be linked to", by_get, Judge::By("no echo", no_echo)),
    Check::should(
        "handshake-refuses-an-empty-token",
        "Graph never sends one",
        |g, _| one(g.handshake(&g.paths.notifications, "")),
        Judge::Status(&[400]),
    ),
    Check::should(
        "handshake-bounds-the-token",
        "only attackers need an endless echo",
        |g, _| one(g.handshake(&g.paths.notifications, &"a".repeat(20_000))),
        Judge::StatusOrClosed(&[400, 413, 414, 431]),
    ),
    Check::must(
        "notifications-accepts-changes",
        RETRY,
        |g, s| one(g.notifications(&[g.change(s).basic()], false)?),
        Judge::Accepted,
    ),
    Check::must("notifications-accepts-no-items", RETRY, |g, _| one(g.notifications(&[], false)?), Judge::Accepted),
    Check::must("notifications-tells-strangers-nothing", ALWAYS, strangers, Judge::AllTheSame),
    Check::must(
        "notifications-accepts-mixed-posts",
        "one POST may mix subscriptions, applications and tenants",
        mixed,
        Judge::Accepted,
    ),
    Check::should(
        "notifications-judges-items-alone",
        "one bad item must not cost its neighbours",
        |g, s| one(g.notifications(&[g.change(s).basic(), "7".into(), g.change(s).basic()], false)?),
        Judge::Accepted,
    ),
    Check::must(
        "notifications-accepts-every-dialect",
        "samples and captured traffic differ",
        dialects,
        Judge::Accepted,
    ),
    Check::must("notifications-accepts-repeats", "notifications are delivered at least once", repeats, Judge::Accepted),
    Check::must(
        "lifecycle-accepts-every-event",
        "change-notifications-lifecycle-events; new events will be introduced",
        lifecycle,
        Judge::Accepted,
    ),
    Check::must(
        "lifecycle-accepts-old-spelling",
        "captured lifecycle notifications have organizationId",
        organization,
        Judge::Accepted,
    ),
    Check::must("lifecycle-at-the-notification-url", "both URLs may be the same", at_notifications, Judge::Accepted),
    Check::must("encrypted-accepts-genuine-items", ALWAYS, encrypted, Judge::Accepted),
    Check::must("encrypted-tells-strangers-nothing", ALWAYS, encrypted_strangers, Judge::AllTheSame),
    Check::must(
        "notifications-survives-odd-text",
        "a legitimate notification must not be retried for 4 h",
        odd_text,
        Judge::NoServerError,
    ),
    Check::must(
        "notifications-survives-deep-nesting",
        "a parser without a bound overflows its stack",
        |g, _| one(g.notifications_with(deeply_nested())),
        Judge::NoServerError,
    ),
    Check::must(
        "notifications-survives-what-is-no-json",
        "anybody can post",
        |g, _| one(g.notifications_with("{\"value\": [")),
        Judge::NoServerError,
    ),
    Check::should(
        "notifications-bounds-bodies",
        "unbounded bodies exhaust memory",
        |g, _| one(g.notifications_with(vec![b' '; OVERSIZE_BYTES])),
        Judge::StatusOrClosed(&[400, 413]),
    ),
    Check::should(
        "notifications-refuses-compression",
        "Graph does not compress; a small body can unpack to a huge one",
        |g, _| one(g.notifications_with(GZIPPED).header("content-encoding", "gzip")),
        Judge::Status(&[415, 400]),
    ),
];

fn among_others(graph: &Graph, _: &mut Seed) -> Made {
    let mut post = graph.handshake(&format!("{}?region=eu", graph.paths.notifications), HANDSHAKE.0);
    post.path.push_str("&x=1");
    one(post)
}

fn with_body(graph: &Graph, _: &mut Seed) -> Made {
    let mut post = graph.handshake(&graph.paths.notifications, HANDSHAKE.0);
    post.body = "not JSON".into();
    one(post)
}

fn crlf(graph: &Graph, _: &mut Seed) -> Made {
    one(graph.handshake(&graph.paths.notifications, "a%0d%0aSet-Cookie:%20a=b%0d%0aX-Injected:%201"))
}

fn by_get(graph: &Graph, _: &mut Seed) -> Made {
    let mut post = graph.handshake(&graph.paths.notifications, HANDSHAKE.0);
    post.method = Method::GET;
    one(post)
}

fn no_script(answer: &Answer) -> Result<(), String> {
    if (400..500).contains(&answer.status) { Ok(()) } else { echo(answer, MARKUP.1) }
}

fn no_injected_header(answer: &Answer) -> Result<(), String> {
    match ["set-cookie", "x-injected"].into_iter().find(|name| answer.headers.contains_key(*name)) {
        Some(name) => Err(format!("the answer has {name}")),
        None => Ok(()),
    }
}

fn nosniff(answer: &Answer) -> Result<(), String> {
    match answer.header("x-content-type-options") {
        "nosniff" => Ok(()),
        other => Err(format!("X-Content-Type-Options {other:?}")),
    }
}

fn no_echo(answer: &Answer) -> Result<(), String> {
    if answer.is_2xx() && answer.body == HANDSHAKE.1.as_bytes() { Err("the token was echoed".into()) } else { Ok(()) }
}

/// Genuine, with another client state, without one: the answers must not differ.
fn strangers(graph: &Graph, seed: &mut Seed) -> Made {
    if graph.client_state.is_none() {
        return Err(Unmade::Skip("needs a clientState (see --client-state-env)"));
    }
    let mut changed = |client_state: Option<&str>| Change::new(seed, &graph.tenant, client_state).basic();
    let (wrong, absent) = (changed(Some("not the client state")), changed(None));
    Ok(vec![
        ("genuine", graph.notifications(&[graph.change(seed).basic()], false)?),
        ("wrong clientState", graph.notifications(&[wrong], false)?),
        ("no clientState", graph.notifications(&[absent], false)?),
    ])
}

fn mixed(graph: &Graph, seed: &mut Seed) -> Made {
    let other_tenant = Change::new(seed, "9f4ebab6-520d-49c0-85cc-7b25c78d4a93", Some("of another"));
    let items = [
        graph.change(seed).basic(),
        other_tenant.basic(),
        graph.change(seed).lifecycle("missed"),
        graph.change(seed).basic(),
    ];
    one(graph.notifications(&items, false)?)
}

fn dialects(graph: &Graph, seed: &mut Seed) -> Made {
    let one = |dialect: &Dialect| {
        let change = graph.change(seed).dialect(*dialect);
        Ok((dialect.as_str(), graph.notifications(&[change.basic()], false)?))
    };
    Dialect::SUBSCRIPTIONS.iter().map(one).collect()
}

fn repeats(graph: &Graph, seed: &mut Seed) -> Made {
    let post = graph.notifications(&[graph.change(seed).basic()], false)?;
    Ok(vec![("first", post.clone()), ("again", post)])
}

fn lifecycle(graph: &Graph, seed: &mut Seed) -> Made {
    let events = change::LIFECYCLE_EVENTS.into_iter().chain(["somethingNew"]);
    Ok(events.map(|event| (event, graph.lifecycle(&[graph.change(seed).lifecycle(event)]))).collect())
}

fn organization(graph: &Graph, seed: &mut Seed) -> Made {
    let change = graph.change(seed).dialect(Dialect::OrganizationId);
    one(graph.lifecycle(&[change.lifecycle("reauthorizationRequired")]))
}

fn at_notifications(graph: &Graph, seed: &mut Seed) -> Made {
    one(graph.notifications(&[graph.change(seed).lifecycle("missed")], false)?)
}

fn certificate(graph: &Graph) -> Result<&Certificate, Unmade> {
    graph.certificate.as_ref().ok_or(Unmade::Skip("needs --certificate-key"))
}

fn encrypted(graph: &Graph, seed: &mut Seed) -> Made {
    let rich = graph.change(seed).rich(certificate(graph)?)?;
    let version_1 = graph.identity.validation_token_v1(&graph.app_id, &graph.tenant).sign()?;
    let other = graph.change(seed).rich(certificate(graph)?)?;
    Ok(vec![
        ("v2 token", graph.notifications(&[rich], true)?),
        ("v1 token", graph.notifications_with(payload::changes(&[other], &[version_1]))),
    ])
}

/// Whoever has the certificate can encrypt: without a token that proves Graph, the answer must not differ.
fn encrypted_strangers(graph: &Graph, seed: &mut Seed) -> Made {
    let certificate = certificate(graph)?;
    let change = graph.change(seed);
    let mut spoiled = certificate.encrypt(change.message().as_bytes())?;
    spoiled.data_signature = certificate.encrypt(b"other")?.data_signature;
    let mut unknown = certificate.encrypt(change.message().as_bytes())?;
    unknown.certificate_id = "../../unknown".into();
    let not_the_publisher =
        graph.identity.validation_token_v2(&graph.app_id, &graph.tenant).claim("azp", graph.app_id.as_str()).sign()?;
    let item = |seed: &mut Seed| graph.change(seed).rich(certificate);
    Ok(vec![
        ("genuine", graph.notifications(&[item(seed)?], true)?),
        ("no validation token", graph.notifications(&[item(seed)?], false)?),
        ("garbage token", graph.notifications_with(payload::changes(&[item(seed)?], &["a.b.c".into()]))),
        ("another publisher", graph.notifications_with(payload::changes(&[item(seed)?], &[not_the_publisher]))),
        ("wrong signature", graph.notifications(&[change.rich_with(&spoiled)], true)?),
        ("unknown certificate", graph.notifications(&[change.rich_with(&unknown)], true)?),
    ])
}

fn odd_text(graph: &Graph, seed: &mut Seed) -> Made {
    let one = |(label, text): (&'static str, &str)| {
        let mut change = graph.change(seed);
        change.resource_id = "HERE".into();
        Ok((label, graph.notifications(&[change.basic().replace("HERE", text)], false)?))
    };
    ODD_TEXTS.into_iter().map(one).collect()
}
