//! The index: from a client context to the routes whose condition on it holds, in the order of the config.

use std::collections::HashMap;

use super::json::JsonValues;
use super::patterns::Patterns;
use super::prefixes::Prefixes;
use crate::config::{ClientContextMatch, pattern};

/// Finds the routes whose condition on the client context holds. Routes are numbered by their place in the config.
#[derive(Debug)]
pub struct Index {
    exact: HashMap<Box<str>, Vec<usize>>,
    prefixes: Prefixes,
    patterns: Patterns,
    json: JsonValues,
    /// The routes without a condition on it.
    any: Vec<usize>,
}

impl Index {
    /// Over the conditions of all routes, in order.
    ///
    /// # Errors
    /// The patterns are wrong or too large together.
    pub fn new(conditions: &[Option<&ClientContextMatch>]) -> Result<Self, regex::Error> {
        let mut exact: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        let (mut prefixes, mut patterns, mut any) = (Vec::new(), Vec::new(), Vec::new());
        let mut json = JsonValues::default();
        for (route, condition) in conditions.iter().enumerate() {
            match condition {
                None => any.push(route),
                Some(ClientContextMatch::Exact(values)) => {
                    for value in values {
                        exact.entry(value.as_str().into()).or_default().push(route);
                    }
                }
                Some(ClientContextMatch::Prefix(prefix)) => prefixes.push((prefix.as_str(), route)),
                Some(ClientContextMatch::Glob(glob)) => patterns.push((pattern::glob(glob), route)),
                Some(ClientContextMatch::Regex(regex)) => patterns.push((pattern::anchored(regex), route)),
                Some(ClientContextMatch::Json { pointer, equals }) => json.add(pointer, equals, route),
            }
        }
        for routes in exact.values_mut() {
            routes.dedup();
        }
        Ok(Self { exact, prefixes: Prefixes::new(prefixes), patterns: Patterns::new(patterns)?, json, any })
    }

    /// Calls `visit` with each route whose condition holds, in order, until it returns `false`.
    pub fn candidates(&self, client_context: Option<&str>, mut visit: impl FnMut(usize) -> bool) {
        let mut exact: &[usize] = &[];
        // Stays without memory where no route looks further than at exact values.
        let mut found = Vec::new();
        if let Some(text) = client_context {
            exact = self.exact.get(text).map_or(exact, Vec::as_slice);
            self.prefixes.find(text, &mut found);
            self.patterns.find(text, &mut found);
            self.json.find(text, &mut found);
            found.sort_unstable();
        }
        let mut sources = [exact, found.as_slice(), self.any.as_slice()];
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
