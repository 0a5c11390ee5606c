//! The checks of encrypted content and of its validation tokens.
//!
//! Graph wants the same answer whatever the validation finds, so what a receiver believes shows only in what it delivers:
//! each content has a text of its own, which nobody knows who did not decrypt it.

use super::super::check::{Check, Made, Mark, Need, Sending, Source, Unmade};
use super::super::judge::Judge;
use super::super::sources::RICH;
use super::DELIVERS_CHANGES;
use super::subscriptions::CHANGES;
use crate::simulator::payload::{self, Change, Seed};
use crate::simulator::{Certificate, Graph, Token};

const GENUINE: &str = "encrypted-accepts-genuine-items";
pub(in super::super) const DECRYPTED: &str = "encrypted-delivers-the-decrypted-content";
const VERSIONS: &str = "encrypted-accepts-both-token-versions";
/// The checks that judge whether content is delivered: one that fails explains why any content is missing.
pub(in super::super) const CONTENT: &[&str] = &[DECRYPTED, VERSIONS];
const NO_TOKEN: &str = "encrypted-refuses-no-validation-token";
const FORGED: &str = "encrypted-refuses-forged-validation-tokens";
/// An application that is not the publisher.
const ANOTHER_PUBLISHER: &str = "5d5b0a0c-3f0c-4a51-9f5d-5d5d5b2a1c11";

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        GENUINE,
        Source::Says("Make sure to always send an HTTP 202 Accepted status code", RICH),
        both_versions,
        Judge::Answered,
    )
    .needs(&[Need::Certificate])
    .after(&[CHANGES]),
    Check::must(
        DECRYPTED,
        Source::Says("To decrypt resource data, your app should perform the reverse steps", RICH),
        both_versions,
        Judge::AnyDelivered,
    )
    .after(&[GENUINE, DELIVERS_CHANGES]),
    Check::must(
        VERSIONS,
        Source::Shows("appid has the publisher in a token of version 1.0, azp in one of version 2.0", RICH),
        both_versions,
        Judge::Delivered,
    )
    .after(&[DECRYPTED]),
    Check::must(
        NO_TOKEN,
        Source::Says("For rich notifications, perform a more thorough validation before processing the data", RICH),
        |graph, seed| Ok(vec![secret(graph, seed, &[])?]),
        Judge::Withheld,
    )
    .after(&[DECRYPTED]),
    Check::must(
        FORGED,
        Source::Says("perform validation on every JWT token in the validationTokens collection", RICH),
        forged,
        Judge::Withheld,
    )
    .after(&[NO_TOKEN]),
    Check::must(
        "encrypted-refuses-another-publisher",
        Source::Says("Validate that the app that generated the token represents the Microsoft Graph change notification publisher", RICH),
        another_publisher,
        Judge::Withheld,
    )
    .after(&[FORGED]),
    Check::must(
        "encrypted-refuses-broken-signatures",
        Source::Says("If they don't match, assume the payload has been tampered with and don't decrypt it", RICH),
        broken_signature,
        Judge::Withheld,
    )
    .after(&[DECRYPTED]),
    Check::should(
        "encrypted-tells-strangers-nothing",
        Source::Says("Respond before validating the change notification, even if validation later fails", RICH),
        strangers,
        Judge::Alike,
    )
    .after(&[GENUINE]),
];

fn certificate(graph: &Graph) -> Result<&Certificate, Unmade> {
    graph.certificate.as_ref().ok_or(Unmade::Skip("needs --certificate-key"))
}

fn version_2(graph: &Graph) -> Token {
    graph.identity.validation_token_v2(&graph.app_id, &graph.tenant)
}

fn version_1(graph: &Graph) -> Token {
    graph.identity.validation_token_v1(&graph.app_id, &graph.tenant)
}

/// A change whose content has a text of its own, under these tokens.
fn secret(graph: &Graph, seed: &mut Seed, tokens: &[Token]) -> Result<Sending, Unmade> {
    let tokens = tokens.iter().map(Token::sign).collect::<Result<Vec<_>, _>>()?;
    let change = graph.change(seed);
    let (message, mark) = message(seed, &change);
    let item = change.rich_with(&certificate(graph)?.encrypt(message.as_bytes())?);
    Ok(Sending::new("", graph.notifications_with(payload::changes(&[item], &tokens))).marked(mark))
}

