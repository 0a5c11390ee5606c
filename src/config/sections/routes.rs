//! `[[routes]]`: their conditions, and that the sinks they name are there.

use std::collections::BTreeSet;

use crate::config::pattern;
use crate::config::section::Section;
use crate::config::value::{choice, json, name, switch, text};
use crate::config::{Route, Sink, TextMatch};
use crate::domain::{Channel, RouteName, SinkName, Status};

/// The words for channels.
const CHANNELS: [(&str, Channel); 3] =
    [("calls", Channel::Calls), ("subscriptions", Channel::Subscriptions), ("lifecycle", Channel::Lifecycle)];

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
    let key = section.path_of("sinks");
    let sinks = section.list("sinks", text).unwrap_or_default();
    if sinks.is_empty() && !section.report.has_mistake(&key) {
        section.report.mistake(&key, "found none, expected the names of one or more sinks, as [\"archive\"]");
    }
    Route {
        name: RouteName::new(&name),
        client_context,
        resource,
        status: status(section),
        tenant: lower(section.one_or_more("tenant", self::name(256))),
        resource_type: section.one_or_more("resource_type", self::name(256)),
        change_type: section.one_or_more("change_type", self::name(256)),
        subscription: section.one_or_more("subscription", self::name(256)),
        channel: section.one_or_more("channel", choice(&CHANNELS)),
        kind: section.one_or_more("type", self::name(256)),
        sinks: sinks.iter().map(|name| SinkName::new(name)).collect(),
        continues: section.or("continue", false, switch),
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

fn lower(texts: Vec<String>) -> Vec<String> {
    texts.iter().map(|text| text.to_lowercase()).collect()
}

fn client_context(section: &mut Section<'_>) -> Option<TextMatch> {
    let plain = plain_condition(section);
    let json = json_condition(section);
    check_one(
        section,
        &["exact", "prefix", "glob", "regex", "json"],
        "one of exact, prefix, glob, regex, or json with equals",
    );
    plain.or(json)
}

/// A condition on a path: its first slash is taken off on both sides, since Graph sends it here and not there.
fn resource(section: &mut Section<'_>) -> Option<TextMatch> {
    let plain = plain_condition(section);
    check_one(section, &["exact", "prefix", "glob", "regex"], "one of exact, prefix, glob, regex");
    let bare = |path: String| path.strip_prefix('/').map(str::to_owned).unwrap_or(path);
    Some(match plain? {
        TextMatch::Exact(paths) => TextMatch::Exact(paths.into_iter().map(bare).collect()),
        TextMatch::Prefix(path) => TextMatch::Prefix(bare(path)),
        TextMatch::Glob(path) => TextMatch::Glob(bare(path)),
        TextMatch::Regex(pattern) => {
            let after_slash = pattern.strip_prefix('/');
            if after_slash.is_some_and(|rest| !rest.starts_with(['?', '*'])) {
                let text =
                    format!("{pattern:?}: a path has no slash at its start here, as \"communications/calls/.*\"");
                section.report.warning(&section.path_of("regex"), text);
            }
            TextMatch::Regex(pattern)
        }
        json @ TextMatch::Json { .. } => json,
    })
}

fn plain_condition(section: &mut Section<'_>) -> Option<TextMatch> {
    let exact = section.one_or_more("exact", text);
    let prefix = section.read("prefix", text);
    let glob = section.read("glob", text);
    let regex = section.read("regex", |node| {
        let pattern = text(node)?;
        pattern::regex(&pattern)
            .map_err(|error| format!("found {pattern:?}, expected a regular expression: {error}"))?;
        Ok(pattern)
    });
    if let Some(glob) = glob.as_ref().filter(|glob| pattern::looks_bracketed(glob)) {
        let text = format!("{glob:?}: in a glob only * and ? are special; brackets and braces are plain characters");
        section.report.warning(&section.path_of("glob"), text);
    }
    let exact = (!exact.is_empty()).then_some(TextMatch::Exact(exact));
    exact.or(prefix.map(TextMatch::Prefix)).or(glob.map(TextMatch::Glob)).or(regex.map(TextMatch::Regex))
}

/// One of the conditions must be there, and no other beside it.
fn check_one(section: &Section<'_>, keys: &[&str], expected: &str) {
    let n_given = keys.iter().filter(|key| section.report.has(&section.path_of(key))).count();
    if n_given != 1 && !section.report.has_mistake(section.path()) {
        let found = if n_given == 0 { "none" } else { "several" };
        section.report.mistake(section.path(), format!("found {found}, expected {expected}"));
    }
}

fn json_condition(section: &mut Section<'_>) -> Option<TextMatch> {
    let pointer = section.read("json", |node| {
        let pointer = text(node)?;
        let wrong =
            format!("found {pointer:?}, expected a JSON pointer (RFC 6901) as \"/team/name\", or \"\" for the whole");
        if pattern::is_pointer(&pointer) { Ok(pointer) } else { Err(wrong) }
    });
    let equals = section.read("equals", json);
    let (has_json, has_equals) =
        (section.report.has(&section.path_of("json")), section.report.has(&section.path_of("equals")));
    match (has_json, has_equals) {
        (true, false) => {
            section.report.mistake(&section.path_of("equals"), "found nothing, expected the value at the pointer")
        }
        (false, true) => section
            .report
            .mistake(&section.path_of("json"), "found nothing, expected the pointer to the value, as \"/team\""),
        _ => {}
    }
    Some(TextMatch::Json { pointer: pointer?, equals: equals? })
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
    let texts = [tenant, resource_type, change_type, subscription, kind];
    client_context.is_none()
        && resource.is_none()
        && status.is_empty()
        && channel.is_empty()
        && texts.into_iter().all(Vec::is_empty)
}
