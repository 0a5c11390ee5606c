//! Where each key of a config is. Some mistakes are found only later (a sink's in its own table, a key's by the crypto
//! library); they are reported with their line too.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::remark::{Place, Remark};

/// Whether a key path is `section` or lies in it: `sinks.crm.url` and `sinks.crm[0]` lie in `sinks.crm`.
pub fn is_within(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The keys of a config, and where they stand.
#[derive(Clone, Debug)]
pub struct Places {
    file: Arc<str>,
    known: BTreeMap<String, Place>,
}

impl Places {
    /// Of the config that is shown as `file`; no key yet.
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.into(), known: BTreeMap::new() }
    }

    /// The config's file, as it is shown.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A place, as it is shown: `my.toml:7`, or the name of a variable.
    pub fn told(&self, place: &Place) -> String {
        match place {
            Place::File => self.file.to_string(),
            Place::Line(line) => format!("{}:{line}", self.file),
            Place::Variable(name) => name.clone(),
        }
    }

    /// Notes where `key` stands.
    pub(super) fn note(&mut self, key: String, place: Place) {
        self.known.insert(key, place);
    }

    /// The same for `path` and what is below it.
    pub(super) fn within(&self, path: &str) -> Self {
        let below = self.known.range(path.to_owned()..).take_while(|(key, _)| key.starts_with(path));
        let known = below.filter(|(key, _)| is_within(key, path)).map(|(key, place)| (key.clone(), place.clone()));
        Self { file: Arc::clone(&self.file), known: known.collect() }
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.known.contains_key(key)
    }

    /// Where `key` stands, if it is there.
    pub(super) fn known(&self, key: &str) -> Option<&Place> {
        self.known.get(key)
    }

    /// Where `key` stands; where it is missing, where what should hold it stands.
    pub(super) fn of(&self, key: &str) -> Place {
        let mut path = key;
        loop {
            if let Some(place) = self.known.get(path) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return Place::File,
            }
        }
    }

    /// Something to say about a place.
    pub(super) fn remark_at(&self, place: Place, key: &str, text: String) -> Remark {
        Remark { file: Arc::clone(&self.file), place, key: key.to_owned(), text }
    }

    /// Something to say about a key, from a text that begins with its path: `sinks.crm.url: found .., expected ..`.
    pub fn remark(&self, told: &str) -> Remark {
        let (key, text) = told.split_once(": ").unwrap_or(("", told));
        self.remark_at(self.of(key), key, text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_one_section_are_those_below_it() {
        let mut places = Places::new("my.toml");
        for key in ["sinks.a", "sinks.a-b.url", "sinks.a.list[0]", "sinks.a.url", "sinks.ab", "server"] {
            places.note(key.into(), Place::Line(1));
        }
        let within = places.within("sinks.a");
        assert_eq!(within.known.keys().collect::<Vec<_>>(), ["sinks.a", "sinks.a.list[0]", "sinks.a.url"]);
        assert!(within.has("sinks.a.url") && !within.has("sinks.a-b.url"));
    }

    #[test]
    fn what_is_told_later_has_its_line_too() {
        let mut places = Places::new("my.toml");
        places.note("sinks.crm".into(), Place::Line(7));
        places.note("sinks.crm.headers".into(), Place::Variable("REELHOOK__SINKS__CRM__HEADERS".into()));
        let told = |text: &str| places.remark(text).to_string();
        assert_eq!(told("sinks.crm.url: found nothing: no"), "my.toml:7: sinks.crm.url: found nothing: no");
        let variable = told("sinks.crm.headers.cookie: found text");
        assert_eq!(variable, "REELHOOK__SINKS__CRM__HEADERS: sinks.crm.headers.cookie: found text");
        assert_eq!(told("routes: too large"), "my.toml: routes: too large");
        assert_eq!(told("something"), "my.toml: something");
    }
}
