//! Reads a section key by key. A mistake is noted and reading goes on, so that all mistakes are reported at once.
//!
//! **Invariants**
//! 1. A key that nobody read is a mistake: a section reports its remaining keys when it is dropped.
//! 2. A wrong value is replaced by a harmless one while reading goes on; a config with a mistake is never returned.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::report::Report;
use super::secret::SecretSource;
use super::tree::{Node, Value};
use super::value::Read;

/// A table that is being read.
pub struct Section<'r> {
    /// Where mistakes are noted.
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
        self.report.note(path, node.as_ref().map(|node| &node.place));
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
        self.report.note(path.clone(), Some(&node.place));
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
        self.report.note(path.to_owned(), Some(&node.place));
        let read = node.into_structured().into_plain().try_into::<SecretSource>();
        let read = read.map_err(|error| error.message().trim_end().to_owned());
        let secret = read.and_then(|source| {
            source.read_with(|name| self.report.variables().get(name).cloned()).map_err(|error| error.to_string())
        });
        secret.map_err(|text| self.report.mistake(path, text)).ok()
    }

    /// Everything that was not asked for, uninterpreted.
    pub fn rest(mut self) -> toml::Table {
        let rest = std::mem::take(&mut self.table);
        let plain = rest.into_iter().map(|(key, node)| {
            self.note_places(&self.path_of(&key), &node);
            (key, node.into_plain())
        });
        plain.collect()
    }

    fn note_places(&self, path: &str, node: &Node) {
        self.report.note_place(path.to_owned(), node.place.clone());
        match &node.value {
            Value::Table(table) => {
                table.iter().for_each(|(key, node)| self.note_places(&format!("{path}.{key}"), node))
            }
            Value::List(items) => {
                items.iter().enumerate().for_each(|(index, node)| self.note_places(&format!("{path}[{index}]"), node))
            }
            Value::Leaf(_) | Value::Variable(_) => {}
        }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (key, node) in std::mem::take(&mut self.table) {
            let known = self.known.join(", ");
            let text = format!("found an unknown key, expected one of: {known}");
            self.report.mistake_at(node.place, &self.path_of(&key), text);
        }
    }
}
