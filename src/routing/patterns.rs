//! Globs and regular expressions: all of them in one pass over the text, in sets.
//!
//! A set of a thousand is one automaton. More than that in one automaton outgrows its cache and is slower than several.

use regex::{RegexSet, RegexSetBuilder};

/// The most patterns of one set.
const PER_SET: usize = 1000;
/// The most bytes that one compiled set may take.
const MAX_SET_BYTES: usize = 128 << 20;
/// The memory that a thread may use for the states it has met in one set.
const CACHE_BYTES: usize = 8 << 20;

/// Patterns, each with its route.
#[derive(Debug, Default)]
pub struct Patterns {
    sets: Vec<(RegexSet, Vec<usize>)>,
}

impl Patterns {
    /// Over these patterns, which must be anchored.
    ///
    /// # Errors
    /// One of them is wrong, or a set is too large.
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

    /// Whether there are none.
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
