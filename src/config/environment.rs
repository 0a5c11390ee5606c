//! The environment overrides the file: `REELHOOK__SERVER__LISTEN` is `server.listen`.
//!
//! Two underscores separate the parts of a key path. Case does not matter, and `_` also stands for `-`:
//! `REELHOOK__SINKS__CRM_EU__URL` sets the sink `crm-eu`. A variable's text is the value itself; for a list or a table
//! it is TOML or JSON. A list is given as a whole.
//!
//! **Invariants**
//! 1. A variable with the prefix that overrides nothing is a mistake: it becomes an unknown key, which the reader of
//!    the tree reports.
//! 2. There is no text substitution: a variable is one value, whatever characters it contains.

use std::collections::BTreeMap;

use super::remark::Place;
use super::tree::{Node, Value};

/// The prefix of the variables that override a value.
pub const PREFIX: &str = "REELHOOK__";

/// The environment of this process. Bytes that are not UTF-8 are replaced, because `std::env::vars` would panic.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Puts every variable with the prefix into the tree; returns the mistakes in those that do not fit.
pub fn overlay(root: &mut Node, variables: &BTreeMap<String, String>) -> Vec<(Place, String)> {
    let mut wrong = Vec::new();
    for (name, text) in variables {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let path = path.to_ascii_lowercase();
        let parts: Vec<&str> = path.split("__").collect();
        let node = Node { place: Place::Variable(name.clone()), value: Value::Variable(text.clone()) };
        if let Err(text) = put(root, &parts, node) {
            wrong.push((Place::Variable(name.clone()), text));
        }
    }
    wrong
}

fn put(within: &mut Node, path: &[&str], node: Node) -> Result<(), String> {
    let table = match &mut within.value {
        Value::Table(table) => table,
        Value::List(_) => {
            return Err("found a key inside a list, expected the whole list in one variable, in TOML or JSON".into());
        }
        Value::Leaf(_) | Value::Variable(_) => {
            return Err(format!("found a key inside a value, expected a table there (it is {})", told(within)));
        }
    };
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if first.is_empty() {
        return Err(format!("found an empty part in the name, expected {PREFIX}SECTION__KEY"));
    }
    let key = named(table, first)?;
    if rest.is_empty() {
        table.insert(key, node);
        return Ok(());
    }
    let child =
        table.entry(key).or_insert_with(|| Node { place: node.place.clone(), value: Value::Table(BTreeMap::new()) });
    put(child, rest, node)
}

/// The key that a part of a variable's name stands for: an existing or a new one.
fn named(table: &BTreeMap<String, Node>, part: &str) -> Result<String, String> {
    let same = |key: &&String| key.to_ascii_lowercase().replace('-', "_") == part;
    let mut keys = table.keys().filter(same);
    match (keys.next(), keys.next()) {
        (Some(key), Some(other)) => {
            Err(format!("found a name that means both {key} and {other}, expected one of them"))
        }
        (Some(key), None) => Ok(key.clone()),
        (None, _) => Ok(part.to_owned()),
    }
}

fn told(node: &Node) -> &'static str {
    match node.place {
        Place::Variable(_) => "given by another variable",
        Place::File | Place::Line(_) => "given by the file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn overlaid(text: &str, variables: &[(&str, &str)]) -> (toml::Value, Vec<String>) {
        let mut root = tree::parse(text).unwrap();
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let wrong = overlay(&mut root, &variables).into_iter().map(|(_, text)| text).collect();
        (root.into_plain(), wrong)
    }

    #[test]
    fn a_variable_replaces_a_value_and_makes_what_is_missing() {
        let variables = [("REELHOOK__A__B", "2"), ("REELHOOK__C__D__E", "x"), ("REELHOOK_A__B", "3"), ("PATH", "/bin")];
        let (value, wrong) = overlaid("[a]\nb = 1\nz = 0\n", &variables);
        assert_eq!(value, "{ a = { b = 2, z = 0 }, c = { d = { e = 'x' } } }".parse().unwrap());
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn case_and_dashes_do_not_matter() {
        let variables = [("REELHOOK__SINKS__CRM_EU__HEADERS__X_TEAM", "b")];
        let (value, _) = overlaid("[sinks.crm-eu.headers]\nX-Team = 'a'\n", &variables);
        assert_eq!(value, "{ sinks = { crm-eu = { headers = { X-Team = 'b' } } } }".parse().unwrap());
    }

    #[test]
    fn what_cannot_be_put_anywhere_is_told() {
        let text = "a-b = 1\na_b = 2\nlist = [1]\n";
        for (name, part) in [
            ("REELHOOK__", "empty part"),
            ("REELHOOK__X____Y", "empty part"),
            ("REELHOOK__A_B", "both a-b and a_b"),
            ("REELHOOK__LIST__0", "whole list"),
        ] {
            let (_, wrong) = overlaid(text, &[(name, "1")]);
            assert!(wrong.len() == 1 && wrong[0].contains(part), "{name}: {wrong:?}");
        }
        let (_, wrong) = overlaid("", &[("REELHOOK__A", "1"), ("REELHOOK__A__B", "2")]);
        assert!(wrong.len() == 1 && wrong[0].contains("given by another variable"), "{wrong:?}");
    }
}
