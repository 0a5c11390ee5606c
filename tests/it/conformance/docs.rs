//! docs/conformance.md lists the checks that there are, each with its level and its source.

use std::fmt::Write;

use reelhook::simulator::conformance::listed;

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md")).unwrap()
}

#[test]
fn the_page_lists_every_check_as_it_is() {
    let mut rows = String::from("| check | level | expected | because |\n|---|---|---|---|\n");
    for check in listed() {
        let (level, source) = (check.level.as_str(), check.source.to_string());
        writeln!(rows, "| `{}` | {level} | {} | {source} |", check.name, check.expected).unwrap();
    }
    assert!(page().contains(&rows), "docs/conformance.md has not this table:\n{rows}");
}
