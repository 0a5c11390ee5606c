//! The index: finds the routes that may match a client context and a path, in the order of the config.
//!
//! A route is found by its condition on the client context, or else by its condition on the path, or else always. So a
//! route is found as fast among a hundred thousand as among ten. If a route has both conditions, the first finds it,
//! and the second is checked afterwards.

use std::collections::HashMap;

use super::json::JsonValues;
use super::patterns::Patterns;
use super::prefixes::Prefixes;
use crate::config::{Route, TextMatch, pattern};

/// Finds the routes whose first condition holds. Routes are numbered by their place in the config.
#[derive(Debug)]
pub struct Index {
    client_contexts: Texts,
    resources: Texts,
    /// The routes without a condition on either.
    any: Vec<usize>,
}

/// Conditions on one text.
#[derive(Debug, Default)]
struct Texts {
    exact: HashMap<Box<str>, Vec<usize>>,
    prefixes: Prefixes,
    patterns: Patterns,
    json: JsonValues,
}

/// The path of a resource, prepared for comparison with conditions.
#[derive(Debug)]
pub struct ResourcePath<'a> {
    /// As Graph spelled it, without the first slash. Patterns are compared with this, and captures are parts of it.
    pub spelt: &'a str,
    /// In lower case.
    pub lower: String,
}

impl<'a> ResourcePath<'a> {
    /// Prepares a path from Graph or from the config.
    pub fn of(path: &'a str) -> Self {
        let spelt = path.strip_prefix('/').unwrap_or(path);
        Self { spelt, lower: spelt.to_ascii_lowercase() }
    }
}

impl Index {
    /// Builds the index over the conditions of all routes, in order.
    ///
    /// # Errors
    /// A pattern is wrong, or the patterns are too large together.
    pub fn new(routes: &[Route]) -> Result<Self, regex::Error> {
        let (mut client_contexts, mut resources, mut any) = (Conditions::default(), Conditions::default(), Vec::new());
        for (number, route) in routes.iter().enumerate() {
            match (&route.client_context, &route.resource) {
                (Some(condition), _) => client_contexts.add(condition.clone(), number),
                (None, Some(condition)) => resources.add(in_any_case(condition), number),
                (None, None) => any.push(number),
            }
        }
        Ok(Self { client_contexts: client_contexts.into_texts()?, resources: resources.into_texts()?, any })
    }

    /// Whether any route is found by its condition on the path.
    pub fn looks_at_resources(&self) -> bool {
        !self.resources.is_empty()
    }

    /// Calls `visit` with each route whose first condition holds, in order, until it returns `false`.
    pub fn candidates(
        &self,
        client_context: Option<&str>,
        resource: Option<&ResourcePath<'_>>,
        mut visit: impl FnMut(usize) -> bool,
    ) {
        // These stay empty and use no memory if all conditions are exact values.
        let (mut by_context, mut by_resource) = (Vec::new(), Vec::new());
        let contexts = client_context.map(|text| self.client_contexts.find(text, text, &mut by_context));
        let resources = resource.map(|path| self.resources.find(&path.lower, path.spelt, &mut by_resource));
        let mut sources = [
            contexts.unwrap_or_default(),
            by_context.as_slice(),
            resources.unwrap_or_default(),
            by_resource.as_slice(),
            self.any.as_slice(),
        ];
        while let Some((first, rest)) = sources
            .iter_mut()
            .filter_map(|source| source.split_first().map(|(first, _)| (*first, source)))
            .min_by_key(|(first, _)| *first)
        {
            *rest = rest.get(1..).unwrap_or_default();
            if !visit(first) {
                return;
            }
        }
    }
}

impl Texts {
    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty() && self.patterns.is_empty()
    }

    /// Adds the routes with the exact value `text` to `found`, and those with another condition that matches. Patterns
    /// are compared with the second spelling.
    fn find(&self, text: &str, spelt: &str, found: &mut Vec<usize>) -> &[usize] {
        self.prefixes.find(text, found);
        self.patterns.find(spelt, found);
        self.json.find(text, found);
        found.sort_unstable();
        self.exact.get(text).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A condition on a path, without regard to case.
pub fn in_any_case(condition: &TextMatch) -> TextMatch {
    match condition {
        TextMatch::Exact(paths) => TextMatch::Exact(paths.iter().map(|path| ResourcePath::of(path).lower).collect()),
        TextMatch::Prefix(path) => TextMatch::Prefix(ResourcePath::of(path).lower),
        TextMatch::Glob(path) => TextMatch::Regex(format!("(?i){}", pattern::glob(ResourcePath::of(path).spelt))),
        TextMatch::Regex(regex) => TextMatch::Regex(format!("(?i:{regex})")),
        TextMatch::Json { .. } => condition.clone(),
    }
}

/// Conditions that are being collected.
#[derive(Default)]
struct Conditions {
    exact: HashMap<Box<str>, Vec<usize>>,
    prefixes: Vec<(String, usize)>,
    patterns: Vec<(String, usize)>,
    json: JsonValues,
}

impl Conditions {
    fn add(&mut self, condition: TextMatch, route: usize) {
        match condition {
            TextMatch::Exact(values) => {
                for value in values {
                    self.exact.entry(value.into()).or_default().push(route);
                }
            }
            TextMatch::Prefix(prefix) => self.prefixes.push((prefix, route)),
            TextMatch::Glob(glob) => self.patterns.push((pattern::glob(&glob), route)),
            TextMatch::Regex(regex) => self.patterns.push((pattern::anchored(&regex), route)),
            TextMatch::Json { pointer, equals } => self.json.add(&pointer, &equals, route),
        }
    }

    fn into_texts(self) -> Result<Texts, regex::Error> {
        let Self { mut exact, prefixes, patterns, json } = self;
        for routes in exact.values_mut() {
            routes.dedup();
        }
        let prefixes = prefixes.iter().map(|(prefix, route)| (prefix.as_str(), *route)).collect();
        Ok(Texts { exact, prefixes: Prefixes::new(prefixes), patterns: Patterns::new(patterns)?, json })
    }
}
