//! The checks of the calls channel.

use super::judge::Judge;
use super::{Check, Level, Made, SimulatorError};
use crate::simulator::client::Post;
use crate::simulator::payload::{self, Dialect, Recording, Seed, calls};
use crate::simulator::{Graph, Identity, Token};

/// What refuses a bearer token.
const REFUSED: Judge = Judge::Status(&[401, 403]);
const SDK: &str = "microsoft-graph-comms-samples: the SDK queues, then answers 202";
const DOCS: &str = "calls-and-meetings/call-notifications: signature, expiry, audience and issuer must be verified";
const RFC: &str = "RFC 8725 section 3.1: only the algorithm that is expected";
/// An empty JSON list of notifications, gzipped.
pub(super) const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 75, 204, 41, 77, 85, 178, 138, 142, 173, 5, 0, 66, 234, 64, 68, 12,
    0, 0, 0,
];
/// More than any receiver should read.
pub(super) const OVERSIZE_BYTES: usize = 8 * 1024 * 1024;

pub(super) const CHECKS: &[Check] = &[
    must("calls-accepts-a-genuine-token", SDK, |graph, seed| one(graph.calls(&[completed(seed)])?), Judge::Accepted),
    should("calls-answers-202", SDK, |graph, seed| one(graph.calls(&[completed(seed)])?), Judge::Status(&[202])),
    must("calls-refuses-no-token", DOCS, |graph, seed| one(with(graph, seed, "")), REFUSED),
    must("calls-refuses-other-schemes", DOCS, other_schemes, REFUSED),
    must("calls-refuses-garbage-tokens", DOCS, garbage, REFUSED),
    must("calls-refuses-alg-none", RFC, unsigned, REFUSED),
    must(
        "calls-refuses-key-confusion",
        "RFC 8725 section 2.1: HS256 keyed with the public key",
        key_confusion,
        REFUSED,
    ),
    must("calls-refuses-foreign-keys", DOCS, foreign_keys, REFUSED),
    must(
        "calls-refuses-keys-in-the-token",
        "RFC 8725 section 3.10: never trust a key that the token brings",
        own_key,
        REFUSED,
    ),
    must("calls-refuses-altered-claims", DOCS, altered, REFUSED),
    must("calls-refuses-another-audience", DOCS, |g, s| token(g, s, |t| t.claim("aud", OTHER)), REFUSED),
    must("calls-refuses-another-issuer", DOCS, |g, s| token(g, s, |t| t.claim("iss", "https://example.com")), REFUSED),
    must("calls-refuses-expired-tokens", DOCS, |g, s| token(g, s, |t| t.shifted("exp", -7200)), REFUSED),
    must("calls-refuses-tokens-of-the-future", DOCS, |g, s| token(g, s, |t| t.shifted("nbf", 3600)), REFUSED),
    must("calls-refuses-no-expiry", DOCS, |g, s| token(g, s, |t| t.without("exp")), REFUSED),
    must(
        "calls-refuses-expiry-as-text",
        "CVE-2026-25537: a library skips what is not a number",
        |g, s| token(g, s, |t| t.claim("exp", "1466745340")),
        REFUSED,
    ),
    must(
        "calls-refuses-no-tenant",
        "microsoft-graph-comms-samples: the tenant claim must not be empty",
        |g, s| token(g, s, |t| t.without("tid")),
        REFUSED,
    ),
    must("calls-refuses-validation-tokens", "RFC 8725 section 3.12: tokens for another purpose", cross_use, REFUSED),
    must("calls-refuses-tokens-in-the-url", "RFC 6750 section 2.3: URLs are logged", in_url, REFUSED),
    should(
        "calls-refuses-no-key-id",
        "Microsoft always names its key",
        |g, s| token(g, s, |t| t.without_header("kid")),
        REFUSED,
    ),
    should(
        "calls-says-how-to-authenticate",
        "RFC 9110 section 15.5.2: a 401 has WWW-Authenticate",
        |g, s| one(with(g, s, "")),
        Judge::By("401 with WWW-Authenticate, or 403", says_how),
    ),
    must(
        "calls-accepts-every-dialect",
        "Microsoft's samples, their history and captured traffic differ",
        dialects,
        Judge::Accepted,
    ),
    must(
        "calls-accepts-other-resources",
        "calls, participants and prompts arrive on the same address",
        others,
        Judge::Accepted,
    ),
    must("calls-accepts-repeats", "notifications are delivered at least once", repeats, Judge::Accepted),
    must("calls-accepts-late-ones", "call-answer: notifications may arrive out of order", late, Judge::Accepted),
    must("calls-accepts-unknown-neighbours", "commsNotification is an open type", neighbours, Judge::Accepted),
    should(
        "calls-hands-back-the-skype-format",
        "calling-notifications: answered 204, it comes again in Graph's format",
        skype,
        Judge::Status(&[204]),
    ),
    should(
        "calls-refuses-what-is-no-json",
        "VoiceRecorderAndPlaybackBot: 400",
        |g, _| one(body(g, "{\"value\": [")?),
        Judge::Status(&[400]),
    ),
    must(
        "calls-survives-odd-text",
        "a legitimate notification must not be retried for ever",
        odd_text,
        Judge::NoServerError,
    ),
    must("calls-survives-deep-nesting", "a parser without a bound overflows its stack", deep, Judge::NoServerError),
    should(
        "calls-bounds-bodies",
        "unbounded bodies exhaust memory",
        |g, _| one(body(g, vec![b' '; OVERSIZE_BYTES])?),
        Judge::StatusOrClosed(&[400, 413]),
    ),
    should(
        "calls-refuses-compression",
        "Graph does not compress; a small body can unpack to a huge one",
        gzipped,
        Judge::Status(&[415, 400]),
    ),
];

