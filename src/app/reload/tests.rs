//! Every key changes with a reload, or needs a restart and is listed as such in docs/operations.md.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::changes::Changes;
use super::restart;
use crate::config::{Config, parse, schema};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// A config with every section whose keys are read only where it is present.
const BASE: &str = "[calls]\napp_ids = ['x']\n[subscriptions]\napp_ids = ['x']\nclient_states = [{ env = 'STATE' }]\n\
                    [server]\ntrusted_proxies = ['10.0.0.0/8']\n[store]\nencryption_key = { env = 'KEY' }\n";

/// 32 bytes in base64, so that it is a store's key too.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Another one.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// The keys whose form does not say all of what a value must be.
fn special() -> BTreeMap<&'static str, Json> {
    let token = json!([{ "name": "a", "sha256": "a".repeat(64), "scopes": ["read"] }]);
    let certificate = json!([{ "id": "a", "private_key": { "env": "OTHER" } }]);
    BTreeMap::from([
        ("admin.tokens", token),
        ("subscriptions.certificates", certificate),
        ("dispatch.retry", json!(["0s"])),
        ("log.filter", json!("debug")),
        ("server.max_body", json!("2MiB")),
        ("server.shutdown_delay", json!("1s")),
        ("server.trusted_proxies", json!(["fd00::/8"])),
        ("store.url", json!("postgres://other.example/reelhook")),
    ])
}

fn config(section: &str, key: &str, value: Json) -> Config {
    let mut root: toml::Table = BASE.parse().unwrap();
    let table = root.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    table.as_table_mut().unwrap().insert(key.to_owned(), toml::Value::try_from(value).unwrap());
    of(&toml::to_string(&root).unwrap())
}

fn of(text: &str) -> Config {
    let variables =
        [("STATE", "state"), ("OTHER", SECRET), ("KEY", KEY)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    parse(text, variables.into_iter()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}")).config
}

/// A value that a key may have, other than its default.
fn other(form: &Json) -> Json {
    let default = &form["default"];
    let either = |values: [Json; 2]| values.into_iter().find(|value| value != default).unwrap();
    if let Some(words) = form["enum"].as_array() {
        return words.iter().find(|word| *word != default).unwrap().clone();
    }
    if !form["oneOf"].is_null() {
        return json!({ "env": "OTHER" });
    }
    let text = |name: &str| form[name].as_str().unwrap_or_default();
    let bounds =
        text("description").rsplit_once(", from ").and_then(|(_, range)| range.strip_suffix('.')?.split_once(" to "));
    match text("type") {
        "boolean" => json!(default != true),
        "integer" => either([form["maximum"].clone(), form["minimum"].clone()]),
        "number" => json!(0.5),
        "array" => json!([other(&form["items"])]),
        _ => match (bounds, &form["examples"][0]) {
            (Some((from, to)), _) => either([to.into(), from.into()]),
            // No other key has this port.
            (None, Json::String(example)) => example.replace(":8080", ":9").into(),
            _ if text("format") == "uri" => json!("https://other.example/"),
            _ if text("pattern").starts_with("^(/") => json!("/other"),
            _ => json!("other"),
        },
    }
}

/// The keys of `section` that the page lists; `keys` are all.
fn listed(section: &str, keys: &BTreeSet<String>) -> BTreeSet<String> {
    let (_, table) = OPERATIONS.split_once("\nThese keys need a restart:\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let row = rows.filter_map(|line| line.strip_prefix(&format!("| `[{section}]` | "))?.strip_suffix(" |")).next();
    match row {
        None => BTreeSet::new(),
        Some("all") => keys.clone(),
        Some(row) => row.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
    }
}

#[test]
fn every_key_is_changed_by_a_reload_or_is_listed_as_one_that_needs_a_restart() {
    let (schema, old, mut n) = (schema(&[]), of(BASE), 0);
    for (section, form) in schema["properties"].as_object().unwrap() {
        let Some(keys) = form["properties"].as_object() else { continue };
        let mut need_restart = BTreeSet::new();
        for (key, form) in keys {
            let path = format!("{section}.{key}");
            let value = special().remove(path.as_str()).unwrap_or_else(|| other(form));
            let (new, kept) = restart::keep_values(&old, config(section, key, value));
            let changed = Changes::between(&old, &new, &BTreeSet::new()).names();
            if kept.is_empty() {
                assert!(changed == [path.as_str()] || changed == [section.as_str()], "{path}: changes {changed:?}");
            } else {
                assert_eq!((kept, changed), (vec![path], Vec::new()));
                need_restart.insert(key.clone());
            }
            n += 1;
        }
        assert_eq!(listed(section, &keys.keys().cloned().collect()), need_restart, "docs/operations.md: [{section}]");
    }
    assert!(n > 50, "{n}");
}
