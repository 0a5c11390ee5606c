//! Reads a section key by key. A mistake is noted and reading goes on, so that all mistakes are reported at once.
//!
//! Everything in a config is read through it: the config's own sections, and the sinks' tables by the sinks. A table in a
//! section is a section of its own ([`Section::section`]), so a reader of `tls` or `auth` is written once and given the
//! section of whoever has such a table.
//!
//! **Invariants**
//! 1. A key that nobody read is a mistake: a section reports its remaining keys when it is dropped.
//! 2. A wrong value is replaced by a harmless one while reading goes on; a config with a mistake is never returned.

use std::collections::BTreeMap;

use super::report::Report;
use super::tree::{Node, Value};
use super::value::Read;

/// A table that is being read.
pub struct Section<'r> {
    /// Where mistakes are noted.
    pub report: &'r Report,
    pub(super) path: String,
    pub(super) table: BTreeMap<String, Node>,
    /// The keys that were asked for.
    pub(super) known: Vec<&'static str>,
    /// The keys of the same table that others ask for.
    pub(super) known_to_others: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// A table at `path`.
    pub(super) fn new(report: &'r Report, path: String, table: BTreeMap<String, Node>) -> Self {
        Self { report, path, table, known: Vec::new(), known_to_others: Vec::new() }
    }

    /// The whole file.
    pub(super) fn root(report: &'r Report, root: Node) -> Self {
        let table = if let Value::Table(table) = root.value { table } else { BTreeMap::new() };
        Self::new(report, String::new(), table)
    }

    /// The key path of `key` in this section.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The key path of this section.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Notes a mistake in the value of `key`, or where it should be.
    pub fn mistake(&self, key: &str, text: impl Into<String>) {
        self.report.mistake(&self.path_of(key), text);
    }

    /// Whether `key` was there when it was asked for, right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.report.has(&self.path_of(key))
    }

    /// Whether something was wrong with `key` or below it.
    pub fn has_mistake(&self, key: &str) -> bool {
        self.report.has_mistake(&self.path_of(key))
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
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
                self.mistake(key, text);
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

    pub(super) fn expect(&self, key: &str, expected: &str) {
        if !self.table.contains_key(key) {
            self.mistake(key, format!("found nothing, expected {expected}"));
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
        let empty = Self::new(self.report, self.path_of(key), BTreeMap::new());
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
            Value::Table(table) => Some(Self::new(self.report, path, table)),
            _ => {
                self.report.mistake(&path, format!("found {}, expected a section of keys", node.describe()));
                None
            }
        }
    }

    /// Reads no more: what is left is no mistake.
    pub fn ignore_the_rest(&mut self) {
        self.table.clear();
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (key, node) in std::mem::take(&mut self.table) {
            let known = [&*self.known, &*self.known_to_others].concat().join(", ");
            let text = format!("found an unknown key, expected one of: {known}");
            self.report.mistake_at(node.place, &self.path_of(&key), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::places::Places;
    use crate::config::tree;
    use crate::config::value::{name, switch};
    use crate::config::variables::Secrets;

    /// A file, and whether it is strict.
    type Tls = (String, bool);

    /// A table that several sections have: read by one function.
    fn tls(section: &mut Section<'_>) -> Option<Tls> {
        let mut section = section.section("tls")?;
        let file = section.need("file", "a file", name(100));
        let strict = section.or("strict", true, switch);
        Some((file?, strict))
    }

    fn read(text: &str) -> (Option<Tls>, Option<Tls>, Vec<String>) {
        let report = Report::new(Places::new("c"), Secrets::default());
        let mut root = Section::root(&report, tree::parse(text).unwrap());
        let mut sections = ["a", "b"].map(|key| root.section_or_empty(key));
        let [a, b] = sections.each_mut().map(tls);
        drop((sections, root));
        (a, b, report.into_found().0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_table_that_several_sections_have_is_read_by_one_reader_with_its_own_paths() {
        let (a, b, mistakes) = read("[a.tls]\nfile = 'x'\n[b]\ntls = { file = 'y', strict = false }\n");
        assert_eq!((a, b), (Some(("x".into(), true)), Some(("y".into(), false))));
        assert_eq!(mistakes, Vec::<String>::new());
        let (a, b, mistakes) = read("[a.tls]\nfile = 3\nstrikt = true\n[b]\ntls = {}\n");
        assert_eq!((a, b), (None, None));
        assert_eq!(
            mistakes,
            [
                "c:2: a.tls.file: found 3, expected text of 1 to 100 characters",
                "c:3: a.tls.strikt: found an unknown key, expected one of: file, strict",
                "c:5: b.tls.file: found nothing, expected a file",
            ]
        );
    }
}
