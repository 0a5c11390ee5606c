//! `[[routes]]`: their conditions, and that the sinks they name are there.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::conditions::{TextMatch, client_context, resource};
use super::sinks::Sink;
use super::words;
use crate::config::section::Section;
use crate::config::value::{choice, name, switch, text};
use crate::domain::{Channel, EventChoice, RouteName, SinkName, Status};

/// The words for channels.
const CHANNELS: [(&str, Channel); 3] =
    [("calls", Channel::Calls), ("subscriptions", Channel::Subscriptions), ("lifecycle", Channel::Lifecycle)];

/// `[[routes]]`
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// The condition on the client context.
    pub client_context: Option<TextMatch>,
    /// The condition on the resource's path, without its first slash and ignoring case.
    pub resource: Option<TextMatch>,
    /// The statuses; empty: any.
    pub status: Vec<Status>,
    /// The tenants, in lower case; empty: any.
    pub tenant: Vec<String>,
    /// The resource types, compared without regard to case; empty: any.
    pub resource_type: Vec<String>,
    /// The change types, compared without regard to case; empty: any.
    pub change_type: Vec<String>,
    /// The subscriptions, compared without regard to case, GUIDs with dashes; empty: any.
    pub subscription: Vec<String>,
    /// The channels; empty: any.
    pub channel: Vec<Channel>,
    /// The events' types.
    pub kind: EventChoice,
    /// The destinations.
    pub sinks: Vec<SinkName>,
    /// Whether later routes are tried as well.
    pub continues: bool,
}

/// Reads `[[routes]]`, in the order of the file; the sinks have been read.
pub fn routes(root: &mut Section<'_>, sinks: &[Sink]) -> Vec<Route> {
    let mut names = BTreeSet::new();
    let mut routes = Vec::new();
    for mut section in root.sections("routes") {
        let route = route(&mut section);
        check_sinks(&route, sinks, &section);
        if !names.insert(route.name.clone()) && !section.report.has_mistake(&section.path_of("name")) {
            let text = format!("found {:?} again, expected another name", route.name.as_str());
            section.report.mistake(&section.path_of("name"), text);
        }
        routes.push(route);
    }
    routes
}

fn route(section: &mut Section<'_>) -> Route {
    let name = section.need("name", "a name for the route", name(64)).unwrap_or_default();
    let client_context = section.section("client_context").and_then(|mut it| client_context(&mut it));
    let resource = section.section("resource").and_then(|mut it| resource(&mut it));
    let missing = "found none, expected the names of one or more sinks, as [\"archive\"]";
    let sinks = section.need_list("sinks", missing, text());
    Route {
        name: RouteName::new(&name),
        client_context,
        resource,
        status: status(section),
        tenant: lower(section.one_or_more("tenant", self::name(256))),
        resource_type: section.one_or_more("resource_type", self::name(256)),
        change_type: words::checked(section, "change_type", words::unlike_a_change_type),
        subscription: section.one_or_more("subscription", self::name(256)).into_iter().map(with_dashes).collect(),
        channel: section.one_or_more("channel", choice(&CHANNELS)),
        kind: kind(section),
        sinks: sinks.iter().map(|name| SinkName::new(name)).collect(),
        continues: section.or("continue", false, switch()),
    }
}

fn check_sinks(route: &Route, sinks: &[Sink], section: &Section<'_>) {
    let mut seen = BTreeSet::new();
    for (index, sink) in route.sinks.iter().enumerate() {
        let key = section.path_of(&format!("sinks[{index}]"));
        // By the section: a sink whose own keys are wrong is there all the same.
        if !section.report.has(&format!("sinks.{sink}")) {
            let known: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
            let known = if known.is_empty() { "no sink is configured".into() } else { known.join(", ") };
            section.report.mistake(&key, format!("found {:?}, expected one of the sinks: {known}", sink.as_str()));
        } else if !seen.insert(sink) {
            section.report.warning(&key, format!("names {:?} twice: the sink gets only one delivery", sink.as_str()));
        }
    }
}

fn status(section: &mut Section<'_>) -> Vec<Status> {
    let texts = section.one_or_more("status", name(64));
    let statuses: Vec<Status> = texts.iter().map(|text| Status::parse(text)).collect();
    for status in statuses.iter().filter(|status| matches!(status, Status::Unknown(_))) {
        let text = format!(
            "{:?} is not a status that Graph documents (notStarted, running, completed, failed)",
            status.as_str()
        );
        section.report.warning(&section.path_of("status"), text);
    }
    statuses
}

/// `type`, and `events`, which is the same condition by the name that it has on a sink.
fn kind(section: &mut Section<'_>) -> EventChoice {
    let [by_type, by_events] = ["type", "events"].map(|key| words::checked(section, key, words::unlike_a_type));
    if section.has("type") && section.has("events") {
        section.mistake("events", "found it beside type, expected one of them: both are the same condition");
    }
    EventChoice::new(&[by_type, by_events].concat())
}

/// A GUID as Graph writes it; other text as it is.
fn with_dashes(text: String) -> String {
    Uuid::try_parse(&text).map_or(text, |id| id.hyphenated().to_string())
}

fn lower(texts: Vec<String>) -> Vec<String> {
    texts.iter().map(|text| text.to_lowercase()).collect()
}

/// What is right for each route, but may not be meant when they are looked at together.
pub fn warn(routes: &[Route], sinks: &[Sink], root: &Section<'_>) {
    let report = root.report;
    let all = routes.iter().position(|route| matches_all(route) && !route.continues);
    if let Some((all, name)) = all.and_then(|at| Some((at, &routes.get(at)?.name))) {
        for (index, route) in routes.iter().enumerate().skip(all + 1) {
            let (late, name) = (route.name.as_str(), name.as_str());
            let text = format!("route {late:?} is never reached: {name:?} before it matches everything");
            report.warning(&format!("routes[{index}]"), text);
        }
    }
    if routes.is_empty() {
        report.warning("routes", "there are no routes: notifications are stored, but not delivered");
    }
    for sink in sinks.iter().filter(|sink| !routes.iter().any(|route| route.sinks.contains(&sink.name))) {
        report.warning(&format!("sinks.{}", sink.name), "no route names this sink");
    }
}

fn matches_all(route: &Route) -> bool {
    let Route {
        client_context, resource, status, tenant, resource_type, change_type, subscription, channel, kind, ..
    } = route;
    let texts = [tenant, resource_type, change_type, subscription];
    client_context.is_none()
        && resource.is_none()
        && status.is_empty()
        && channel.is_empty()
        && kind.is_any()
        && texts.into_iter().all(Vec::is_empty)
}
