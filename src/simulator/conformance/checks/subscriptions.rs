//! The checks of change and lifecycle notifications without encrypted content.

use super::super::check::{Check, Made, Mark, Need, Sending, Source, Unmade, one};
use super::super::judge::Judge;
use super::super::sources::{CHANGE, DELIVERY, LIFECYCLE, RICH};
use super::DELIVERS_CHANGES;
use super::handshake::{AT_LIFECYCLE, ECHO};
use super::hostile_bodies::{GZIPPED, ODD_TEXTS, OVERSIZE, deeply_nested, oversize};
use crate::simulator::payload::{Change, Dialect, Seed, change};
use crate::simulator::{Graph, SimulatorError};

pub(super) const CHANGES: &str = "notifications-accepts-changes";
const MIXED: &str = "notifications-accepts-mixed-posts";
const EVENTS: &str = "lifecycle-accepts-every-event";
const RETRIED: Source =
    Source::Says("receives a 2xx class code from your endpoint, the notification is considered sent", DELIVERY);
/// Another tenant of the same application.
const OTHER_TENANT: &str = "9f4ebab6-520d-49c0-85cc-7b25c78d4a93";
/// Not seen in today's documentation.
const OLD: &[Dialect] = &[Dialect::TypeWithoutHash, Dialect::OrganizationId];

pub(super) const CHECKS: &[Check] = &[
    Check::must(CHANGES, RETRIED, |graph, seed| Ok(vec![genuine(graph, seed)?]), Judge::Answered)
        .after(&[ECHO])
        .entry(),
    Check::must(
        DELIVERS_CHANGES,
        Source::Says("If the notification isn't processed or queued, return a 5xx class code", DELIVERY),
        |graph, seed| Ok(vec![genuine(graph, seed)?]),
        Judge::Delivered,
    )
    // Without one no change is genuine, so a careful receiver delivers none.
    .needs(&[Need::ClientState])
    .after(&[CHANGES])
    .with(super::DELIVERS_RECORDINGS)
    .delivery(),
    Check::must(
        "notifications-refuses-another-client-state",
        Source::Says("If there's a mismatch, don't consider the change notification as valid", DELIVERY),
        |graph, seed| Ok(strangers(graph, seed)?.into_iter().skip(1).collect()),
        Judge::Withheld,
    )
    .after(&[DELIVERS_CHANGES])
    .guard(),
    Check::should(
        "notifications-tells-strangers-nothing",
        Source::Says(
            "it also prevents any potential rogue actors from finding out if they passed or failed validation",
            RICH,
        ),
        strangers,
        Judge::Alike,
    )
    .needs(&[Need::ClientState])
    .after(&[CHANGES]),
    Check::must(
        MIXED,
        Source::Says(
            "multiple notifications that correspond to different subscriptions in the same POST request",
            DELIVERY,
        ),
        mixed,
        Judge::Accepted,
    )
    .after(&[CHANGES]),
    Check::must(
        "notifications-accepts-every-dialect",
        Source::Shows("the samples of its resources differ so", CHANGE),
        |graph, seed| dialects(graph, seed, |dialect| !OLD.contains(dialect)),
        Judge::Accepted,
    )
    .after(&[CHANGES]),
    Check::should(
        "notifications-accepts-old-dialects",
        Source::Assumed("lifecycle notifications and calls were seen so"),
        |graph, seed| dialects(graph, seed, |dialect| OLD.contains(dialect)),
        Judge::Accepted,
    )
    .after(&[CHANGES]),
    Check::should(
        "notifications-accepts-repeats",
        Source::Says("Notifications that fail to deliver are retried", DELIVERY),
        repeats,
        Judge::Accepted,
    )
    .after(&[CHANGES]),
    Check::advice(
        "notifications-judges-items-alone",
        Source::Assumed("one item that is not read must not cost its neighbours"),
        judged_alone,
        Judge::Accepted,
    )
    .after(&[MIXED]),
    Check::advice(
        "notifications-accepts-no-items",
        Source::Assumed("nobody has seen Graph send an empty collection"),
        |graph, _| one(graph.notifications(&[], false)?),
        Judge::Answered,
    )
    .after(&[CHANGES]),
    Check::must(
        EVENTS,
        Source::Says(
            "Acknowledge receipt of the lifecycle notification by responding to the POST call with 202",
            LIFECYCLE,
        ),
        |graph, seed| lifecycle(graph, seed, &change::LIFECYCLE_EVENTS),
        Judge::Answered,
    )
    .after(&[ECHO, AT_LIFECYCLE]),
    Check::must(
        "lifecycle-accepts-old-spelling",
        Source::Shows(
            "captured: organizationId for tenantId",
            "https://github.com/microsoftgraph/microsoft-graph-docs/issues/21675",
        ),
        |graph, seed| {
            let change = graph.change(seed).dialect(Dialect::OrganizationId);
            one(graph.lifecycle(&[change.lifecycle("reauthorizationRequired")]))
        },
        Judge::Answered,
    )
    .after(&[EVENTS]),
    Check::should(
        "lifecycle-accepts-new-events",
        Source::Assumed("Microsoft adds events; one that is refused is sent again for hours"),
        |graph, seed| lifecycle(graph, seed, &["somethingNew"]),
        Judge::Answered,
    )
    .after(&[EVENTS]),
    Check::advice(
        "lifecycle-at-the-notification-url",
        Source::Assumed("where both URLs are one, one POST may have changes and lifecycle events"),
        at_notifications,
        Judge::Accepted,
    )
    .after(&[EVENTS, MIXED]),
    Check::advice(
        "notifications-survives-what-is-no-json",
        Source::Assumed("anybody can post; a 5xx looks like a fault of the receiver"),
        |graph, _| one(graph.notifications_with("{\"value\": [")),
        Judge::NoServerError,
    )
    .after(&[CHANGES]),
    Check::should(
        "notifications-survives-odd-text",
        Source::Assumed("JSON allows it; a notification that is answered 5xx is sent again for hours"),
        odd_text,
        Judge::NoServerError,
    )
    .after(&[CHANGES])
    .with("calls-survives-odd-text"),
    Check::should(
        "notifications-bounds-bodies",
        Source::Assumed("a body without a bound exhausts memory"),
        |graph, _| one(graph.notifications_with(oversize())),
        Judge::Bounds(OVERSIZE, &[400, 413]),
    )
    .after(&[CHANGES])
    .with("calls-bounds-bodies"),
    Check::advice(
        "notifications-refuses-compression",
        Source::Assumed("no document has Graph compress; a small body can unpack to a huge one"),
        |graph, _| one(graph.notifications_with(GZIPPED).header("content-encoding", "gzip")),
        Judge::Status(&[415, 400]),
    )
    .after(&[CHANGES])
    .with("calls-refuses-compression"),
    Check::should(
        "notifications-survives-deep-nesting",
        Source::Assumed("a parser without a bound overflows its stack, and anybody can post"),
        |graph, seed| {
            let next = Sending { label: "a genuine one after it", ..genuine(graph, seed)? };
            Ok(vec![Sending::new("nested", graph.notifications_with(deeply_nested())), next])
        },
        Judge::LastAccepted,
    )
    .after(&[CHANGES])
    .with("calls-survives-deep-nesting"),
];

