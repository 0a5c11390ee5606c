//! A section that is read later, by whoever knows its keys: a sink's. It knows where its keys stand, and the variables
//! that it names, so that its mistakes are told like all others.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;

use super::keys::Key;
use super::places::Places;
use super::remark::{Place, Remark};
use super::report::{Found, Report};
use super::section::Section;
use super::tree::{Node, Value};
use super::variables::Secrets;

/// The keys of a section that nobody has asked for yet.
#[derive(Clone)]
pub struct Table {
    nodes: BTreeMap<String, Node>,
    places: Places,
    variables: Secrets,
    /// The keys of the same section that were asked for already.
    known: Vec<&'static str>,
}

impl Table {
    /// Reads it: `read` asks for the keys. `path` is that of the section. Returns what `read` made, and every key that it
    /// read, with its value and its origin.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read<T>(
        &self,
        path: &str,
        read: impl FnOnce(&mut Section<'_>) -> Option<T>,
    ) -> Result<(T, Vec<Key>), Vec<Remark>> {
        let report = Report::new(self.places.clone(), self.variables.clone());
        let mut section = Section::new(&report, path.to_owned(), self.nodes.clone());
        section.known_to_others.clone_from(&self.known);
        let value = read(&mut section);
        drop(section);
        let Found { mut mistakes, keys, .. } = report.into_found();
        match value {
            Some(value) if mistakes.is_empty() => return Ok((value, keys)),
            None if mistakes.is_empty() => {
                let text = "found keys that are not enough, expected others".to_owned();
                mistakes.push(self.places.remark_at(self.places.of(path), path, text));
            }
            _ => {}
        }
        Err(mistakes)
    }

    /// A mistake in one of its keys that is found only beside other sections; `key` is the whole path.
    pub fn mistake(&self, key: &str, text: String) -> Remark {
        self.places.remark_at(self.places.of(key), key, text)
    }

    /// Every key that `read` reads, with its form. The table may be empty.
    pub fn describe(read: impl FnOnce(&mut Section<'_>)) -> Vec<Key> {
        let report = Report::describing();
        read(&mut Section::new(&report, String::new(), BTreeMap::new()));
        report.into_found().keys
    }

    /// The keys and values, as TOML has them.
    pub fn plain(&self) -> toml::Table {
        self.nodes.iter().map(|(key, node)| (key.clone(), node.clone().into_plain())).collect()
    }
}

impl Section<'_> {
    /// Everything that was not asked for, to be read later.
    pub fn rest(mut self) -> Table {
        let nodes = std::mem::take(&mut self.table);
        for (key, node) in &nodes {
            self.note_places(&self.path_of(key), node);
        }
        let whole = Node { place: Place::File, value: Value::Table(nodes.clone()) };
        Table {
            nodes,
            places: self.report.places_within(&self.path),
            variables: Secrets::named_by(&whole, &|name| self.report.variables.get(name)),
            known: std::mem::take(&mut self.known),
        }
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

/// A table that stands in no file; secrets are in this process's own environment.
impl From<toml::Table> for Table {
    fn from(table: toml::Table) -> Self {
        let whole = Node::new(toml::Value::Table(table), &Place::File);
        let variable = |name: &str| std::env::var(name).ok().map(SecretString::from);
        let variables = Secrets::named_by(&whole, &variable);
        let nodes = if let Value::Table(nodes) = whole.value { nodes } else { BTreeMap::new() };
        Self { nodes, places: Places::new("config"), variables, known: Vec::new() }
    }
}

/// Without the places: two tables are the same wherever they stand.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.plain() == other.plain() && self.variables == other.variables
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;
    use crate::config::value::{name, switch};

    fn table(text: &str) -> Table {
        let variables = [("S".to_owned(), "canary".to_owned()), ("T".to_owned(), "other".to_owned())];
        let report = Report::new(Places::new("my.toml"), variables.into_iter().collect());
        let mut root = Section::root(&report, tree::parse(text).unwrap());
        let mut section = root.section("s").unwrap();
        section.read("kind", name(10));
        section.rest()
    }

    #[test]
    fn what_is_read_later_has_its_lines_its_variables_and_all_its_mistakes() {
        let table = table("[s]\nkind = 'x'\nsecret = { env = 'S' }\non = 3\nno = 1\n[s.deep]\nyes = 'x'\n");
        let read = |section: &mut Section<'_>| {
            let secret = section.secret("secret");
            let on = section.or("on", false, switch());
            let yes = section.section("deep").is_some_and(|mut deep| deep.or("yes", false, switch()));
            Some((secret?, on, yes))
        };
        let told: Vec<String> = table.read("s", read).unwrap_err().iter().map(Remark::to_string).collect();
        assert_eq!(
            told,
            [
                "my.toml:4: s.on: found 3, expected true or false",
                "my.toml:5: s.no: found an unknown key, expected one of: secret, on, deep, kind",
                "my.toml:7: s.deep.yes: found \"x\", expected true or false",
            ]
        );
        let described = Table::describe(|section| drop(read(section)));
        let keys: Vec<_> = described.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(keys, ["secret", "on", "deep", "deep.yes"]);
        assert!(!format!("{table:?}").contains("canary") && format!("{table:?}").contains("env"));
    }

    #[test]
    fn tables_are_the_same_by_what_they_hold_and_by_the_secrets_that_they_name() {
        let same = |a: &str, b: &str| table(&format!("[s]\n{a}\n")) == table(&format!("\n[s]\n\n{b}\n"));
        assert!(same("a = 1\nb = { env = 'S' }", "b = { env = 'S' }\na = 1"));
        assert!(!same("a = 1", "a = 2"));
        assert!(!same("b = { env = 'S' }", "b = { env = 'T' }"));
    }
}
