//! The JSON Schema of the config, read by an independent validator: it takes what reelhook takes, refuses misspelt keys
//! and wrong values, and says of each key what the reference says.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use reelhook::config;
use reelhook::sinks::{KINDS, Kind};
use serde_json::{Value, json};

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        const URL: &str = "https://reelhook.example/config.json";
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.add_resource(URL, made()).unwrap();
        let index = compiler.compile(URL, &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    /// What is wrong with a config by the schema.
    fn judge(&self, text: &str) -> Result<(), String> {
        let config: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let config = serde_json::to_value(config).unwrap();
        self.schemas.validate(&config, self.index).map_err(|error| format!("{error:#}"))
    }
}

fn made() -> Value {
    config::schema(&KINDS.iter().map(Kind::described).collect::<Vec<_>>())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// The configs of the repository.
fn configs() -> Vec<PathBuf> {
    let examples = fs::read_dir(folder().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    // Not every build has this kind.
    let examples = examples.filter(|path| cfg!(feature = "kafka") || !path.ends_with("kafka.toml"));
    examples.chain([folder().join("reelhook.toml")]).collect()
}

/// The reference with every key set that it shows.
fn reference_in_full() -> String {
    let text = fs::read_to_string(folder().join("reelhook.toml")).unwrap();
    let shown =
        |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#', ':'])).map(str::to_owned);
    text.lines().map(|line| shown(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
}

const LEAST: &str = "[calls]\napp_ids = ['x']\n";

#[test]
fn the_reference_and_the_examples_are_right_by_it() {
    let schema = Schema::new();
    let configs = configs();
    assert!(configs.len() > 5);
    for path in configs {
        let text = fs::read_to_string(&path).unwrap();
        schema.judge(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    schema.judge(&reference_in_full()).unwrap_or_else(|error| panic!("{error}"));
    let sinks = "[sinks.a]\nkind = 'stdout'\ntimeout = '1m'\n[sinks.b]\nkind = 'http'\nurl = { env = 'URL' }\n\
                 secret = { file = 'f' }\nheaders = { X-A = 'b', Authorization = { env = 'A' } }\n\
                 [sinks.c]\nkind = 'file'\npath = 'x'\nmax_bytes = '64 MB'\nmax_age = '1h 30m'\nkeep = 3\n";
    schema.judge(&format!("{LEAST}{sinks}")).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_wrong_key_or_value_is_refused_by_it_as_by_reelhook() {
    let schema = Schema::new();
    let file = "[sinks.a]\nkind = 'file'\npath = 'x'\n";
    let route = |condition: &str| format!("{file}[[routes]]\nname = 'r'\nsinks = ['a']\n{condition}\n");
    let wrong = [
        "[server]\nlissten = '0.0.0.0:1'\n".to_owned(),
        "[servers]\n".to_owned(),
        "[server]\nmax_items = 0\n".to_owned(),
        "[server]\nmax_items = '5'\n".to_owned(),
        "[server]\nmax_body = 1048576\n".to_owned(),
        "[server]\nmax_body = '1048576'\n".to_owned(),
        "[server]\nbody_timeout = '5'\n".to_owned(),
        "[server]\nproxy_protocol = 'yes'\n".to_owned(),
        "[server]\ntrusted_proxies = '10.0.0.0/8'\n".to_owned(),
        "[store]\nencryption_key = 'secret'\n".to_owned(),
        "[store]\nencryption_key = { file = 'a', env = 'b' }\n".to_owned(),
        "[store]\nquarantine_strangers_share = 1.5\n".to_owned(),
        "[log]\nformat = 'xml'\n".to_owned(),
        "[[admin.tokens]]\nname = 'a'\nscopes = ['read']\n".to_owned(),
        format!("[[admin.tokens]]\nname = 'a'\nsha256 = '{}'\nscopes = ['all']\n", "0".repeat(64)),
        "[subscriptions]\napp_ids = ['x']\n".to_owned(),
        "[dispatch]\nretry = ['soon']\n".to_owned(),
        "[sinks.A]\nkind = 'stdout'\n".to_owned(),
        "[sinks.a]\nkind = 'flie'\npath = 'x'\n".to_owned(),
        "[sinks.a]\nkind = 'file'\n".to_owned(),
        "[sinks.a]\nkind = 'stdout'\npath = 'x'\n".to_owned(),
        "[sinks.a]\nkind = 'http'\nurl = 3\n".to_owned(),
        format!("{file}batch_size = 5000\n"),
        format!("{file}tiemout = '3s'\n"),
        "[[routes]]\nname = 'r'\nsinks = []\n".to_owned(),
        "[[routes]]\nsinks = ['a']\n".to_owned(),
        route("client_context = { prefix = 'a', glob = 'b' }"),
        route("client_context = { equals = 1 }"),
        route("resource = { json = '/a', equals = 1 }"),
        route("status = []"),
        route("channel = 'phone'"),
    ];
    for text in wrong {
        let text = format!("{LEAST}{text}");
        assert!(is_refused(&text), "reelhook takes it:\n{text}");
        assert!(schema.judge(&text).is_err(), "the schema takes it:\n{text}");
    }
    assert!(schema.judge("[calls]\napp_ids = []\n").is_err() && schema.judge("[server]\n").is_err());
    schema.judge(LEAST).unwrap();
}

/// Whether reelhook refuses a config: for its own keys, or for those of a sink's kind.
fn is_refused(text: &str) -> bool {
    let loaded = config::parse(text, std::iter::empty());
    loaded.map_or(true, |it| {
        it.config.sinks.iter().any(|sink| reelhook::sinks::build(sink, &reelhook::sinks::Context::default()).is_err())
    })
}

/// Every key of the schema: its path and what is said of it.
fn keys(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    for (name, key) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        keys(key, &path, found);
        keys(&key["items"], &path, found);
        found.push((path, key.clone()));
    }
}

#[test]
fn every_key_has_its_words() {
    let schema = made();
    let mut found = Vec::new();
    keys(&schema, "", &mut found);
    for (name, sink) in schema["$defs"].as_object().unwrap() {
        keys(sink, name, &mut found);
    }
    assert!(found.len() > 110, "{}", found.len());
    // The conditions are told together, above the first; the first key of the file has only its section's words.
    let told_above =
        |path: &str| path.contains("client_context.") || path.contains(".resource.") || path == ".server.listen";
    let without = found.iter().filter(|(path, key)| !told_above(path) && key["description"].as_str().is_none());
    let without: Vec<&String> = without.map(|(path, _)| path).collect();
    const ALONE: [&str; 5] =
        [".admin.listen", ".calls.path", ".subscriptions.path", ".subscriptions.lifecycle_path", ".routes.name"];
    let unexpected: Vec<_> = without.iter().filter(|path| !ALONE.contains(&path.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    let of = |path: &str| &found.iter().find(|(found, _)| found == path).unwrap_or_else(|| panic!("{path}")).1;
    assert_eq!(of(".server.body_timeout")["default"], "5s");
    assert_eq!(of(".server.workers")["default"], Value::Null, "it depends on the machine");
    assert_eq!(of(".store.disk_reserve")["default"], "256MiB");
    assert_eq!(
        of("http_sink.kind"),
        &json!({ "const": "http", "description": "a POST for each event, signed if `secret` is set (Standard Webhooks, CloudEvents)" })
    );
    assert!(of("file_sink.keep")["description"].as_str().unwrap().starts_with("How many rotated files"));
    assert!(of(".server.body_timeout")["description"].as_str().unwrap().ends_with("from 1s to 5m."));
}

#[test]
#[cfg(feature = "all-sinks")]
fn the_schema_beside_the_reference_is_the_one_that_this_version_makes() {
    let text = fs::read_to_string(folder().join("reelhook.schema.json")).unwrap();
    let stored: Value = serde_json::from_str(&text).unwrap();
    assert!(stored == made(), "run: cargo run --features all-sinks -- config schema > config/reelhook.schema.json");
}

#[test]
fn editors_find_it_from_each_config() {
    for path in configs() {
        let text = fs::read_to_string(&path).unwrap();
        let Some(schema) = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")) else {
            // It is copied into the image, where there is no schema.
            assert!(path.ends_with("container.toml"), "{}", path.display());
            continue;
        };
        assert!(path.with_file_name(schema).exists(), "{}: {schema}", path.display());
    }
}