/// An application that is not the receiver's.
const OTHER: &str = "8a34a46b-3d17-4adc-8dce-dc4e7d572698";

pub(super) const fn must(
    name: &'static str,
    why: &'static str,
    make: fn(&Graph, &mut Seed) -> Made,
    judge: Judge,
) -> Check {
    Check { name, level: Level::Must, why, make, judge }
}

pub(super) const fn should(
    name: &'static str,
    why: &'static str,
    make: fn(&Graph, &mut Seed) -> Made,
    judge: Judge,
) -> Check {
    Check { name, level: Level::Should, why, make, judge }
}

#[allow(clippy::unnecessary_wraps, reason = "what a check makes")]
pub(super) fn one(post: Post) -> Made {
    Ok(vec![("", post)])
}

fn completed(seed: &mut Seed) -> String {
    Recording::new(seed).completed()
}

/// A genuine body under this `Authorization`.
fn with(graph: &Graph, seed: &mut Seed, authorization: &str) -> Post {
    graph.calls_with(authorization, payload::comms(&[completed(seed)]))
}

fn bearer(graph: &Graph, seed: &mut Seed, token: &str) -> Post {
    with(graph, seed, &format!("Bearer {token}"))
}

/// A genuine token and this body.
fn body(graph: &Graph, body: impl Into<bytes::Bytes>) -> Result<Post, SimulatorError> {
    Ok(graph.calls_with(&format!("Bearer {}", graph.calls_token()?), body))
}

/// A token with one thing changed, and signed genuinely.
fn token(graph: &Graph, seed: &mut Seed, change: fn(Token) -> Token) -> Made {
    let token = change(graph.identity.calls_token(&graph.app_id, &graph.tenant)).sign()?;
    one(bearer(graph, seed, &token))
}

fn other_schemes(graph: &Graph, seed: &mut Seed) -> Made {
    let token = graph.calls_token()?;
    Ok(vec![
        ("Basic", with(graph, seed, "Basic Ym90OnNlY3JldA==")),
        ("the token alone", with(graph, seed, &token)),
        ("an empty token", with(graph, seed, "Bearer ")),
    ])
}

fn garbage(graph: &Graph, seed: &mut Seed) -> Made {
    let long = "a.".repeat(4000);
    let texts = [("a word", "hello"), ("dots", ".."), ("4,000 parts", &long), ("not base64", "!.!.!")];
    Ok(texts.map(|(label, text)| (label, bearer(graph, seed, text))).into())
}

fn unsigned(graph: &Graph, seed: &mut Seed) -> Made {
    let good = graph.identity.calls_token(&graph.app_id, &graph.tenant);
    let none = |word: &'static str| Ok((word, good.clone().unsigned(word).sign()?));
    let tokens: Result<Vec<_>, SimulatorError> = ["none", "None", "nOnE"].into_iter().map(none).collect();
    Ok(tokens?.into_iter().map(|(word, token)| (word, bearer(graph, seed, &token))).collect())
}

fn key_confusion(graph: &Graph, seed: &mut Seed) -> Made {
    let good = graph.identity.calls_token(&graph.app_id, &graph.tenant);
    let pem = good.clone().signed_with_secret(graph.identity.public_key_pem()?.as_bytes()).sign()?;
    let der = good.signed_with_secret(&graph.identity.public_key_der()?).sign()?;
    Ok(vec![("PEM", bearer(graph, seed, &pem)), ("DER", bearer(graph, seed, &der))])
}

/// Another identity, of which the receiver knows nothing.
fn stranger(graph: &Graph) -> Result<(Identity, Token), SimulatorError> {
    let stranger = graph.identity.stranger()?;
    let token = stranger.calls_token(&graph.app_id, &graph.tenant);
    Ok((stranger, token))
}

fn foreign_keys(graph: &Graph, seed: &mut Seed) -> Made {
    let (_, foreign) = stranger(graph)?;
    let as_ours = foreign.clone().header("kid", graph.identity.kid()).sign()?;
    let posts = [("an unknown key", foreign.sign()?), ("another key under the known name", as_ours)];
    Ok(posts.map(|(label, token)| (label, bearer(graph, seed, &token))).into())
}

