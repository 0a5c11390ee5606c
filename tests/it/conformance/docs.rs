//! docs/conformance.md lists the checks that there are, each with its level and its source.

use std::fmt::Write;

use reelhook::simulator::conformance::{Weight, listed};

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

#[test]
fn the_page_names_the_checks_on_which_a_grade_hangs() {
    let is_of = |weights: &[Weight]| {
        let checks = listed().into_iter().filter(|check| weights.contains(&check.weight));
        checks.map(|check| format!("`{}`", check.name)).collect::<Vec<_>>().join(", ")
    };
    let rows = [
        ("takes no genuine notification", is_of(&[Weight::Entry])),
        ("takes forged ones from everybody", is_of(&[Weight::Guard])),
        ("delivers nothing", is_of(&[Weight::Fundamental])),
    ];
    for (meaning, checks) in rows {
        let row = format!("| {meaning} | {checks} |\n");
        assert!(page().contains(&row), "docs/conformance.md has not this row:\n{row}");
    }
}
