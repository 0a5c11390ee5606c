//! Every `INSERT` names its columns, so that a column that a migration adds changes no statement.

use super::code::modules;

/// The words of a text, with a bracket as a word of its own.
fn words(text: &str) -> Vec<String> {
    let apart = text.replace('(', " ( ");
    apart.split_whitespace().map(str::to_owned).collect()
}

/// The tables into which a text inserts rows without naming columns.
fn unnamed(text: &str) -> Vec<String> {
    let words = words(text);
    // `VACUUM INTO` inserts nothing.
    let into = words.windows(4).filter(|it| !it[0].ends_with("VACUUM") && it[1] == "INTO" && it[3] != "(");
    into.map(|it| it[2].clone()).collect()
}

#[test]
fn every_insert_names_its_columns() {
    let mut found = Vec::new();
    for module in modules().into_iter().filter(|module| module.room() == Some("store")) {
        let text = std::fs::read_to_string(&module.file).unwrap();
        found.extend(unnamed(&text).into_iter().map(|table| format!("{}: {table}", module.file.display())));
    }
    assert!(found.is_empty(), "name the columns after the table\n{}", found.join("\n"));
}

#[test]
fn an_insert_without_columns_is_found() {
    assert_eq!(unnamed("INSERT OR IGNORE INTO a VALUES (1); INSERT INTO b SELECT 1"), ["a", "b"]);
    assert!(unnamed("INSERT INTO a (x) VALUES (1); REPLACE INTO b(x) SELECT 1").is_empty());
}
