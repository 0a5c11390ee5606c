//! The drawing in docs/architecture.md, as a test: arrows point down only.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and its floor. Rooms on one floor have no doors between them, but for those in [`DOORS`].
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("telemetry", 0),
    ("clock", 0),
    ("tls", 0),
    ("sources", 0),
    ("tasks", 0),
    ("wording", 0),
    ("config", 1),
    ("odata", 1),
    ("connections", 1),
    ("bodies", 1),
    ("graph", 2),
    ("routing", 2),
    ("store", 2),
    ("sinks", 2),
    ("access", 2),
    ("intake", 3),
    ("watch", 3),
    ("dispatch", 3),
    ("http", 4),
    ("api", 4),
    ("console", 4),
    ("app", 5),
    ("simulator", 5),
    ("cli", 6),
];

/// Doors between rooms of one floor: metrics count the domain's closed enums, by the clock; a body that is held back gives
/// way with its connection.
const DOORS: &[(&str, &str)] = &[("telemetry", "domain"), ("telemetry", "clock"), ("bodies", "connections")];

/// The simulator is the other side of the wire: of ours it may use these alone.
const SIMULATOR_MAY_USE: &[&str] = &["clock", "tls"];

/// Who may declare something proven.
const DECLARE: &[&str] = &["domain", "graph"];

fn floor(module: &str) -> u8 {
    let known = FLOORS.iter().find(|(name, _)| *name == module);
    known.unwrap_or_else(|| panic!("module `{module}` has no floor: give it one in tests/it/floors.rs")).1
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let root = folders[0].clone();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
                let module = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push((module, path, text));
            }
        }
    }
    found
}

/// The modules that a source names as `crate::module`, tests aside.
fn uses(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut used = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("crate::") {
        rest = &rest[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = &list[..list.find("};").unwrap_or(list.len())];
                used.extend(list.split(',').map(|item| item.trim().split("::").next().unwrap_or_default().to_owned()));
            }
            None => used.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
        }
    }
    used.retain(|name| !name.is_empty() && name.chars().next().is_some_and(char::is_lowercase));
    used
}

#[test]
fn arrows_point_down() {
    for (module, path, text) in sources() {
        if module == "lib" || module == "main" {
            continue;
        }
        for used in uses(&text) {
            if used == module || DOORS.contains(&(module.as_str(), used.as_str())) {
                continue;
            }
            assert!(
                floor(&used) < floor(&module),
                "{}: `{module}` (floor {}) uses `{used}` (floor {})",
                path.display(),
                floor(&module),
                floor(&used)
            );
        }
    }
}

#[test]
fn the_simulator_uses_nothing_of_the_receivers() {
    for (_, path, text) in sources().into_iter().filter(|(module, ..)| module == "simulator") {
        for used in uses(&text) {
            let allowed = used == "simulator" || SIMULATOR_MAY_USE.contains(&used.as_str());
            assert!(allowed, "{}: uses `{used}`", path.display());
        }
    }
}

#[test]
fn only_graph_declares_something_proven() {
    for (module, path, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if code.contains("Verified::declare") {
            assert!(DECLARE.contains(&module.as_str()), "{} declares something proven", path.display());
        }
    }
}

#[test]
fn only_reply_knows_status_codes() {
    for (module, path, text) in sources() {
        if module == "http" && path.file_name().is_some_and(|name| name != "reply.rs") {
            assert!(!text.contains("StatusCode"), "{}", path.display());
            for builder in ["HttpResponse::Ok", "HttpResponse::build", "HttpResponse::Bad", "HttpResponse::Not"] {
                assert!(!text.contains(builder), "{}: {builder}", path.display());
            }
        }
    }
}

#[test]
fn only_bodies_reads_a_body() {
    // The simulator is the other side of the wire. The connections hand a body on, and see how far it is read.
    let others = ["bodies", "connections", "simulator"];
    let ours = sources().into_iter().filter(|(module, ..)| !others.contains(&module.as_str()));
    for (module, path, text) in ours {
        for reader in ["take_payload", "web::Payload", "FormConfig", "JsonConfig", "PayloadConfig", "web::Form"] {
            assert!(!text.contains(reader), "{} ({module}): {reader}", path.display());
        }
        let imported = text.split("use actix_web::web::{").nth(1).and_then(|it| it.split("};").next());
        let named: Vec<&str> = imported.unwrap_or_default().split(',').map(str::trim).collect();
        assert!(!named.contains(&"Form") && !named.contains(&"Payload"), "{}: {named:?}", path.display());
    }
}
