//! The drawing in docs/architecture.md, as a test: arrows point down only. It reads the code as the compiler does ([`code`]),
//! so that no spelling of a path walks around it.

mod additions;
mod circles;
mod code;
mod inserts;
mod log_fields;
mod names;
mod parameters;

use self::code::{Module, modules};

/// Each module and its floor. Rooms on one floor have no doors between them, but for those in [`DOORS`].
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("telemetry", 0),
    ("clock", 0),
    ("tls", 0),
    ("sources", 0),
    ("tasks", 0),
    ("web", 0),
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
    ("running", 3),
    ("http", 4),
    ("operator", 4),
    ("operator_events", 4),
    ("api", 5),
    ("console", 5),
    ("app", 6),
    ("simulator", 6),
    ("cli", 7),
];

/// Doors between rooms of one floor: metrics count the domain's closed enums, by the clock, and a log line
/// repeats what came from outside cut; a body that is held back gives
/// way with its connection.
const DOORS: &[(&str, &str)] =
    &[("telemetry", "domain"), ("telemetry", "clock"), ("telemetry", "wording"), ("bodies", "connections")];

/// The simulator is the other side of the wire: of ours it may use these alone. `config` reads its scripts, which are
/// files and never on the wire.
const SIMULATOR_MAY_USE: &[&str] = &["clock", "tls", "config"];

/// Who may declare something verified.
const DECLARE: &[&str] = &["domain", "graph"];

fn floor(module: &str) -> u8 {
    let known = FLOORS.iter().find(|(name, _)| *name == module);
    known.unwrap_or_else(|| panic!("module `{module}` has no floor: give it one in tests/it/floors/mod.rs")).1
}

/// The rooms' modules: all but the root, which only lists the rooms.
fn in_rooms() -> Vec<Module> {
    modules().into_iter().filter(|module| module.room().is_some()).collect()
}

#[test]
fn arrows_point_down() {
    for module in in_rooms() {
        let room = module.room().unwrap();
        for name in &module.names {
            let Some(used) = module.room_of(name) else { continue };
            if used == room || DOORS.contains(&(room, used.as_str())) {
                continue;
            }
            assert!(
                floor(&used) < floor(room),
                "{}: `{room}` (floor {}) uses `{}` (floor {})",
                module.file.display(),
                floor(room),
                name.join("::"),
                floor(&used)
            );
        }
    }
}

#[test]
fn the_simulator_uses_nothing_of_the_receivers() {
    for module in in_rooms().iter().filter(|module| module.room() == Some("simulator")) {
        for used in module.names.iter().filter_map(|name| module.room_of(name)) {
            let allowed = used == "simulator" || SIMULATOR_MAY_USE.contains(&used.as_str());
            assert!(allowed, "{}: uses `{used}`", module.file.display());
        }
    }
}

#[test]
fn only_graph_declares_something_verified() {
    for module in in_rooms() {
        let may = DECLARE.contains(&module.room().unwrap());
        assert!(may || !module.words.contains("declare"), "{} declares something verified", module.file.display());
    }
}

#[test]
fn only_reply_knows_status_codes() {
    let is_reply = |module: &Module| module.path.last().is_some_and(|name| name == "reply");
    for module in in_rooms().iter().filter(|module| module.room() == Some("http") && !is_reply(module)) {
        assert!(!module.words.contains("StatusCode"), "{}", module.file.display());
        let builds =
            |name: &&Vec<String>| name.iter().rev().nth(1).is_some_and(|word| word.starts_with("HttpResponse"));
        assert_eq!(module.names.iter().find(builds), None, "{}", module.file.display());
    }
}

#[test]
fn only_bodies_reads_a_body() {
    // The simulator is the other side of the wire. The connections hand a body on, and see how far it is read.
    let others = ["bodies", "connections", "simulator"];
    for module in in_rooms().iter().filter(|module| !others.contains(&module.room().unwrap())) {
        for reader in ["take_payload", "FormConfig", "JsonConfig", "PayloadConfig"] {
            assert!(!module.words.contains(reader), "{}: {reader}", module.file.display());
        }
        for reader in [["web", "Payload"], ["web", "Form"]] {
            let named = module.names.iter().any(|name| name.ends_with(&reader.map(str::to_owned)));
            assert!(!named, "{}: {}", module.file.display(), reader.join("::"));
        }
    }
}