fn own_key(graph: &Graph, seed: &mut Seed) -> Made {
    let (identity, foreign) = stranger(graph)?;
    let key = identity.key_set()["keys"][0].clone();
    let posts = [
        ("jwk", foreign.clone().header("jwk", key.clone()).sign()?),
        ("jwk without kid", foreign.header("jwk", key).without_header("kid").sign()?),
    ];
    Ok(posts.map(|(label, token)| (label, bearer(graph, seed, &token))).into())
}

/// The claims of one token under the signature of another.
fn altered(graph: &Graph, seed: &mut Seed) -> Made {
    let good = graph.identity.calls_token(&graph.app_id, &graph.tenant);
    let (one_token, other) = (good.sign()?, good.shifted("exp", 3600).sign()?);
    let (head, _) = other.rsplit_once('.').unwrap_or_default();
    let (_, signature) = one_token.rsplit_once('.').unwrap_or_default();
    one(bearer(graph, seed, &format!("{head}.{signature}")))
}

fn cross_use(graph: &Graph, seed: &mut Seed) -> Made {
    let posts = [
        ("v1", graph.identity.validation_token_v1(&graph.app_id, &graph.tenant).sign()?),
        ("v2", graph.identity.validation_token_v2(&graph.app_id, &graph.tenant).sign()?),
    ];
    Ok(posts.map(|(label, token)| (label, bearer(graph, seed, &token))).into())
}

fn in_url(graph: &Graph, seed: &mut Seed) -> Made {
    let mut post = with(graph, seed, "");
    post.path = format!("{}?access_token={}", post.path, graph.calls_token()?);
    one(post)
}

fn says_how(answer: &crate::simulator::Answer) -> Result<(), String> {
    match answer.status {
        403 => Ok(()),
        401 if !answer.header("www-authenticate").is_empty() => Ok(()),
        401 => Err("401 without WWW-Authenticate".into()),
        status => Err(format!("answered {status}")),
    }
}

fn dialects(graph: &Graph, seed: &mut Seed) -> Made {
    let one = |dialect: &Dialect| {
        let recording = Recording::new(seed).dialect(*dialect);
        Ok((dialect.as_str(), graph.calls(&[recording.running(), recording.completed(), recording.failed()])?))
    };
    Dialect::CALLS.iter().map(one).collect()
}

fn others(graph: &Graph, seed: &mut Seed) -> Made {
    Ok(vec![
        ("call", graph.calls(&[calls::call(seed, "incoming")])?),
        ("participants", graph.calls(&[calls::participants(seed)])?),
        ("prompt", graph.calls(&[calls::prompt(seed)])?),
        ("no items", graph.calls(&[])?),
    ])
}

fn repeats(graph: &Graph, seed: &mut Seed) -> Made {
    let items = [completed(seed)];
    Ok(vec![("first", graph.calls(&items)?), ("again", graph.calls(&items)?)])
}

fn late(graph: &Graph, seed: &mut Seed) -> Made {
    let recording = Recording::new(seed);
    Ok(vec![("completed", graph.calls(&[recording.completed()])?), ("running", graph.calls(&[recording.running()])?)])
}

fn neighbours(graph: &Graph, seed: &mut Seed) -> Made {
    let unknown = r##"{"@odata.type":"#microsoft.graph.commsNotification","changeType":"updated","resourceUrl":"/communications/somethingNew/1","resourceData":{"@odata.type":"#microsoft.graph.somethingNew","a":[1]}}"##;
    one(graph.calls(&[completed(seed), unknown.into(), calls::call(seed, "terminated"), completed(seed)])?)
}

fn skype(graph: &Graph, seed: &mut Seed) -> Made {
    one(body(graph, calls::legacy_skype(seed))?)
}

/// The escapes stand in the client context.
pub(super) const ODD_TEXTS: [(&str, &str); 3] =
    [("NUL", r"\u0000"), ("lone surrogate", r"\ud800"), ("terminal escape", r"\u001b[31m\u202e")];

fn odd_text(graph: &Graph, seed: &mut Seed) -> Made {
    let one = |(label, text): (&'static str, &str)| {
        let item = Recording::new(seed).client_context("HERE").completed().replace("HERE", text);
        Ok((label, graph.calls(&[item])?))
    };
    ODD_TEXTS.into_iter().map(one).collect()
}

fn deep(graph: &Graph, _: &mut Seed) -> Made {
    one(body(graph, deeply_nested())?)
}

/// 50,000 arrays in each other.
pub(super) fn deeply_nested() -> String {
    format!("{{\"value\":[{}{}]}}", "[".repeat(50_000), "]".repeat(50_000))
}

fn gzipped(graph: &Graph, _: &mut Seed) -> Made {
    one(body(graph, GZIPPED)?.header("content-encoding", "gzip"))
}
