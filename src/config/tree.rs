//! The config's text as a tree that stores the place of each value, so that a mistake found later can name it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value as Leaf};

use super::remark::Place;
use crate::wording::untrusted_text::cut;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where: for a value with a key, the key's line.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A table.
    Table(BTreeMap<String, Node>),
    /// A list.
    List(Vec<Node>),
    /// Text, a number, a truth value, a date.
    Leaf(Leaf),
    /// The text of an environment variable; its meaning depends on the expected type.
    Variable(String),
}

/// Reads a file's text.
///
/// # Errors
/// Every error of syntax, with its line.
pub fn parse(text: &str) -> Result<Node, Vec<(Place, String)>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect();
    let mut lines = Lines { starts, errors: Vec::new() };
    for error in errors {
        let place = error.span().map_or(Place::File, |span| lines.at(span.start));
        lines.errors.push((place, error.message().replace('\n', ", ")));
    }
    if !lines.errors.is_empty() {
        return Err(lines.errors);
    }
    let table = lines.table(root.into_inner());
    if lines.errors.is_empty() { Ok(Node { place: Place::File, value: table }) } else { Err(lines.errors) }
}

struct Lines {
    /// Where each line after the first begins.
    starts: Vec<usize>,
    errors: Vec<(Place, String)>,
}

impl Lines {
    fn at(&self, offset: usize) -> Place {
        Place::Line(1 + self.starts.partition_point(|start| *start <= offset))
    }

    fn table(&mut self, table: DeTable<'_>) -> Value {
        let entries = table.into_iter().map(|(key, value)| {
            let place = self.at(key.span().start);
            (key.into_inner().into_owned(), self.node(value, place))
        });
        Value::Table(entries.collect())
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>, place: Place) -> Node {
        let span = value.span();
        let value = match value.into_inner() {
            DeValue::Table(table) => self.table(table),
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| {
                        let place = self.at(item.span().start);
                        self.node(item, place)
                    })
                    .collect(),
            ),
            leaf => match Leaf::deserialize(ValueDeserializer::from(Spanned::new(span, leaf))) {
                Ok(leaf) => Value::Leaf(leaf),
                Err(error) => {
                    self.errors.push((place.clone(), error.message().to_owned()));
                    Value::Leaf(Leaf::Boolean(false))
                }
            },
        };
        Node { place, value }
    }
}

impl Node {
    /// A tree of which every value stands at `place`.
    pub fn new(value: Leaf, place: &Place) -> Self {
        let value = match value {
            Leaf::Table(table) => {
                Value::Table(table.into_iter().map(|(key, value)| (key, Self::new(value, place))).collect())
            }
            Leaf::Array(items) => Value::List(items.into_iter().map(|item| Self::new(item, place)).collect()),
            leaf => Value::Leaf(leaf),
        };
        Self { place: place.clone(), value }
    }

    /// The tree without its places. An environment variable becomes what its text is in TOML or JSON, otherwise text.
    pub fn into_plain(self) -> Leaf {
        match self.value {
            Value::Table(table) => Leaf::Table(table.into_iter().map(|(key, node)| (key, node.into_plain())).collect()),
            Value::List(items) => Leaf::Array(items.into_iter().map(Self::into_plain).collect()),
            Value::Leaf(leaf) => leaf,
            Value::Variable(text) => match structured(&text) {
                Some(Leaf::Datetime(_)) | None => Leaf::String(text),
                Some(value) => value,
            },
        }
    }

    /// With the text of an environment variable read as TOML or JSON, where a table or a list is expected.
    pub fn into_structured(self) -> Self {
        match &self.value {
            Value::Variable(text) => match structured(text) {
                Some(value @ (Leaf::Table(_) | Leaf::Array(_))) => Self::new(value, &self.place),
                _ => self,
            },
            _ => self,
        }
    }

    /// Its text, where it is text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Leaf(Leaf::String(text)) | Value::Variable(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in words that show nothing of it: it may be a secret.
    pub fn sort(&self) -> &'static str {
        match &self.value {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::Leaf(Leaf::String(_)) | Value::Variable(_) => "text",
            Value::Leaf(Leaf::Integer(_) | Leaf::Float(_)) => "a number",
            Value::Leaf(_) => "something else",
        }
    }

    /// What it is, in words, with a short value.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Table(_) | Value::List(_) => self.sort().into(),
            Value::Leaf(Leaf::String(text)) | Value::Variable(text) => format!("{:?}", shortened(text)),
            Value::Leaf(other) => other.to_string(),
        }
    }
}

fn structured(text: &str) -> Option<Leaf> {
    match text.trim().parse::<Leaf>() {
        Ok(value) => Some(value),
        Err(_) => Leaf::try_from(serde_json::from_str::<serde_json::Value>(text).ok()?).ok(),
    }
}

fn shortened(text: &str) -> String {
    let shown = cut(text, 80);
    format!("{shown}{}", if shown.len() < text.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(node: &Node, path: &[&str]) -> Place {
        let Value::Table(table) = &node.value else { panic!("{node:?}") };
        let child = &table[path[0]];
        if path.len() == 1 { child.place.clone() } else { place(child, &path[1..]) }
    }

    #[test]
    fn a_value_knows_its_line() {
        let root = parse("a = 1\n\n[b.c]\nd = [\n 1,\n 2]\n[[e]]\nf = 'é'\n").unwrap();
        assert_eq!(place(&root, &["a"]), Place::Line(1));
        assert_eq!(place(&root, &["b", "c"]), Place::Line(3));
        assert_eq!(place(&root, &["b", "c", "d"]), Place::Line(4));
        let Value::Table(table) = &root.value else { panic!() };
        let Value::List(items) = &table["e"].value else { panic!() };
        assert_eq!(place(&items[0], &["f"]), Place::Line(8));
    }

    #[test]
    fn every_error_of_syntax_is_told_with_its_line() {
        let errors = parse("a = \nb = 1\nc = = 2\nb = 3\n").unwrap_err();
        let lines: Vec<&Place> = errors.iter().map(|(place, _)| place).collect();
        for line in [1, 3, 4] {
            assert!(lines.contains(&&Place::Line(line)), "{errors:?}");
        }
        assert!(errors.iter().all(|(_, text)| !text.contains('\n')), "{errors:?}");
    }

    #[test]
    fn a_number_that_is_too_large_is_an_error_with_its_line() {
        let errors = parse("a = 1\nb = 99999999999999999999999999\n").unwrap_err();
        assert_eq!(errors[0].0, Place::Line(2), "{errors:?}");
    }

    #[test]
    fn a_variables_text_is_toml_or_json_or_itself() {
        let plain = |text: &str| Node { place: Place::File, value: Value::Variable(text.into()) }.into_plain();
        assert_eq!(plain("10"), Leaf::Integer(10));
        assert_eq!(plain("[\"a\", \"b\"]"), Leaf::Array(vec!["a".into(), "b".into()]));
        assert_eq!(plain("{\"env\": \"A\"}"), "{ env = 'A' }".parse::<Leaf>().unwrap());
        assert_eq!(plain("https://example.com/"), Leaf::String("https://example.com/".into()));
        assert_eq!(plain("\"10\""), Leaf::String("10".into()));
        assert_eq!(plain("2026-11-24"), Leaf::String("2026-11-24".into()));
        assert_eq!(plain("1\nother = 2"), Leaf::String("1\nother = 2".into()));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}|[a-c=\\[\\]{}\"'.\\n#0-9_-]{0,80}") {
            let _ = parse(&text).map(Node::into_plain);
        }
    }
}
