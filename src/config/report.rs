//! The results of reading a config: mistakes, warnings, every key that was read, and the place of each.

use std::cell::RefCell;

use serde_json::Value as Json;

use super::keys::{Key, Rule};
use super::places::{Places, is_within};
use super::remark::{Place, Remark};
use super::variables::Secrets;

/// The results while reading goes on.
pub struct Report {
    /// The variables that may hold a secret.
    pub variables: Secrets,
    /// Whether the keys are only described: each section is read as if it were present once.
    pub is_description: bool,
    found: RefCell<Found>,
}

/// Everything that was found.
pub struct Found {
    /// The mistakes, in the order of the file.
    pub mistakes: Vec<Remark>,
    /// The warnings, in the order of the file.
    pub warnings: Vec<Remark>,
    /// The keys that are there.
    pub places: Places,
    /// Every key that was read, present or not, in the order of reading.
    pub keys: Vec<Key>,
    /// The rules for several keys of a section.
    pub rules: Vec<Rule>,
}

impl Report {
    /// About keys that stand at `places`; secrets in the environment are looked up in `variables`.
    pub fn new(places: Places, variables: Secrets) -> Self {
        let (mistakes, warnings, keys, rules) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let found = RefCell::new(Found { mistakes, warnings, places, keys, rules });
        Self { variables, is_description: false, found }
    }

    /// About no config: it collects the keys that there may be.
    pub(super) fn describing() -> Self {
        Self { is_description: true, ..Self::new(Places::new("config"), Secrets::default()) }
    }

    /// Notes a mistake in the value of `key`, or where it should be.
    pub fn mistake(&self, key: &str, text: impl Into<String>) {
        let place = self.found.borrow().places.of(key);
        self.mistake_at(place, key, text);
    }

    /// Notes a mistake at a place.
    pub fn mistake_at(&self, place: Place, key: &str, text: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        let remark = found.places.remark_at(place, key, text.into());
        found.mistakes.push(remark);
    }

    /// Notes a warning about the value of `key`.
    pub fn warning(&self, key: &str, text: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        let remark = found.places.remark_at(found.places.of(key), key, text.into());
        found.warnings.push(remark);
    }

    /// Notes a key that was read.
    pub fn key(&self, key: Key) {
        self.found.borrow_mut().keys.push(key);
    }

    /// Notes a rule for several keys of the section at `path`: members of its JSON Schema.
    pub fn rule(&self, path: &str, rule: Json) {
        if self.is_description {
            self.found.borrow_mut().rules.push(Rule { path: path.to_owned(), rule });
        }
    }

    /// Where `key` stands, if it is there.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.found.borrow().places.known(key).cloned()
    }

    /// Notes where `key` stands.
    pub fn note_place(&self, key: String, place: Place) {
        self.found.borrow_mut().places.note(key, place);
    }

    /// Where `section` and the keys below it stand.
    pub fn places_within(&self, section: &str) -> Places {
        self.found.borrow().places.within(section)
    }

    /// Whether `key` was there, right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.found.borrow().places.has(key)
    }

    /// Whether something was wrong with `key` or below it.
    pub fn has_mistake(&self, key: &str) -> bool {
        self.found.borrow().mistakes.iter().any(|mistake| is_within(&mistake.key, key))
    }

    /// Everything that was found.
    pub fn into_found(self) -> Found {
        let mut found = self.found.into_inner();
        found.mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        found.warnings.sort_by(|a, b| a.place.cmp(&b.place));
        found
    }
}
