//! The checks of the bearer token of the calls channel.

use super::judge::Judge;
use super::{Check, Made, one};
use crate::simulator::client::Post;
use crate::simulator::payload::{self, Recording, Seed};
use crate::simulator::{Answer, Graph, Identity, SimulatorError, Token};

/// What refuses a bearer token.
const REFUSED: Judge = Judge::Status(&[401, 403]);
const SDK: &str = "microsoft-graph-comms-samples: the SDK queues, then answers 202";
const DOCS: &str = "calls-and-meetings/call-notifications: signature, expiry, audience and issuer must be verified";
const RFC: &str = "RFC 8725 section 3.1: accept only the expected algorithm";
/// An application that is not the receiver's.
const OTHER: &str = "8a34a46b-3d17-4adc-8dce-dc4e7d572698";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "calls-accepts-a-genuine-token",
        SDK,
        |graph, seed| one(graph.calls(&[completed(seed)])?),
        Judge::Accepted,
    ),
    Check::should("calls-answers-202", SDK, |graph, seed| one(graph.calls(&[completed(seed)])?), Judge::Status(&[202])),
    Check::must("calls-refuses-no-token", DOCS, |graph, seed| one(with(graph, seed, "")), REFUSED),
    Check::must("calls-refuses-other-schemes", DOCS, other_schemes, REFUSED),
    Check::must("calls-refuses-garbage-tokens", DOCS, garbage, REFUSED),
    Check::must("calls-refuses-alg-none", RFC, unsigned, REFUSED),
    Check::must(
        "calls-refuses-key-confusion",
        "RFC 8725 section 2.1: HS256 keyed with the public key",
        key_confusion,
        REFUSED,
    ),
    Check::must("calls-refuses-foreign-keys", DOCS, foreign_keys, REFUSED),
    Check::must(
        "calls-refuses-keys-in-the-token",
        "RFC 8725 section 3.10: never trust a key that the token brings",
        own_key,
        REFUSED,
    ),
    Check::must("calls-refuses-altered-claims", DOCS, altered, REFUSED),
    Check::must("calls-refuses-another-audience", DOCS, |g, s| token(g, s, |t| t.claim("aud", OTHER)), REFUSED),
    Check::must(
        "calls-refuses-another-issuer",
        DOCS,
        |g, s| token(g, s, |t| t.claim("iss", "https://example.com")),
        REFUSED,
    ),
    Check::must("calls-refuses-expired-tokens", DOCS, |g, s| token(g, s, |t| t.shifted("exp", -7200)), REFUSED),
    Check::must("calls-refuses-tokens-of-the-future", DOCS, |g, s| token(g, s, |t| t.shifted("nbf", 3600)), REFUSED),
    Check::must("calls-refuses-no-expiry", DOCS, |g, s| token(g, s, |t| t.without("exp")), REFUSED),
    Check::must(
        "calls-refuses-expiry-as-text",
        "CVE-2026-25537: a library ignores times that are not numbers",
        |g, s| token(g, s, |t| t.claim("exp", "1466745340")),
        REFUSED,
    ),
    Check::must(
        "calls-refuses-no-tenant",
        "microsoft-graph-comms-samples: the tenant claim must not be empty",
        |g, s| token(g, s, |t| t.without("tid")),
        REFUSED,
    ),
    Check::must(
        "calls-refuses-validation-tokens",
        "RFC 8725 section 3.12: tokens for another purpose",
        cross_use,
        REFUSED,
    ),
    Check::must("calls-refuses-tokens-in-the-url", "RFC 6750 section 2.3: URLs are logged", in_url, REFUSED),
    Check::should(
        "calls-refuses-no-key-id",
        "Microsoft always names its key",
        |g, s| token(g, s, |t| t.without_header("kid")),
        REFUSED,
    ),
    Check::should(
        "calls-says-how-to-authenticate",
        "RFC 9110 section 15.5.2: a 401 has WWW-Authenticate",
        |g, s| one(with(g, s, "")),
        Judge::By("401 with WWW-Authenticate, or 403", says_how),
    ),
];

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

fn says_how(answer: &Answer) -> Result<(), String> {
    match answer.status {
        403 => Ok(()),
        401 if !answer.header("www-authenticate").is_empty() => Ok(()),
        401 => Err("401 without WWW-Authenticate".into()),
        status => Err(format!("answered {status}")),
    }
}
