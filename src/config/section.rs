//! Reads a section key by key. A mistake is noted and reading goes on, so that all mistakes are reported at once.
//!
//! Everything in a config is read through it: the config's own sections, and the sinks' tables by the sinks. A table in a
//! section is a section of its own ([`Section::section`]), so a reader of `tls` or `auth` is written once and given the
//! section of whoever has such a table.
//!
//! **Invariants**
//! 1. A key that nobody read is a mistake: a section reports its remaining keys when it is dropped.
//! 2. A wrong value is replaced by a harmless one while reading goes on; a config with a mistake is never returned.
//! 3. Every key that is read is noted with its form, its value and its origin. Secrets are noted as set or not set.
//! 4. The keys that are read do not depend on the content of the file, so that they can be described.

mod subsections;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::keys::{Key, Origin};
use super::reading::{Reading, Shown};
use super::report::Report;
use super::tree::{Node, Value};

/// A table that is being read.
pub struct Section<'r> {
    /// Where mistakes are noted.
    pub report: &'r Report,
    pub(super) path: String,
    pub(super) table: BTreeMap<String, Node>,
    /// The keys that were read.
    pub(super) known: Vec<&'static str>,
    /// The keys of the same table that others read.
    pub(super) known_to_others: Vec<&'static str>,
    /// The section with the defaults of this one.
    inherits: Option<&'static str>,
}

/// What is known about a key that is read.
pub(super) struct Ask {
    /// The form of its values.
    pub form: Json,
    /// Whether it must be there.
    pub is_required: bool,
    /// The value where it is absent.
    pub default: Shown,
}

impl<'r> Section<'r> {
    /// A table at `path`.
    pub(super) fn new(report: &'r Report, path: String, table: BTreeMap<String, Node>) -> Self {
        Self { report, path, table, known: Vec::new(), known_to_others: Vec::new(), inherits: None }
    }

    /// The whole file.
    pub(super) fn root(report: &'r Report, root: Node) -> Self {
        let table = if let Value::Table(table) = root.value { table } else { BTreeMap::new() };
        Self::new(report, String::new(), table)
    }

    /// This section, whose defaults are the values of another.
    pub(super) fn inheriting(mut self, other: &'static str) -> Self {
        self.inherits = Some(other);
        self
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
        let node = self.table.remove(key)?;
        self.report.note_place(self.path_of(key), node.place.clone());
        Some(node)
    }

    /// Notes that `key` was read; `value` is what it is set to.
    pub(super) fn note(&self, key: &str, ask: Ask, value: Option<Shown>) {
        let path = self.path_of(key);
        let inherited = || {
            let other = format!("{}.{key}", self.inherits?);
            self.report.place(&other).map(|place| Origin::Inherited { key: other, place })
        };
        let origin = self.report.place(&path).map(Origin::Set).or_else(inherited).unwrap_or(Origin::Default);
        let Ask { form, is_required, default } = ask;
        let value = Some(value.unwrap_or_else(|| default.clone()));
        self.report.key(Key { path, form, is_required, default, value, origin });
    }

