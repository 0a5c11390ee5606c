//! The checks of what is sent on the calls channel, under a genuine token.

use super::super::check::{Check, Made, Mark, Sending, Source, one};
use super::super::judge::Judge;
use super::super::sources::{ANSWER, CALLS, METADATA, SAMPLES};
use super::hostile_bodies::{GZIPPED, ODD_TEXTS, OVERSIZE, deeply_nested, oversize};
use super::tokens::{GENUINE, genuine};
use crate::simulator::client::Post;
use crate::simulator::payload::{Dialect, Object, Recording, Seed, calls};
use crate::simulator::{Graph, SimulatorError};

const SEVERAL: &str = "calls-accepts-several-items";
const OTHERS: &str = "calls-accepts-other-resources";

/// In old samples only: nobody has seen them of late.
const OLD: &[Dialect] = &[
    Dialect::ResourceForResourceUrl,
    Dialect::CodeAsText,
    Dialect::RepeatedKey,
    Dialect::TypeWithoutHash,
    Dialect::TypeInOtherCase,
    Dialect::TypeAbsent,
    Dialect::EnumCase,
];

pub(super) const CHECKS: &[Check] = &[
    Check::must(
        "calls-accepts-every-dialect",
        Source::Shows("today's samples and captured traffic differ so", SAMPLES),
        |graph, seed| dialects(graph, seed, |dialect| !OLD.contains(dialect)),
        Judge::Accepted,
    )
    .after(&[GENUINE]),
    Check::should(
        "calls-accepts-old-dialects",
        Source::Shows("the documentation's samples were so until 2020", SAMPLES),
        old_dialects,
        Judge::Accepted,
    )
    .after(&[GENUINE]),
    Check::must(
        SEVERAL,
        Source::Shows("the value of commsNotifications is a collection", METADATA),
        several,
        Judge::Accepted,
    )
    .after(&[GENUINE]),
    Check::must(
        OTHERS,
        Source::Shows("calls, participants and prompts arrive at the same address", SAMPLES),
        others,
        Judge::Answered,
    )
    .after(&[GENUINE]),
    Check::must(
        "calls-accepts-unknown-neighbours",
        Source::Shows("commsNotification is an open type", METADATA),
        neighbours,
        Judge::Accepted,
    )
    .after(&[SEVERAL, OTHERS]),
    Check::must(
        "calls-accepts-late-ones",
        Source::Says("Call establishing/established notifications may arrive out of order", ANSWER),
        late,
        Judge::Answered,
    )
    .after(&[OTHERS]),
    Check::should(
        "calls-accepts-repeats",
        Source::Shows("the samples expect a notification several times, and drop the repeats", SAMPLES),
        repeats,
        Judge::Accepted,
    )
    .after(&[GENUINE]),
    Check::should(
        "calls-hands-back-the-skype-format",
        Source::Says("your bot must determine whether the notification is in a legacy format", CALLS),
        |graph, seed| one(body(graph, calls::legacy_skype(seed))?),
        Judge::Status(&[204]),
    )
    .after(&[GENUINE]),
    Check::advice(
        "calls-accepts-no-items",
        Source::Assumed("nobody has seen Graph send an empty collection"),
        |graph, _| one(graph.calls(&[])?),
        Judge::Answered,
    )
    .after(&[GENUINE]),
    Check::advice(
        "calls-refuses-what-is-no-json",
        Source::Shows("VoiceRecorderAndPlaybackBot answers 400", SAMPLES),
        |graph, _| one(body(graph, "{\"value\": [")?),
        Judge::Status(&[400]),
    )
    .after(&[GENUINE]),
    Check::should(
        "calls-survives-odd-text",
        Source::Assumed("JSON allows it, and a bot chooses its client context"),
        odd_text,
        Judge::NoServerError,
    )
    .after(&[GENUINE]),
    Check::should(
        "calls-bounds-bodies",
        Source::Assumed("a body without a bound exhausts memory"),
        |graph, _| one(body(graph, oversize())?),
        Judge::Bounds(OVERSIZE, &[400, 413]),
    )
    .after(&[GENUINE]),
    Check::advice(
        "calls-refuses-compression",
        Source::Assumed("no document has Graph compress; a small body can unpack to a huge one"),
        |graph, _| one(body(graph, GZIPPED)?.header("content-encoding", "gzip")),
        Judge::Status(&[415, 400]),
    )
    .after(&[GENUINE]),
    Check::should(
        "calls-survives-deep-nesting",
        Source::Assumed("a parser without a bound overflows its stack"),
        |graph, seed| Ok(vec![Sending::new("nested", body(graph, deeply_nested())?), next(graph, seed)?]),
        Judge::LastAccepted,
    )
    .after(&[GENUINE]),
];