fn genuine(graph: &Graph, seed: &mut Seed) -> Result<Sending, SimulatorError> {
    basic(graph, "", &graph.change(seed))
}

fn basic(graph: &Graph, label: &'static str, change: &Change) -> Result<Sending, SimulatorError> {
    let post = graph.notifications(&[change.basic()], false)?;
    Ok(Sending::new(label, post).marked(Mark::change(change)))
}

/// Genuine, with another client state, without one.
fn strangers(graph: &Graph, seed: &mut Seed) -> Made {
    let wrong = Change::new(seed, &graph.tenant, Some("not the client state"));
    let absent = Change::new(seed, &graph.tenant, None);
    Ok(vec![
        basic(graph, "genuine", &graph.change(seed))?,
        basic(graph, "wrong clientState", &wrong)?,
        basic(graph, "no clientState", &absent)?,
    ])
}

/// Of three subscriptions, and of two tenants that use the same application.
fn mixed(graph: &Graph, seed: &mut Seed) -> Made {
    let other_tenant = Change::new(seed, OTHER_TENANT, graph.client_state.as_deref());
    let changes = [graph.change(seed), other_tenant, graph.change(seed)];
    let post = graph.notifications(&changes.each_ref().map(Change::basic), false)?;
    let names = ["the first of 3 changes", "the second of 3 changes, of another tenant", "the third of 3 changes"];
    let marks = changes.iter().zip(names).map(|(change, name)| Mark::change(change).named(name)).collect();
    Ok(vec![Sending { label: "", post, marks }])
}

fn judged_alone(graph: &Graph, seed: &mut Seed) -> Made {
    let (before, after) = (graph.change(seed), graph.change(seed));
    let post = graph.notifications(&[before.basic(), "7".into(), after.basic()], false)?;
    let before = Mark::change(&before).named("the change before the item that cannot be read");
    let after = Mark::change(&after).named("the change after the item that cannot be read");
    Ok(vec![Sending::new("", post).marked(before).marked(after)])
}

fn dialects(graph: &Graph, seed: &mut Seed, chosen: impl Fn(&Dialect) -> bool) -> Made {
    let chosen = Dialect::SUBSCRIPTIONS.iter().filter(|dialect| chosen(dialect));
    chosen.map(|dialect| Ok(basic(graph, dialect.as_str(), &graph.change(seed).dialect(*dialect))?)).collect()
}

fn repeats(graph: &Graph, seed: &mut Seed) -> Made {
    let first = Sending { label: "first", ..genuine(graph, seed)? };
    let again = Sending::new("again", first.post.clone());
    Ok(vec![first, again])
}

fn lifecycle(graph: &Graph, seed: &mut Seed, events: &[&'static str]) -> Made {
    let one = |event: &&'static str| Sending::new(event, graph.lifecycle(&[graph.change(seed).lifecycle(event)]));
    Ok(events.iter().map(one).collect())
}

fn at_notifications(graph: &Graph, seed: &mut Seed) -> Made {
    if graph.paths.lifecycle != graph.paths.notifications {
        return Err(Unmade::Skip("the lifecycle URL is another"));
    }
    let change = graph.change(seed);
    let items = [change.basic(), graph.change(seed).lifecycle("missed")];
    let mark = Mark::change(&change).named("the change beside the lifecycle event");
    Ok(vec![Sending::new("", graph.notifications(&items, false)?).marked(mark)])
}

fn odd_text(graph: &Graph, seed: &mut Seed) -> Made {
    let one = |(label, text): (&'static str, &str)| {
        let mut change = graph.change(seed);
        change.resource_id = "HERE".into();
        let post = graph.notifications(&[change.basic().replace("HERE", text)], false)?;
        Ok(Sending::new(label, post))
    };
    ODD_TEXTS.into_iter().map(one).collect()
}
