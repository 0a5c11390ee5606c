//! What an addition touches, counted: the code names a kind of sink, and an event of record operations, in few places.
//! `CONTRIBUTING.md` lists them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reelhook::domain::OperationEvent;
use reelhook::sinks::KINDS;

use super::code::{Module, modules};

/// Where the code names an event because it acts on it: the module, the event, and why.
const ACTS_ON_EVENTS: &[(&str, &str, &str)] = &[
    ("domain::expectation", "Overdue", "a deadline that passed is reported by it"),
    ("domain::expectation", "Lost", "a call that ended is reported by it"),
    ("domain::expectation", "Recovered", "an end that came late is reported by it"),
    ("domain::notification", "Unknown", "a content that cannot be read has this type"),
    ("operator::words", "Lost", "it tells the end of the call"),
    ("operator::words", "Recovered", "it tells the end of the operation"),
    ("store::postgres::write::accept", "Recovered", "it is stored with the end that came late"),
    ("store::sqlite::write::accept", "Recovered", "it is stored with the end that came late"),
];

/// Where the code uses a kind of sink as an operator does: by its name in a config.
const CONFIGURES_SINKS: &[(&str, &str)] = &[("cli::demo::setting", "stdout")];

fn text(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The lines of a file that are no comments and have `word` as a word of its own.
fn lines_with(file: &str, word: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let names = |line: &&str| line.split(|c| !is_part(c)).any(|it| it == word);
    let text = text(file);
    let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    code.filter(names).map(str::to_owned).collect()
}

fn is_within(module: &Module, folder: &[&str]) -> bool {
    module.path.len() >= folder.len() && module.path.iter().zip(folder).all(|(a, b)| a == b)
}

/// The type that `src/sinks/KIND/mod.rs` makes of its section.
fn type_of(kind: &str) -> String {
    let code = text(&format!("src/sinks/{kind}/mod.rs"));
    let (_, rest) = code.split_once("impl FromConfig for ").unwrap_or_else(|| panic!("{kind}: no FromConfig"));
    rest.split_once(' ').unwrap().0.to_owned()
}

#[test]
fn a_kind_of_sink_is_its_folder_two_lines_of_the_registry_and_its_feature() {
    let modules = modules();
    for kind in KINDS.iter().map(|kind| kind.name) {
        let sink = type_of(kind);
        for module in modules.iter().filter(|module| !is_within(module, &["sinks", kind])) {
            let (name, file) = (module.path.join("::"), module.file.display());
            let is_registry = name == "sinks";
            assert_eq!(module.words.contains(&sink), is_registry, "{file}: {sink}");
            let leads_in =
                |path: &Vec<String>| path.windows(2).any(|it| it == ["sinks", kind] || it == ["super", kind]);
            assert_eq!(module.names.iter().find(|path| leads_in(path)), None, "{file}");
            let configures = module.texts.iter().any(|text| text.contains(&format!("kind = \"{kind}\"")));
            assert_eq!(configures, CONFIGURES_SINKS.contains(&(&name, kind)), "{file}: a config with a sink {kind:?}");
        }
        let registered = [format!("pub mod {kind};"), format!("\"{kind}\": {kind}::{sink};")];
        assert_eq!(lines_with("src/sinks/mod.rs", kind), registered);
        let features = lines_with("Cargo.toml", kind);
        let is_listed = |line: &&String| line.contains(&format!("\"{kind}\"")) && !line.contains("features =");
        let defined = features.iter().filter(|line| line.starts_with(&format!("{kind} = ["))).count();
        assert_eq!((features.iter().filter(is_listed).count(), defined), (1, 1), "{kind}: {features:?}");
    }
}

#[test]
fn an_event_type_is_one_line_and_the_places_that_act_on_it() {
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    expected.extend(ACTS_ON_EVENTS.iter().map(|(module, event, _)| ((*module).to_owned(), (*event).to_owned())));
    let mut found = BTreeSet::new();
    for module in modules().iter().filter(|module| module.path != ["domain", "operation_event"]) {
        let events = module.names.iter().filter_map(|path| match path.iter().rev().take(2).collect::<Vec<_>>()[..] {
            [member, of] if of == "OperationEvent" => Some(member),
            _ => None,
        });
        let members = events.filter(|name| OperationEvent::ALL.iter().any(|event| format!("{event:?}") == **name));
        found.extend(members.map(|event| (module.path.join("::"), event.clone())));
        let glob = |path: &Vec<String>| path.ends_with(&["OperationEvent", "*"].map(str::to_owned));
        assert!(!module.names.iter().any(glob), "{}: names all members", module.file.display());
        for event in OperationEvent::ALL {
            assert!(!module.texts.contains(event.kind()), "{}: {:?}", module.file.display(), event.kind());
        }
    }
    assert_eq!(found, expected, "a place more makes every new event dearer: let it follow from the event's line");
    let lines = text("src/domain/operation_event.rs");
    for event in OperationEvent::ALL {
        let entry = format!("{event:?}, {:?}, ", event.word());
        assert_eq!(lines.lines().filter(|line| line.trim().starts_with(&entry)).count(), 1, "{entry}");
    }
}

/// The files that CONTRIBUTING.md lists for an addition.
fn listed(addition: &str) -> BTreeSet<String> {
    let page = text("CONTRIBUTING.md");
    let (_, rest) = page.split_once(&format!("\n### {addition}\n")).unwrap_or_else(|| panic!("no {addition:?}"));
    let rows =
        rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').nth(1).unwrap().to_owned());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_recipes_list_these_places() {
    let is_code = |it: &String| {
        !it.ends_with(".md") && !["tests/", "config/", "docs/"].iter().any(|folder| it.starts_with(folder))
    };
    let code = |files: BTreeSet<String>| files.into_iter().filter(is_code);
    let sink: Vec<String> = code(listed("A kind of sink")).collect();
    assert_eq!(sink, ["Cargo.toml", "src/sinks/KIND/", "src/sinks/mod.rs"]);
    let event: Vec<String> = code(listed("An event type of reelhook's own")).collect();
    assert_eq!(event, ["src/domain/operation_event.rs"]);
}

#[test]
fn every_file_that_a_recipe_names_exists() {
    let page = text("CONTRIBUTING.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words = page.split('`').skip(1).step_by(2);
    let is_file = |word: &&str| {
        word.contains('/')
            && !word.contains([' ', '<', '='])
            && !["KIND", "SECTION", "NAME", "DIR"].iter().any(|it| word.contains(it))
    };
    let roots = ["src/", "tests/", "docs/", "config/", "scripts/", "migrations/", "fuzz/"];
    let named: Vec<&str> = words.filter(is_file).filter(|word| roots.iter().any(|it| word.starts_with(it))).collect();
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<&str> = named.into_iter().filter(|file| !root.join(file).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
