//! The results of reading a config: mistakes, warnings, and the place of each key.

use std::cell::RefCell;

use super::places::Places;
use super::remark::{Place, Remark};
use super::variables::Secrets;

/// What has been found while reading.
pub struct Report {
    /// The variables that may hold a secret.
    pub variables: Secrets,
    found: RefCell<Found>,
}

struct Found {
    mistakes: Vec<Remark>,
    warnings: Vec<Remark>,
    /// The keys that are there.
    places: Places,
    /// Every key that was asked for: what a test holds the reference to.
    #[cfg(test)]
    asked: std::collections::BTreeSet<String>,
}

impl Report {
    /// About keys that stand at `places`; secrets in the environment are looked up in `variables`.
    pub fn new(places: Places, variables: Secrets) -> Self {
        let found = Found {
            mistakes: Vec::new(),
            warnings: Vec::new(),
            places,
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        };
        Self { variables, found: RefCell::new(found) }
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

    /// Notes that `key` was asked for, and where it stands if it is there.
    pub fn note(&self, key: String, place: Option<&Place>) {
        #[cfg(test)]
        self.found.borrow_mut().asked.insert(key.clone());
        if let Some(place) = place {
            self.note_place(key, place.clone());
        }
    }

    /// Notes where `key` stands, which others will ask for.
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
        let is_within =
            |path: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        self.found.borrow().mistakes.iter().any(|mistake| is_within(&mistake.key))
    }

    /// Every key that was asked for, present or not.
    #[cfg(test)]
    pub fn asked(&self) -> std::collections::BTreeSet<String> {
        self.found.borrow().asked.clone()
    }

    /// The mistakes and the warnings, each in the order of the file, and where every key stands.
    pub fn into_found(self) -> (Vec<Remark>, Vec<Remark>, Places) {
        let Found { mut mistakes, mut warnings, places, .. } = self.found.into_inner();
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        warnings.sort_by(|a, b| a.place.cmp(&b.place));
        (mistakes, warnings, places)
    }
}