/// The content of a change, with a text that stands nowhere else.
fn message(seed: &mut Seed, change: &Change) -> (String, Mark) {
    let text = seed.uuid().to_string();
    (change.message().replace("Hello World", &text), Mark::content(&text))
}

fn both_versions(graph: &Graph, seed: &mut Seed) -> Made {
    let version_1 = secret(graph, seed, &[version_1(graph)])?;
    let version_2 = secret(graph, seed, &[version_2(graph)])?;
    Ok(vec![Sending { label: "v1 token", ..version_1 }, Sending { label: "v2 token", ..version_2 }])
}

/// In both versions: a receiver that takes one version only would refuse the other one anyway.
fn forged(graph: &Graph, seed: &mut Seed) -> Made {
    let stranger = graph.identity.stranger()?;
    let versions = [
        (version_1(graph), stranger.validation_token_v1(&graph.app_id, &graph.tenant)),
        (version_2(graph), stranger.validation_token_v2(&graph.app_id, &graph.tenant)),
    ];
    let mut sendings = Vec::new();
    for (good, foreign) in versions {
        let tokens = [
            ("signed with a foreign key", foreign.header("kid", graph.identity.kid())),
            ("not signed", good.clone().unsigned("none")),
            ("for another application", good.clone().claim("aud", ANOTHER_PUBLISHER)),
            ("expired", good.shifted("exp", -60_000)),
        ];
        for (label, token) in tokens {
            sendings.push(Sending { label, ..secret(graph, seed, &[token])? });
        }
    }
    Ok(sendings)
}

fn another_publisher(graph: &Graph, seed: &mut Seed) -> Made {
    let tokens = [
        ("v1 token", version_1(graph).claim("appid", ANOTHER_PUBLISHER)),
        ("v2 token", version_2(graph).claim("azp", ANOTHER_PUBLISHER)),
    ];
    tokens.into_iter().map(|(label, token)| Ok(Sending { label, ..secret(graph, seed, &[token])? })).collect()
}

/// The content can be decrypted; its signature is that of another.
fn broken_signature(graph: &Graph, seed: &mut Seed) -> Made {
    let certificate = certificate(graph)?;
    [version_1(graph), version_2(graph)]
        .into_iter()
        .map(|token| {
            let change = graph.change(seed);
            let (message, mark) = message(seed, &change);
            let mut encrypted = certificate.encrypt(message.as_bytes())?;
            encrypted.data_signature = certificate.encrypt(b"another")?.data_signature;
            let body = payload::changes(&[change.rich_with(&encrypted)], &[token.sign()?]);
            Ok(Sending::new("", graph.notifications_with(body)).marked(mark))
        })
        .collect()
}

/// Whoever has the certificate can encrypt: without a token that proves Graph, the answer must not differ.
fn strangers(graph: &Graph, seed: &mut Seed) -> Made {
    let certificate = certificate(graph)?;
    let mut unknown = certificate.encrypt(b"{}")?;
    unknown.certificate_id = "../../unknown".into();
    let unknown = graph.notifications(&[graph.change(seed).rich_with(&unknown)], true)?;
    let garbage = payload::changes(&[graph.change(seed).rich(certificate)?], &["a.b.c".into()]);
    let mut sendings = vec![
        Sending { label: "genuine", ..secret(graph, seed, &[version_2(graph)])? },
        Sending { label: "no validation token", ..secret(graph, seed, &[])? },
        Sending::new("garbage token", graph.notifications_with(garbage)),
        Sending::new("unknown certificate", unknown),
    ];
    for (label, made) in
        [("another publisher", another_publisher(graph, seed)?), ("wrong signature", broken_signature(graph, seed)?)]
    {
        sendings.extend(made.into_iter().map(|sending| Sending { label, ..sending }));
    }
    Ok(sendings)
}
