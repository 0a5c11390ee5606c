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
    let is_of = |weight: Weight| {
        let checks = listed().into_iter().filter(|check| check.weight == weight);
        checks.map(|check| format!("`{}`", check.name)).collect::<Vec<_>>().join(", ")
    };
    for weight in [Weight::Entry, Weight::Guard, Weight::Delivery] {
        let row = format!("| {} | {} |\n", weight.fault().unwrap(), is_of(weight));
        assert!(page().contains(&row), "docs/conformance.md has not this row:\n{row}");
    }
}
