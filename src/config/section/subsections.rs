//! Sections within a section.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Section;
use crate::config::keys::{Key, Origin};
use crate::config::reading::Shown;
use crate::config::tree::{Node, Value};

impl Section<'_> {
    /// The section at `key`, where it is present.
    pub fn section(&mut self, key: &'static str) -> Option<Self> {
        let node = self.take(key);
        self.note_section(key, section_form(), node.is_none().then_some(Shown::NotSet));
        let path = self.path_of(key);
        match node {
            Some(node) => self.within(path, node),
            None if self.report.is_description => Some(Self::new(self.report, path, BTreeMap::new())),
            None => None,
        }
    }

    /// The section at `key`; where it is absent, an empty one.
    pub fn section_or_empty(&mut self, key: &'static str) -> Self {
        let node = self.take(key);
        self.note_section(key, section_form(), None);
        let path = self.path_of(key);
        let section = node.and_then(|node| self.within(path.clone(), node));
        section.unwrap_or_else(|| Self::new(self.report, path, BTreeMap::new()))
    }

    /// The sections of a list: `[[key]]`.
    pub fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let node = self.take(key);
        let form = json!({ "type": "array", "items": section_form() });
        self.note_section(key, form, node.is_none().then(|| Shown::Value(json!([]))));
        let path = self.path_of(key);
        if self.report.is_description {
            return vec![Self::new(self.report, format!("{path}[]"), BTreeMap::new())];
        }
        let Some(node) = node.map(Node::into_structured) else { return Vec::new() };
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
        if self.report.is_description {
            self.note_section("*", section_form(), None);
            return vec![("*".to_owned(), Self::new(self.report, self.path_of("*"), BTreeMap::new()))];
        }
        let table = std::mem::take(&mut self.table);
        let named = table.into_iter().filter_map(|(name, node)| {
            let section = self.within(self.path_of(&name), node)?;
            Some((name, section))
        });
        named.collect()
    }

    /// Notes a section. It has a value only where it is absent; otherwise its keys have them.
    fn note_section(&self, key: &str, form: Json, value: Option<Shown>) {
        let (path, origin) = (self.path_of(key), Origin::Default);
        self.report.key(Key { path, form, is_required: false, default: Shown::NotSet, value, origin });
    }

    /// Exactly one of `keys` must be there; `expected` names them.
    pub fn need_one_of(&self, keys: &[&'static str], expected: &str) {
        let each: Vec<Json> = keys.iter().map(|key| json!({ "required": [key] })).collect();
        self.report.rule(&self.path, json!({ "oneOf": each }));
        let n_given = keys.iter().filter(|key| self.report.has(&self.path_of(key))).count();
        if n_given != 1 && !self.report.has_mistake(&self.path) {
            let found = if n_given == 0 { "none" } else { "several" };
            self.report.mistake(&self.path, format!("found {found}, expected {expected}"));
        }
    }

    fn within(&self, path: String, node: Node) -> Option<Self> {
        let node = node.into_structured();
        self.report.note_place(path.clone(), node.place.clone());
        match node.value {
            Value::Table(table) => Some(Self::new(self.report, path, table)),
            _ => {
                self.report.mistake(&path, format!("found {}, expected a section of keys", node.describe()));
                None
            }
        }
    }
}

/// The form of a section, to which its keys are added.
fn section_form() -> Json {
    json!({ "type": "object", "additionalProperties": false })
}