    fn value<T: 'static>(&mut self, key: &'static str, reading: &Reading<T>) -> Option<T> {
        let node = self.take(key)?;
        reading.read(&node).map_err(|text| self.report.mistake(&self.path_of(key), text)).ok()
    }

    /// Reads `key` where it is present.
    pub fn read<T: 'static>(&mut self, key: &'static str, reading: Reading<T>) -> Option<T> {
        let value = self.value(key, &reading);
        let ask = Ask { form: reading.of_one(), is_required: false, default: Shown::NotSet };
        self.note(key, ask, value.as_ref().map(|value| reading.show(value)));
        value
    }

    /// Reads `key`; where it is absent it is `default`.
    pub fn or<T: 'static>(&mut self, key: &'static str, default: T, reading: Reading<T>) -> T {
        let value = self.value(key, &reading);
        let ask = Ask { form: reading.of_one(), is_required: false, default: reading.show(&default) };
        self.note(key, ask, value.as_ref().map(|value| reading.show(value)));
        value.unwrap_or(default)
    }

    /// Reads `key`; where it is absent it is what `default` finds out about this machine.
    pub fn or_else<T: 'static>(&mut self, key: &'static str, default: impl FnOnce() -> T, reading: Reading<T>) -> T {
        let value = self.value(key, &reading);
        let (is_set, value) = (value.is_some(), value.unwrap_or_else(default));
        let shown = reading.show(&value);
        // Another machine has another default: it does not belong to the description.
        let default = if self.report.is_description || is_set { Shown::NotSet } else { shown.clone() };
        self.note(key, Ask { form: reading.of_one(), is_required: false, default }, Some(shown));
        value
    }

    /// Reads `key`, which has no default; `expected` says what it is.
    pub fn need<T: 'static>(&mut self, key: &'static str, expected: &str, reading: Reading<T>) -> Option<T> {
        self.expect(key, expected);
        let value = self.value(key, &reading);
        let ask = Ask { form: reading.of_one(), is_required: true, default: Shown::NotSet };
        self.note(key, ask, value.as_ref().map(|value| reading.show(value)));
        value
    }

    pub(super) fn expect(&self, key: &str, expected: &str) {
        if !self.table.contains_key(key) {
            self.mistake(key, format!("found nothing, expected {expected}"));
        }
    }

    /// Reads a list; where it is absent it is `default`.
    pub fn list<T: 'static>(&mut self, key: &'static str, default: Vec<T>, reading: Reading<T>) -> Vec<T> {
        let values = self.values(key, &reading);
        let ask = Ask { form: reading.of_list(), is_required: false, default: reading.show_all(&default) };
        self.note(key, ask, values.as_ref().map(|values| reading.show_all(values)));
        values.unwrap_or(default)
    }

    /// Reads a list that must be there and hold something; `missing` says what was found and what was expected.
    pub fn need_list<T: 'static>(&mut self, key: &'static str, missing: &str, reading: Reading<T>) -> Vec<T> {
        let values = self.values(key, &reading);
        let mut form = reading.of_list();
        form["minItems"] = 1.into();
        let ask = Ask { form, is_required: true, default: Shown::NotSet };
        self.note(key, ask, values.as_ref().map(|values| reading.show_all(values)));
        let (values, path) = (values.unwrap_or_default(), self.path_of(key));
        if values.is_empty() && !self.report.has_mistake(&path) {
            self.report.mistake(&path, missing);
        }
        values
    }

    /// The values of a list; `None` where it is absent or no list.
    fn values<T: 'static>(&mut self, key: &'static str, reading: &Reading<T>) -> Option<Vec<T>> {
        let node = self.take(key)?.into_structured();
        let path = self.path_of(key);
        match node.value {
            Value::List(items) => Some(self.items(&path, items, reading)),
            _ => {
                self.report.mistake(&path, format!("found {}, expected a list", node.describe()));
                None
            }
        }
    }

    /// Reads a value or a list of such values; empty where it is absent.
    pub fn one_or_more<T: 'static>(&mut self, key: &'static str, reading: Reading<T>) -> Vec<T> {
        let values = self.one_or_more_values(key, &reading);
        let ask = Ask { form: reading.of_one_or_more(), is_required: false, default: Shown::NotSet };
        self.note(key, ask, values.as_ref().map(|values| reading.show_all(values)));
        values.unwrap_or_default()
    }

    /// As [`Section::one_or_more`], where at least one must be there; `expected` says what it is.
    pub fn need_one_or_more<T: 'static>(
        &mut self,
        key: &'static str,
        expected: &str,
        reading: Reading<T>,
    ) -> Option<Vec<T>> {
        self.expect(key, expected);
        let values = self.one_or_more_values(key, &reading);
        let ask = Ask { form: reading.of_one_or_more(), is_required: true, default: Shown::NotSet };
        self.note(key, ask, values.as_ref().map(|values| reading.show_all(values)));
        values.filter(|values| !values.is_empty())
    }

    fn one_or_more_values<T: 'static>(&mut self, key: &'static str, reading: &Reading<T>) -> Option<Vec<T>> {
        let node = self.take(key)?.into_structured();
        let path = self.path_of(key);
        Some(match node.value {
            Value::List(items) => {
                if items.is_empty() {
                    self.report.mistake(&path, "found an empty list, expected at least one value");
                }
                self.items(&path, items, reading)
            }
            _ => self.item(&path, &node, reading).into_iter().collect(),
        })
    }

    fn items<T: 'static>(&self, path: &str, items: Vec<Node>, reading: &Reading<T>) -> Vec<T> {
        let indexed = items.iter().enumerate();
        indexed.filter_map(|(index, item)| self.item(&format!("{path}[{index}]"), item, reading)).collect()
    }

    fn item<T: 'static>(&self, path: &str, item: &Node, reading: &Reading<T>) -> Option<T> {
        reading.read(item).map_err(|text| self.report.mistake_at(item.place.clone(), path, text)).ok()
    }

    /// Reads no more: what is left is no mistake.
    pub fn ignore_the_rest(&mut self) {
        self.table.clear();
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (key, node) in std::mem::take(&mut self.table) {
            let known = [&*self.known, &*self.known_to_others].concat();
            let text = if known.contains(&&*key) {
                // Who reads it first leaves a text to the others.
                format!("found {}, expected a whole number", node.describe())
            } else {
                format!("found an unknown key, expected one of: {}", known.join(", "))
            };
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
        let strict = section.or("strict", true, switch());
        Some((file?, strict))
    }

    fn read(text: &str) -> (Option<Tls>, Option<Tls>, Vec<String>) {
        let report = Report::new(Places::new("c"), Secrets::default());
        let mut root = Section::root(&report, tree::parse(text).unwrap());
        let mut sections = ["a", "b"].map(|key| root.section_or_empty(key));
        let [a, b] = sections.each_mut().map(tls);
        drop((sections, root));
        (a, b, report.into_found().mistakes.iter().map(ToString::to_string).collect())
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
