//! Globs and regular expressions, combined in sets: one pass over the text checks a whole set.
//!
//! A set has at most a thousand patterns in one automaton. With more, the automaton outgrows its cache, and several are
//! faster.

use regex::{RegexSet, RegexSetBuilder};

/// The most patterns of one set.
const PER_SET: usize = 1000;
/// The most bytes that one compiled set may take.
const MAX_SET_BYTES: usize = 128 << 20;
/// The memory that a thread may use to cache the states of one set.
const CACHE_BYTES: usize = 8 << 20;

/// Patterns, each with its route.
#[derive(Debug, Default)]
pub struct Patterns {
    sets: Vec<(RegexSet, Vec<usize>)>,
}

impl Patterns {
    /// Combines these patterns, which must be anchored.
    ///
    /// # Errors
    /// A pattern is wrong, or a set is too large.
    pub fn new(patterns: Vec<(String, usize)>) -> Result<Self, regex::Error> {
        let sets = patterns.chunks(PER_SET).map(|chunk| {
            let set = RegexSetBuilder::new(chunk.iter().map(|(pattern, _)| pattern))
                .size_limit(MAX_SET_BYTES)
                .dfa_size_limit(CACHE_BYTES)
                .build()?;
            Ok((set, chunk.iter().map(|(_, route)| *route).collect()))
        });
        Ok(Self { sets: sets.collect::<Result<_, regex::Error>>()? })
    }

    /// Whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Adds the routes of every pattern that `text` matches to `found`.
    pub fn find(&self, text: &str, found: &mut Vec<usize>) {
        for (set, routes) in &self.sets {
            found.extend(set.matches(text).iter().filter_map(|at| routes.get(at)));
        }
    }
}
