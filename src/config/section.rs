//! Reading a section key by key. What is wrong is noted and reading goes on, so that all mistakes are told at once.
//!
//! **Invariants**
//! 1. A key that nobody asked for is a mistake: a section tells its leftovers when it is dropped.
//! 2. A value that was wrong is replaced by a harmless one while reading goes on; a config with a mistake is never
//!    handed out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;

use super::mistakes::{Place, Remark};
use super::secret::SecretSource;
use super::tree::{Node, Value};
use super::value::Read;

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
    places: BTreeMap<String, Place>,
    asked: BTreeSet<String>,
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
    pub fn asked(&self) -> BTreeSet<String> {
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

/// A table that is being read.
pub struct Section<'r> {
    /// Where mistakes go.
    pub report: &'r Report,
    path: String,
    table: BTreeMap<String, Node>,
    known: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// The whole file.
    pub fn root(report: &'r Report, root: Node) -> Self {
        let table = if let Value::Table(table) = root.value { table } else { BTreeMap::new() };
        Self { report, path: String::new(), table, known: Vec::new() }
    }

    /// The key path of `key` in this section.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The key path of this section.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let path = self.path_of(key);
        let node = self.table.remove(key);
        let mut found = self.report.found.borrow_mut();
        if let Some(node) = &node {
            found.places.insert(path.clone(), node.place.clone());
        }
        found.asked.insert(path);
        node
    }

    /// Reads `key` where it is present.
    pub fn read<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Read<T>) -> Option<T> {
        let node = self.take(key)?;
        match read(&node) {
            Ok(value) => Some(value),
            Err(text) => {
                self.report.mistake(&self.path_of(key), text);
                None
            }
        }
    }

    /// Reads `key`; where it is absent it is `default`.
    pub fn or<T>(&mut self, key: &'static str, default: T, read: impl Fn(&Node) -> Read<T>) -> T {
        self.read(key, read).unwrap_or(default)
    }

    /// Reads `key`, which has no default; `expected` says what it is.
    pub fn need<T>(&mut self, key: &'static str, expected: &str, read: impl Fn(&Node) -> Read<T>) -> Option<T> {
        self.expect(key, expected);
        self.read(key, read)
    }

    fn expect(&self, key: &str, expected: &str) {
        if !self.table.contains_key(key) {
            self.report.mistake(&self.path_of(key), format!("found nothing, expected {expected}"));
        }
    }

    /// Reads a list; `None` where it is absent or no list.
    pub fn list<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Read<T>) -> Option<Vec<T>> {
        let node = self.take(key)?.into_structured();
        let path = self.path_of(key);
        match node.value {
            Value::List(items) => Some(self.items(&path, items, read)),
            _ => {
                self.report.mistake(&path, format!("found {}, expected a list", node.describe()));
                None
            }
        }
    }

    /// Reads a value or a list of such values; empty where it is absent.
    pub fn one_or_more<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Read<T>) -> Vec<T> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let (node, path) = (node.into_structured(), self.path_of(key));
        match node.value {
            Value::List(items) => {
                if items.is_empty() {
                    self.report.mistake(&path, "found an empty list, expected at least one value");
                }
                self.items(&path, items, read)
            }
            _ => self.item(&path, &node, read).into_iter().collect(),
        }
    }

    fn items<T>(&self, path: &str, items: Vec<Node>, read: impl Fn(&Node) -> Read<T>) -> Vec<T> {
        let indexed = items.iter().enumerate();
        indexed.filter_map(|(index, item)| self.item(&format!("{path}[{index}]"), item, &read)).collect()
    }

    fn item<T>(&self, path: &str, item: &Node, read: impl Fn(&Node) -> Read<T>) -> Option<T> {
        read(item).map_err(|text| self.report.mistake_at(item.place.clone(), path, text)).ok()
    }

    /// The section at `key`, where it is present.
    pub fn section(&mut self, key: &'static str) -> Option<Self> {
        let node = self.take(key)?;
        self.within(self.path_of(key), node)
    }

    /// The section at `key`; where it is absent, an empty one.
    pub fn section_or_empty(&mut self, key: &'static str) -> Self {
        let empty = Self { report: self.report, path: self.path_of(key), table: BTreeMap::new(), known: Vec::new() };
        self.section(key).unwrap_or(empty)
    }

    /// The sections of a list: `[[key]]`.
    pub fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let (node, path) = (node.into_structured(), self.path_of(key));
        match node.value {
            Value::List(items) => {
                let indexed = items.into_iter().enumerate();
                indexed.filter_map(|(index, item)| self.within(format!("{path}[{index}]"), item)).collect()
            }
            _ => {
                self.report.mistake(&path, format!("found {}, expected [[{path}]] sections", node.describe()));
                Vec::new()
            }
        }
    }

    /// The sections below this one, by name.
    pub fn named_sections(&mut self) -> Vec<(String, Self)> {
        let table = std::mem::take(&mut self.table);
        let named = table.into_iter().filter_map(|(name, node)| {
            let section = self.within(self.path_of(&name), node)?;
            Some((name, section))
        });
        named.collect()
    }

    fn within(&self, path: String, node: Node) -> Option<Self> {
        let node = node.into_structured();
        self.report.found.borrow_mut().places.insert(path.clone(), node.place.clone());
        match node.value {
            Value::Table(table) => Some(Self { report: self.report, path, table, known: Vec::new() }),
            _ => {
                self.report.mistake(&path, format!("found {}, expected a section of keys", node.describe()));
                None
            }
        }
    }

    /// Reads a secret from where the config says it is.
    pub fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        let node = self.take(key)?;
        self.open(&self.path_of(key), node)
    }

    /// Reads a secret that has no default.
    pub fn need_secret(&mut self, key: &'static str) -> Option<SecretString> {
        self.expect(key, "{ file = \"..\" } or { env = \"..\" }");
        self.secret(key)
    }

    /// Reads a list of secrets, each with its key path.
    pub fn secrets(&mut self, key: &'static str) -> Vec<(String, SecretString)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let (node, path) = (node.into_structured(), self.path_of(key));
        let Value::List(items) = node.value else {
            // What was found is not shown: it may be the secret itself.
            self.report.mistake(&path, "found no list, expected a list of { file = \"..\" } or { env = \"..\" }");
            return Vec::new();
        };
        let indexed = items.into_iter().enumerate();
        let opened = indexed.filter_map(|(index, item)| {
            let path = format!("{path}[{index}]");
            let secret = self.open(&path, item)?;
            Some((path, secret))
        });
        opened.collect()
    }

    fn open(&self, path: &str, node: Node) -> Option<SecretString> {
        let place = node.place.clone();
        self.report.found.borrow_mut().places.insert(path.to_owned(), place);
        let read = node.into_structured().into_plain().try_into::<SecretSource>();
        let read = read.map_err(|error| error.message().trim_end().to_owned());
        let secret = read.and_then(|source| {
            source.read_with(|name| self.report.variables.get(name).cloned()).map_err(|error| error.to_string())
        });
        secret.map_err(|text| self.report.mistake(path, text)).ok()
    }

    /// Everything that was not asked for, uninterpreted.
    pub fn rest(mut self) -> toml::Table {
        let rest = std::mem::take(&mut self.table);
        rest.into_iter().map(|(key, node)| (key, node.into_plain())).collect()
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (key, node) in std::mem::take(&mut self.table) {
            let known = self.known.join(", ");
            let text = format!("found a key that is not known here, expected one of: {known}");
            self.report.mistake_at(node.place, &self.path_of(&key), text);
        }
    }
}
