//! One route: the conditions that the index has not checked, and its deliveries.

use std::collections::BTreeMap;

use regex::Regex;
use uuid::Uuid;

use super::RoutesError;
use super::index::{ResourcePath, in_any_case};
use crate::config::{Route, TextMatch, pattern};
use crate::domain::{Channel, EventChoice, EventKind, NewDelivery, RouteName, RoutingKey, SinkName, Status};

/// A route, without the condition that the index has checked.
#[derive(Debug)]
pub struct Rule {
    name: RouteName,
    sinks: Vec<SinkName>,
    /// The condition on the path, if the index found the route by its client context.
    resource: Option<PathCondition>,
    status: Vec<Status>,
    tenant: Vec<String>,
    resource_type: Vec<String>,
    change_type: Vec<String>,
    subscription: Vec<String>,
    channel: Vec<Channel>,
    kind: EventChoice,
    continues: bool,
    captures: Captures,
}

/// The named groups of its patterns, if there are any.
#[derive(Debug)]
struct Captures {
    client_context: Option<Regex>,
    resource: Option<Regex>,
}

/// A condition on a path in lower case.
#[derive(Debug)]
enum PathCondition {
    Exact(Vec<String>),
    Prefix(String),
    Pattern(Regex),
}

impl Rule {
    /// Builds a route from its place in the config.
    ///
    /// # Errors
    /// One of its patterns is wrong.
    pub fn new(index: usize, route: &Route) -> Result<Self, RoutesError> {
        let wrong = |key, pattern: &str, error| RoutesError::Pattern {
            index,
            key,
            name: route.name.as_str().to_owned(),
            pattern: pattern.to_owned(),
            error,
        };
        let client_context =
            regex(route.client_context.as_ref()).map_err(|(pattern, error)| wrong("client_context", pattern, error))?;
        let resource = route.resource.as_ref().map(in_any_case);
        let by_path = regex(resource.as_ref()).map_err(|(pattern, error)| wrong("resource", pattern, error))?;
        let condition = match resource.filter(|_| route.client_context.is_some()) {
            Some(TextMatch::Exact(paths)) => Some(PathCondition::Exact(paths)),
            Some(TextMatch::Prefix(path)) => Some(PathCondition::Prefix(path)),
            _ => by_path.clone().filter(|_| route.client_context.is_some()).map(PathCondition::Pattern),
        };
        Ok(Self {
            name: route.name.clone(),
            sinks: route.sinks.clone(),
            resource: condition,
            status: route.status.clone(),
            tenant: route.tenant.clone(),
            resource_type: route.resource_type.clone(),
            change_type: route.change_type.clone(),
            subscription: route.subscription.clone(),
            channel: route.channel.clone(),
            kind: route.kind.clone(),
            continues: route.continues,
            captures: Captures { client_context: with_names(client_context), resource: with_names(by_path) },
        })
    }

    /// Whether later routes are tried as well.
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// Whether it needs the path, for a condition or for captures.
    pub fn looks_at_resource(&self) -> bool {
        self.resource.is_some() || self.captures.resource.is_some()
    }

    /// Whether the conditions match that the index has not checked.
    pub fn admits(&self, key: &RoutingKey<'_>, resource: Option<&ResourcePath<'_>>) -> bool {
        let has = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|it| it.eq_ignore_ascii_case(found)))
        };
        let has_status = |found: &Status| self.status.iter().any(|it| it.as_str().eq_ignore_ascii_case(found.as_str()));
        (self.status.is_empty() || key.status.is_some_and(has_status))
            && has(&self.tenant, key.tenant_id)
            && has(&self.resource_type, Some(key.resource_type))
            && has(&self.change_type, key.change_type)
            && (self.subscription.is_empty() || key.subscription_id.is_some_and(|found| self.has_subscription(found)))
            && (self.channel.is_empty() || self.channel.contains(&key.channel))
            && self.has_kind(key.kind)
            && self.resource.as_ref().is_none_or(|condition| resource.is_some_and(|path| condition.holds(path)))
    }

    /// Events about reelhook itself must be named: a route that is for everything Graph sends does not get them.
    fn has_kind(&self, kind: EventKind<'_>) -> bool {
        match kind {
            EventKind::Operator(event) => self.kind.names(event),
            kind => self.kind.admits(kind),
        }
    }

    /// Graph and the config write GUIDs with dashes. One without dashes is the same id.
    fn has_subscription(&self, found: &str) -> bool {
        let has = |found: &str| self.subscription.iter().any(|it| it.eq_ignore_ascii_case(found));
        has(found)
            || Uuid::try_parse(found).is_ok_and(|id| has(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())))
    }

    /// Adds a delivery to each of its sinks that has none yet.
    pub fn deliver(
        &self,
        client_context: Option<&str>,
        resource: Option<&ResourcePath<'_>>,
        deliveries: &mut Vec<NewDelivery>,
    ) {
        let mut captures = None;
        for sink in &self.sinks {
            if deliveries.iter().any(|delivery| delivery.sink == *sink) {
                continue;
            }
            let captures = captures.get_or_insert_with(|| self.captures.of(client_context, resource)).clone();
            deliveries.push(NewDelivery { sink: sink.clone(), route: self.name.clone(), captures });
        }
    }
}

impl Captures {
    /// The captures. If both patterns have a name, the client context's capture counts.
    fn of(&self, client_context: Option<&str>, resource: Option<&ResourcePath<'_>>) -> BTreeMap<String, String> {
        let mut captured = BTreeMap::new();
        let texts = [(&self.resource, resource.map(|path| path.spelt)), (&self.client_context, client_context)];
        for (regex, text) in texts {
            let (Some(regex), Some(text)) = (regex, text) else { continue };
            let Some(found) = regex.captures(text) else { continue };
            let named = regex.capture_names().flatten();
            captured.extend(named.filter_map(|name| Some((name.to_owned(), found.name(name)?.as_str().to_owned()))));
        }
        captured
    }
}

impl PathCondition {
    fn holds(&self, path: &ResourcePath<'_>) -> bool {
        match self {
            Self::Exact(paths) => paths.contains(&path.lower),
            Self::Prefix(prefix) => path.lower.starts_with(prefix.as_str()),
            Self::Pattern(regex) => regex.is_match(path.spelt),
        }
    }
}

/// The regular expression of a condition, if it has one.
fn regex(condition: Option<&TextMatch>) -> Result<Option<Regex>, (&str, String)> {
    match condition {
        Some(TextMatch::Regex(pattern)) => pattern::regex(pattern).map(Some).map_err(|error| (pattern.as_str(), error)),
        _ => Ok(None),
    }
}

fn with_names(regex: Option<Regex>) -> Option<Regex> {
    regex.filter(|regex| regex.capture_names().flatten().next().is_some())
}
