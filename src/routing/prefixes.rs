//! Finds every prefix of a text in a set: one binary search, then from each prefix to the next shorter one.
//!
//! This finds all of them. Let `last` be the greatest entry that does not sort after the text. An entry that is a
//! prefix of the text does not sort after it either, and everything between the two begins with that entry. So the
//! entry is a prefix of `last`, or `last` itself.

/// A set of prefixes, each with its routes.
#[derive(Debug, Default)]
pub struct Prefixes {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    prefix: Box<str>,
    routes: Vec<usize>,
    /// The longest other entry that is a prefix of this one.
    shorter: Option<usize>,
}

impl Prefixes {
    /// Builds the set from these prefixes.
    pub fn new(mut prefixes: Vec<(&str, usize)>) -> Self {
        prefixes.sort_unstable();
        let mut entries: Vec<Entry> = Vec::new();
        for (prefix, route) in prefixes {
            match entries.last_mut() {
                Some(last) if *last.prefix == *prefix => last.routes.push(route),
                _ => {
                    let shorter = longest(&entries, entries.len().checked_sub(1), prefix);
                    entries.push(Entry { prefix: prefix.into(), routes: vec![route], shorter });
                }
            }
        }
        Self { entries }
    }

    /// Whether there are no prefixes.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the routes of every prefix of `text` to `found`.
    pub fn find(&self, text: &str, found: &mut Vec<usize>) {
        let above = self.entries.partition_point(|entry| *entry.prefix <= *text);
        let mut next = longest(&self.entries, above.checked_sub(1), text);
        while let Some(entry) = next.and_then(|at| self.entries.get(at)) {
            found.extend_from_slice(&entry.routes);
            next = entry.shorter;
        }
    }
}

/// The longest prefix of `text` among the entry at `from` and its prefixes.
fn longest(entries: &[Entry], from: Option<usize>, text: &str) -> Option<usize> {
    let mut next = from;
    while let Some((at, entry)) = next.and_then(|at| Some((at, entries.get(at)?))) {
        if text.starts_with(&*entry.prefix) {
            return Some(at);
        }
        next = entry.shorter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_found() {
        let set = ["support-", "", "s", "support-eu-", "sales", "support-", "t"];
        let prefixes = Prefixes::new(set.iter().enumerate().map(|(route, prefix)| (*prefix, route)).collect());
        for text in ["support-eu-7", "support-", "support", "sz", "", "z", "a", "té"] {
            let mut found = Vec::new();
            prefixes.find(text, &mut found);
            found.sort_unstable();
            let expected: Vec<usize> = (0..set.len()).filter(|route| text.starts_with(set[*route])).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
