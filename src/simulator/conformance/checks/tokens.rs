//! The checks of the bearer token of the calls channel.
//!
//! They follow from each other: a receiver that reads no token believes every forged one, and that is one fault.

use super::super::check::{Check, Made, Mark, Sending, Source};
use super::super::judge::Judge;
use super::super::sources::{CALLS, RECORD, SAMPLES};
use super::DELIVERS_RECORDINGS;
use crate::simulator::client::Post;
use crate::simulator::payload::{self, Recording, Seed};
use crate::simulator::{Answer, Graph, Identity, SimulatorError, Token};

pub(in super::super) const GENUINE: &str = "calls-accepts-a-genuine-token";
const NO_TOKEN: &str = "calls-refuses-no-token";
const ALTERED: &str = "calls-refuses-altered-claims";
const FOREIGN: &str = "calls-refuses-foreign-keys";
const ISSUER: &str = "calls-refuses-another-issuer";

const MUST_VALIDATE: Source = Source::Says("Your application must validate this token before accepting", CALLS);
const SIGNED: Source = Source::Says("check whether it has been signed by the published OpenID configuration", CALLS);
const IN_SAMPLES: &str = "AuthenticationProvider.cs, the sample that the documentation names for this";
/// An application that is not the receiver's.
const OTHER: &str = "8a34a46b-3d17-4adc-8dce-dc4e7d572698";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        GENUINE,
        Source::Says("the HTTP POST message contains an OAuth token in the Authorization header", CALLS),
        |graph, seed| Ok(vec![genuine(graph, seed)?]),
        Judge::Answered,
    )
    .entry(),
    Check::must(
        DELIVERS_RECORDINGS,
        Source::Says("The bot must download the recording promptly", RECORD),
        |graph, seed| Ok(vec![genuine(graph, seed)?]),
        Judge::Delivered,
    )
    .after(&[GENUINE])
    .delivery(),
    Check::advice(
        "calls-answers-202",
        Source::Shows("the SDK queues the notification, then answers 202", SAMPLES),
        |graph, seed| Ok(vec![genuine(graph, seed)?]),
        Judge::Status(&[202]),
    )
    .after(&[GENUINE]),
    Check::must(NO_TOKEN, MUST_VALIDATE, |g, s| Ok(vec![with(g, s, "")]), Judge::Refused).after(&[GENUINE]).guard(),
    Check::must("calls-refuses-garbage-tokens", MUST_VALIDATE, garbage, Judge::Refused).after(&[NO_TOKEN]),
    Check::must(ALTERED, SIGNED, altered, Judge::Refused).after(&[NO_TOKEN]).guard(),
    Check::must(
        "calls-refuses-alg-none",
        Source::Says("MUST NOT use any other algorithms when performing cryptographic operations", "RFC 8725, 3.1"),
        unsigned,
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::must(
        "calls-refuses-key-confusion",
        Source::Says("using the RSA public key as the HMAC shared secret", "RFC 8725, 2.1"),
        key_confusion,
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::must(FOREIGN, SIGNED, foreign_keys, Judge::Refused).after(&[ALTERED]),
    Check::must("calls-refuses-keys-in-the-token", SIGNED, own_key, Judge::Refused).after(&[FOREIGN]),
    Check::must(
        "calls-refuses-another-audience",
        Source::Says("You must also check whether aud matches your App ID", CALLS),
        |g, s| token(g, s, |t| t.claim("aud", OTHER)),
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::must(
        "calls-refuses-expired-tokens",
        Source::Says("must validate the token, ensure it has not expired", CALLS),
        |g, s| token(g, s, |t| t.shifted("exp", -7200)),
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::should(
        ISSUER,
        Source::Says("iss is the token issuer, https://api.botframework.com", CALLS),
        |g, s| token(g, s, |t| t.claim("iss", "https://example.com")),
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::should(
        "calls-refuses-validation-tokens",
        Source::Says("Use Mutually Exclusive Validation Rules for Different Kinds of JWTs", "RFC 8725, 3.12"),
        cross_use,
        Judge::Refused,
    )
    .after(&[ISSUER]),
    Check::should(
        "calls-refuses-tokens-of-the-future",
        Source::Says("the time before which the JWT MUST NOT be accepted for processing", "RFC 7519, 4.1.5"),
        |g, s| token(g, s, |t| t.shifted("nbf", 3600)),
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::should(
        "calls-refuses-no-tenant",
        Source::Shows(IN_SAMPLES, SAMPLES),
        |g, s| token(g, s, |t| t.without("tid")),
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::should(
        "calls-refuses-tokens-in-the-url",
        Source::Says("the high likelihood that the URL containing the access token will be logged", "RFC 6750, 2.3"),
        in_url,
        Judge::Refused,
    )
    .after(&[NO_TOKEN]),
    Check::advice(
        "calls-refuses-no-expiry",
        Source::Assumed("Microsoft's tokens end; nobody else can sign one that does not"),
        no_expiry,
        Judge::Refused,
    )
    .after(&[ALTERED]),
    Check::advice(
        "calls-says-how-to-authenticate",
        Source::Says("a 401 response MUST send a WWW-Authenticate header field", "RFC 9110, 15.5.2"),
        |g, s| Ok(vec![with(g, s, "")]),
        Judge::By("401 with WWW-Authenticate, or 403", says_how),
    )
    .after(&[NO_TOKEN]),
];

/// A completed recording with a good token.
pub(super) fn genuine(graph: &Graph, seed: &mut Seed) -> Result<Sending, SimulatorError> {
    Ok(with(graph, seed, &format!("Bearer {}", graph.calls_token()?)))
}

/// A completed recording under this `Authorization`.
fn with(graph: &Graph, seed: &mut Seed, authorization: &str) -> Sending {
    let recording = Recording::new(seed);
    let post = graph.calls_with(authorization, payload::comms(&[recording.completed()]));
    Sending::new("", post).marked(Mark::recording(&recording))
}

fn bearer(graph: &Graph, seed: &mut Seed, label: &'static str, token: &str) -> Sending {
    Sending { label, ..with(graph, seed, &format!("Bearer {token}")) }
}

fn bearers<const N: usize>(graph: &Graph, seed: &mut Seed, tokens: [(&'static str, String); N]) -> Made {
    Ok(tokens.map(|(label, token)| bearer(graph, seed, label, &token)).into())
}

/// A token with one thing changed, and signed genuinely.
fn token(graph: &Graph, seed: &mut Seed, change: fn(Token) -> Token) -> Made {
    bearers(graph, seed, [("", change(good(graph)).sign()?)])
}

fn good(graph: &Graph) -> Token {
    graph.identity.calls_token(&graph.app_id, &graph.tenant)
}

fn garbage(graph: &Graph, seed: &mut Seed) -> Made {
    let mut posts = vec![
        Sending { label: "Basic", ..with(graph, seed, "Basic Ym90OnNlY3JldA==") },
        Sending { label: "an empty token", ..with(graph, seed, "Bearer ") },
    ];
    let long = "a.".repeat(2000);
    let texts = [("a word", "hello"), ("dots", ".."), ("2,000 parts", &*long), ("not base64", "!.!.!")];
    posts.extend(texts.map(|(label, text)| bearer(graph, seed, label, text)));
    Ok(posts)
}

fn unsigned(graph: &Graph, seed: &mut Seed) -> Made {
    let none = |word: &'static str| Ok::<_, SimulatorError>((word, good(graph).unsigned(word).sign()?));
    bearers(graph, seed, [none("none")?, none("None")?, none("nOnE")?])
}

fn key_confusion(graph: &Graph, seed: &mut Seed) -> Made {
    let pem = good(graph).signed_with_secret(graph.identity.public_key_pem()?.as_bytes()).sign()?;
    let der = good(graph).signed_with_secret(&graph.identity.public_key_der()?).sign()?;
    bearers(graph, seed, [("PEM", pem), ("DER", der)])
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
    let nameless = foreign.clone().without_header("kid").sign()?;
    let tokens = [
        ("an unknown key", foreign.sign()?),
        ("another key under the known name", as_ours),
        ("a key without a name", nameless),
    ];
    bearers(graph, seed, tokens)
}

fn own_key(graph: &Graph, seed: &mut Seed) -> Made {
    let (identity, foreign) = stranger(graph)?;
    let token = foreign.header("jwk", identity.key_set()["keys"][0].clone()).sign()?;
    bearers(graph, seed, [("jwk", token)])
}

/// The claims of one token under the signature of another.
fn altered(graph: &Graph, seed: &mut Seed) -> Made {
    let (one_token, other) = (good(graph).sign()?, good(graph).shifted("exp", 3600).sign()?);
    let (head, _) = other.rsplit_once('.').unwrap_or_default();
    let (_, signature) = one_token.rsplit_once('.').unwrap_or_default();
    bearers(graph, seed, [("", format!("{head}.{signature}"))])
}

fn cross_use(graph: &Graph, seed: &mut Seed) -> Made {
    let version_1 = graph.identity.validation_token_v1(&graph.app_id, &graph.tenant).sign()?;
    let version_2 = graph.identity.validation_token_v2(&graph.app_id, &graph.tenant).sign()?;
    bearers(graph, seed, [("v1", version_1), ("v2", version_2)])
}

fn in_url(graph: &Graph, seed: &mut Seed) -> Made {
    let mut sending = with(graph, seed, "");
    let Post { path, .. } = &mut sending.post;
    let separator = if path.contains('?') { '&' } else { '?' };
    path.push_str(&format!("{separator}access_token={}", graph.calls_token()?));
    Ok(vec![sending])
}

/// A library that reads `exp` as a number takes another type for none.
fn no_expiry(graph: &Graph, seed: &mut Seed) -> Made {
    let absent = good(graph).without("exp").sign()?;
    let as_text = good(graph).claim("exp", "1466745340").sign()?;
    bearers(graph, seed, [("no exp", absent), ("exp as text", as_text)])
}

fn says_how(answer: &Answer) -> Result<(), String> {
    match answer.status {
        403 => Ok(()),
        401 if !answer.header("www-authenticate").is_empty() => Ok(()),
        401 => Err("401 without WWW-Authenticate".into()),
        status => Err(format!("answered {status}")),
    }
}
