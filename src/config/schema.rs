//! The JSON Schema of the config, for editors. It is made from the keys that the sections read, with their forms and
//! defaults, and from the descriptions of [`reference`](super::reference).
//!
//! It refuses less than the sections do: most rules about several keys, and checks that no pattern can express, are not in
//! it.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::keys::Key;
use super::reading::Shown;
use super::reference;

/// A kind of sink, with its own keys.
#[derive(Clone, Debug)]
pub struct SinkKind {
    /// The value of `kind`.
    pub name: &'static str,
    /// Its purpose in one line.
    pub summary: &'static str,
    /// Its page in docs/sinks/, whose table describes its keys.
    pub page: &'static str,
    /// Its own keys, with their paths in the sink's section.
    pub keys: Vec<Key>,
}

/// The schema of a config whose sinks are of these kinds.
pub fn schema(kinds: &[SinkKind]) -> Json {
    let found = super::load::describe();
    let words = reference::of_keys();
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The config of reelhook",
        "description": "Made by `reelhook config schema`. It does not know values from environment variables.",
        "type": "object",
        "additionalProperties": false,
    });
    for key in &found.keys {
        let text = words_for(&words, &key.path);
        add(&mut root, key, text.unwrap_or_default());
    }
    for rule in found.rules {
        if let Json::Object(members) = rule.rule {
            members.into_iter().for_each(|(name, value)| at(&mut root, &rule.path)[name] = value);
        }
    }
    sinks(&mut root, kinds);
    root
}

/// The description of a key. A key that every sink has is described in `[dispatch]`, where its default is.
fn words_for<'w>(words: &'w BTreeMap<String, String>, path: &str) -> Option<&'w str> {
    let of_dispatch = path.strip_prefix("sinks.*.").and_then(|key| words.get(&format!("dispatch.{key}")));
    let of_each = || ["[]", ".*"].iter().find_map(|each| words.get(&format!("{path}{each}")));
    of_dispatch.or_else(|| words.get(path)).or_else(of_each).map(String::as_str)
}

/// The schema of the section at `path`.
fn at<'s>(root: &'s mut Json, path: &str) -> &'s mut Json {
    path.split('.').filter(|part| !part.is_empty()).fold(root, |schema, part| match part.strip_suffix("[]") {
        Some(name) => &mut schema["properties"][name]["items"],
        None if part == "*" => &mut schema["additionalProperties"],
        None => &mut schema["properties"][part],
    })
}

/// Adds a key to the section that it is in.
fn add(root: &mut Json, key: &Key, text: &str) {
    let mut form = key.form.clone();
    let texts = [text, form["description"].as_str().unwrap_or_default()];
    let description = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    if !description.is_empty() {
        form["description"] = description.into();
    }
    if let Shown::Value(default) = &key.default {
        form["default"] = default.clone();
    }
    *at(root, &key.path) = form;
    if key.is_required {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        match &mut at(root, section)["required"] {
            Json::Array(required) => required.push(name.into()),
            none => *none = json!([name]),
        }
    }
}

/// Gives each kind of sink a definition: the keys that every sink has, and its own.
fn sinks(root: &mut Json, kinds: &[SinkKind]) {
    let every = at(root, "sinks.*").take();
    let mut definitions = Map::new();
    for kind in kinds {
        let mut sink = every.clone();
        sink["description"] = kind.summary.into();
        sink["properties"]["kind"] = json!({ "const": kind.name, "description": kind.summary });
        let words = reference::of_sink(kind.page);
        for key in &kind.keys {
            add(&mut sink, key, words.get(&key.path).map(String::as_str).unwrap_or_default());
        }
        definitions.insert(format!("{}_sink", kind.name), sink);
    }
    let each: Vec<Json> = definitions.keys().map(|name| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    // A build without sinks takes none.
    *at(root, "sinks.*") = if each.is_empty() { json!(false) } else { json!({ "oneOf": each }) };
    root["$defs"] = definitions.into();
}
