//! What is found while a config is read: mistakes and warnings, and where each key stands, so that they can say so.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::mistakes::{Place, Remark};

/// What has been found while reading.
pub struct Report {
    file: Arc<str>,
    variables: BTreeMap<String, String>,
    found: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    mistakes: Vec<Remark>,
    warnings: Vec<Remark>,
    /// The keys that are there.
    places: BTreeMap<String, Place>,
    /// Every key that was asked for: what a test holds the reference to.
    #[cfg(test)]
    asked: std::collections::BTreeSet<String>,
}

impl Report {
    /// About the config that is shown as `file`; secrets in the environment are looked up in `variables`.
    pub fn new(file: &str, variables: BTreeMap<String, String>) -> Self {
        Self { file: file.into(), variables, found: RefCell::default() }
    }

    /// The environment.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Notes a mistake in the value of `key`, or where it should be.
    pub fn mistake(&self, key: &str, text: impl Into<String>) {
        self.mistake_at(self.place(key), key, text);
    }

    /// Notes a mistake at a place.
    pub fn mistake_at(&self, place: Place, key: &str, text: impl Into<String>) {
        let remark = self.remark(place, key, text.into());
        self.found.borrow_mut().mistakes.push(remark);
    }

    /// Notes a warning about the value of `key`.
    pub fn warning(&self, key: &str, text: impl Into<String>) {
        let remark = self.remark(self.place(key), key, text.into());
        self.found.borrow_mut().warnings.push(remark);
    }

    fn remark(&self, place: Place, key: &str, text: String) -> Remark {
        Remark { file: Arc::clone(&self.file), place, key: key.to_owned(), text }
    }

    /// Notes that `key` was asked for, and where it stands if it is there.
    pub fn note(&self, key: String, place: Option<&Place>) {
        let mut found = self.found.borrow_mut();
        #[cfg(test)]
        found.asked.insert(key.clone());
        if let Some(place) = place {
            found.places.insert(key, place.clone());
        }
    }

    /// Where `key` stands; where it is missing, where what should hold it stands.
    fn place(&self, key: &str) -> Place {
        let found = self.found.borrow();
        let mut path = key;
        loop {
            if let Some(place) = found.places.get(path) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return Place::File,
            }
        }
    }

    /// Whether `key` was there, right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.found.borrow().places.contains_key(key)
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

    /// The mistakes and the warnings, each in the order of the file.
    pub fn into_remarks(self) -> (Vec<Remark>, Vec<Remark>) {
        let Found { mut mistakes, mut warnings, .. } = self.found.into_inner();
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        warnings.sort_by(|a, b| a.place.cmp(&b.place));
        (mistakes, warnings)
    }
}
