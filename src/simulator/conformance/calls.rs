//! The checks of what is sent on the calls channel, under a genuine token.

use super::hostile_bodies::{GZIPPED, ODD_TEXTS, OVERSIZE_BYTES, deeply_nested};
use super::judge::Judge;
use super::{Check, Made, one};
use crate::simulator::client::Post;
use crate::simulator::payload::{Dialect, Object, Recording, Seed, calls};
use crate::simulator::{Graph, SimulatorError};

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "calls-accepts-every-dialect",
        "Microsoft's samples, their history and captured traffic differ",
        dialects,
        Judge::Accepted,
    ),
    Check::must(
        "calls-accepts-other-resources",
        "calls, participants and prompts arrive on the same address",
        others,
        Judge::Accepted,
    ),
    Check::must("calls-accepts-repeats", "notifications are delivered at least once", repeats, Judge::Accepted),
    Check::must("calls-accepts-late-ones", "call-answer: notifications may arrive out of order", late, Judge::Accepted),
    Check::must("calls-accepts-unknown-neighbours", "commsNotification is an open type", neighbours, Judge::Accepted),
    Check::should(
        "calls-hands-back-the-skype-format",
        "calling-notifications: after 204 it is sent again in Graph's format",
        skype,
        Judge::Status(&[204]),
    ),
    Check::should(
        "calls-refuses-what-is-no-json",
        "VoiceRecorderAndPlaybackBot: 400",
        |g, _| one(body(g, "{\"value\": [")?),
        Judge::Status(&[400]),
    ),
    Check::must(
        "calls-survives-odd-text",
        "a legitimate notification must not be retried for ever",
        odd_text,
        Judge::NoServerError,
    ),
    Check::must(
        "calls-survives-deep-nesting",
        "a parser without a bound overflows its stack",
        deep,
        Judge::NoServerError,
    ),
    Check::should(
        "calls-bounds-bodies",
        "unbounded bodies exhaust memory",
        |g, _| one(body(g, vec![b' '; OVERSIZE_BYTES])?),
        Judge::StatusOrClosed(&[400, 413]),
    ),
    Check::should(
        "calls-refuses-compression",
        "Graph does not compress; a small body can unpack to a huge one",
        gzipped,
        Judge::Status(&[415, 400]),
    ),
];

fn completed(seed: &mut Seed) -> String {
    Recording::new(seed).completed()
}

/// A genuine token and this body.
fn body(graph: &Graph, body: impl Into<bytes::Bytes>) -> Result<Post, SimulatorError> {
    Ok(graph.calls_with(&format!("Bearer {}", graph.calls_token()?), body))
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
    let unknown = Object::new()
        .with("@odata.type", "#microsoft.graph.commsNotification")
        .with("changeType", "updated")
        .with("resourceUrl", "/communications/somethingNew/1")
        .raw("resourceData", r##"{"@odata.type":"#microsoft.graph.somethingNew","a":[1]}"##);
    let unknown = unknown.text();
    one(graph.calls(&[completed(seed), unknown, calls::call(seed, "terminated"), completed(seed)])?)
}

fn skype(graph: &Graph, seed: &mut Seed) -> Made {
    one(body(graph, calls::legacy_skype(seed))?)
}

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

fn gzipped(graph: &Graph, _: &mut Seed) -> Made {
    one(body(graph, GZIPPED)?.header("content-encoding", "gzip"))
}