/// A genuine token and this body.
fn body(graph: &Graph, body: impl Into<bytes::Bytes>) -> Result<Post, SimulatorError> {
    Ok(graph.calls_with(&format!("Bearer {}", graph.calls_token()?), body))
}

fn next(graph: &Graph, seed: &mut Seed) -> Result<Sending, SimulatorError> {
    Ok(Sending { label: "a genuine one after it", ..genuine(graph, seed)? })
}

/// Each alone, so that one that is not read is told from one that is not the first of its POST.
fn completed(graph: &Graph, label: &'static str, recording: &Recording) -> Result<Sending, SimulatorError> {
    let post = graph.calls(&[recording.completed()])?;
    Ok(Sending::new(label, post).marked(Mark::recording(recording).named("the completed recording")))
}

fn dialects(graph: &Graph, seed: &mut Seed, chosen: impl Fn(&Dialect) -> bool) -> Made {
    let mut sendings = Vec::new();
    for dialect in Dialect::CALLS.iter().filter(|dialect| chosen(dialect)) {
        let recording = Recording::new(seed).dialect(*dialect);
        sendings.push(completed(graph, dialect.as_str(), &recording)?);
        let failed = Recording::new(seed).dialect(*dialect);
        let post = graph.calls(&[failed.failed()])?;
        sendings
            .push(Sending::new(dialect.as_str(), post).marked(Mark::recording(&failed).named("the failed recording")));
    }
    Ok(sendings)
}

fn old_dialects(graph: &Graph, seed: &mut Seed) -> Made {
    let mut sendings = dialects(graph, seed, |dialect| OLD.contains(dialect))?;
    let recording = Recording::new(seed);
    let mark = Mark::recording(&recording).named("the running recording");
    sendings.push(Sending::new("running", graph.calls(&[recording.running()])?).marked(mark));
    Ok(sendings)
}

fn several(graph: &Graph, seed: &mut Seed) -> Made {
    let recordings = [(); 3].map(|()| Recording::new(seed));
    let post = graph.calls(&recordings.each_ref().map(Recording::completed))?;
    let names = ["the first of 3 recordings", "the second of 3 recordings", "the third of 3 recordings"];
    let marks = recordings.iter().zip(names).map(|(recording, name)| Mark::recording(recording).named(name)).collect();
    Ok(vec![Sending { label: "", post, marks }])
}

fn others(graph: &Graph, seed: &mut Seed) -> Made {
    Ok(vec![
        Sending::new("call", graph.calls(&[calls::call(seed, "incoming")])?),
        Sending::new("participants", graph.calls(&[calls::participants(seed)])?),
        Sending::new("prompt", graph.calls(&[calls::prompt(seed)])?),
    ])
}

fn repeats(graph: &Graph, seed: &mut Seed) -> Made {
    let recording = Recording::new(seed);
    let first = completed(graph, "first", &recording)?;
    let again = Sending::new("again", first.post.clone());
    Ok(vec![first, again])
}

fn late(graph: &Graph, seed: &mut Seed) -> Made {
    let call = seed.uuid();
    let in_state = |state| graph.calls(&[calls::call_of(call, state)]);
    Ok(vec![
        Sending::new("established", in_state("established")?),
        Sending::new("establishing", in_state("establishing")?),
    ])
}

fn neighbours(graph: &Graph, seed: &mut Seed) -> Made {
    let unknown = Object::new()
        .with("@odata.type", "#microsoft.graph.commsNotification")
        .with("changeType", "updated")
        .with("resourceUrl", "/communications/somethingNew/1")
        .raw("resourceData", r##"{"@odata.type":"#microsoft.graph.somethingNew","a":[1]}"##);
    let (before, after) = (Recording::new(seed), Recording::new(seed));
    let items = [before.completed(), unknown.text(), calls::call(seed, "terminated"), after.completed()];
    let before = Mark::recording(&before).named("the recording before the unknown item");
    let after = Mark::recording(&after).named("the recording after the unknown item");
    Ok(vec![Sending::new("", graph.calls(&items)?).marked(before).marked(after)])
}

fn odd_text(graph: &Graph, seed: &mut Seed) -> Made {
    let one = |(label, text): (&'static str, &str)| {
        let item = Recording::new(seed).client_context("HERE").completed().replace("HERE", text);
        Ok(Sending::new(label, graph.calls(&[item])?))
    };
    ODD_TEXTS.into_iter().map(one).collect()
}
