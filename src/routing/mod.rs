//! Client context to routes: which deliveries a notification asks for. What no route matches asks for none; it is kept
//! by the store.
//!
//! Routes are tried in the order of the config, and the first that matches wins unless it says `continue`. They are not
//! tried one by one: an index finds those whose client context can match, and only these are looked at in order.
//!
//! **Invariants**
//! 1. The answer is that of trying every route in order (a property test holds it to that).
//! 2. A lookup costs the same with 10 exact contexts as with 100,000, and is linear in the client context's length.
//! 3. A sink gets one delivery at most; the first route that names it wins.

mod index;
mod json;
mod patterns;
mod prefixes;

use std::collections::BTreeMap;

use regex::Regex;

use self::index::Index;
use crate::config::{ClientContextMatch, Route, pattern};
use crate::domain::{NewDelivery, RouteName, RoutingKey, SinkName, Status};

/// The routes of a config, ready to be asked.
#[derive(Debug)]
pub struct Routes {
    index: Index,
    rules: Vec<Rule>,
}

/// Why routes cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// A pattern is wrong.
    #[error("routes[{index}].client_context: route {name:?}: found {pattern:?}, expected a pattern: {error}")]
    Pattern {
        /// The route, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        error: String,
    },
    /// Together the patterns are too large.
    #[error(
        "routes: found patterns that are too large together ({0}), expected fewer or simpler ones; exact and prefix cost next to nothing"
    )]
    TooLarge(String),
}

/// What is left of a route once its client context has matched.
#[derive(Debug)]
struct Rule {
    name: RouteName,
    sinks: Vec<SinkName>,
    status: Vec<Status>,
    tenant: Vec<String>,
    resource_type: Vec<String>,
    continues: bool,
    /// Only where it has named groups.
    captures: Option<Regex>,
}

impl Routes {
    /// Builds the index over `routes`.
    ///
    /// # Errors
    /// A pattern is wrong, or all of them together are too large.
    pub fn new(routes: &[Route]) -> Result<Self, RoutesError> {
        let rules = routes.iter().enumerate().map(|(index, route)| Rule::new(index, route));
        let rules = rules.collect::<Result<Vec<Rule>, RoutesError>>()?;
        let conditions: Vec<_> = routes.iter().map(|route| route.client_context.as_ref()).collect();
        let index = Index::new(&conditions).map_err(|error| RoutesError::TooLarge(error.to_string()))?;
        Ok(Self { index, rules })
    }

    /// The deliveries that a notification asks for; none where no route matches.
    pub fn matches(&self, key: &RoutingKey<'_>) -> Vec<NewDelivery> {
        let mut deliveries = Vec::new();
        self.index.candidates(key.client_context, |candidate| {
            let Some(rule) = self.rules.get(candidate).filter(|rule| rule.admits(key)) else { return true };
            rule.deliver(key.client_context, &mut deliveries);
            rule.continues
        });
        deliveries
    }
}

impl Rule {
    fn new(index: usize, route: &Route) -> Result<Self, RoutesError> {
        let captures = match &route.client_context {
            Some(ClientContextMatch::Regex(pattern)) => {
                let regex = pattern::regex(pattern).map_err(|error| RoutesError::Pattern {
                    index,
                    name: route.name.as_str().to_owned(),
                    pattern: pattern.clone(),
                    error,
                })?;
                Some(regex).filter(|regex| regex.capture_names().flatten().next().is_some())
            }
            _ => None,
        };
        Ok(Self {
            name: route.name.clone(),
            sinks: route.sinks.clone(),
            status: route.status.clone(),
            tenant: route.tenant.clone(),
            resource_type: route.resource_type.clone(),
            continues: route.continues,
            captures,
        })
    }

    /// Whether the conditions beside the client context hold.
    fn admits(&self, key: &RoutingKey<'_>) -> bool {
        let is_one = |wanted: &[String], found: &str| wanted.iter().any(|it| it.eq_ignore_ascii_case(found));
        let has_status = |found: &Status| self.status.iter().any(|it| it.as_str().eq_ignore_ascii_case(found.as_str()));
        (self.status.is_empty() || key.status.is_some_and(has_status))
            && (self.tenant.is_empty() || key.tenant_id.is_some_and(|found| is_one(&self.tenant, found)))
            && (self.resource_type.is_empty() || is_one(&self.resource_type, key.resource_type))
    }

    fn deliver(&self, client_context: Option<&str>, deliveries: &mut Vec<NewDelivery>) {
        let mut captures = None;
        for sink in &self.sinks {
            if deliveries.iter().any(|delivery| delivery.sink == *sink) {
                continue;
            }
            let captures = captures.get_or_insert_with(|| self.captured(client_context)).clone();
            deliveries.push(NewDelivery { sink: sink.clone(), route: self.name.clone(), captures });
        }
    }

    fn captured(&self, client_context: Option<&str>) -> BTreeMap<String, String> {
        let (Some(regex), Some(text)) = (&self.captures, client_context) else { return BTreeMap::new() };
        let Some(found) = regex.captures(text) else { return BTreeMap::new() };
        let named = regex.capture_names().flatten();
        named.filter_map(|name| Some((name.to_owned(), found.name(name)?.as_str().to_owned()))).collect()
    }
}

#[cfg(test)]
mod tests;
