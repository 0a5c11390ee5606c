//! The descriptions of the keys. They are written once: in the comments of config/reelhook.toml, for each kind of sink in the
//! table of its page in docs/sinks/, and for the keys that several kinds have in the tables of docs/sinks.md. This module
//! takes them from there.

use std::collections::BTreeMap;

const REFERENCE: &str = include_str!("../../config/reelhook.toml");
const SINKS: &str = include_str!("../../docs/sinks.md");

/// The description of each key and section: `server.listen`, `routes[].name`.
pub fn of_keys() -> BTreeMap<String, String> {
    let mut described = BTreeMap::new();
    let mut section = String::new();
    // The comment above the line. It holds for several keys if no other comment stands between them.
    let mut comment: Vec<&str> = Vec::new();
    let mut is_used = false;
    for line in REFERENCE.lines() {
        if let Some(text) = line.strip_prefix("# ").filter(|text| !text.starts_with("---")) {
            if std::mem::take(&mut is_used) {
                comment.clear();
            }
            comment.push(text);
            continue;
        }
        let code = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
        let key = code.split_once(" = ").filter(|(key, _)| is_key(key)).map(|(key, _)| format!("{section}.{key}"));
        if code.starts_with('[') {
            section = path_of(code);
        }
        match key.or_else(|| code.starts_with('[').then(|| section.clone())) {
            Some(path) => {
                described.entry(path).or_insert_with(|| paragraph(&comment));
                is_used = true;
            }
            None => comment.clear(),
        }
        if code.starts_with('[') {
            comment.clear();
        }
    }
    described
}

/// The description of each key of a kind of sink that has this page, without those of `[dispatch]`.
pub fn of_sink(page: &str) -> BTreeMap<String, String> {
    let shared = ["What is sent", "Connections"].map(|heading| {
        let (_, section) = SINKS.split_once(&format!("\n## {heading}\n")).unwrap_or_default();
        rows(section)
    });
    shared.into_iter().flatten().chain(rows(page)).collect()
}

/// The keys of the tables of keys in a text: of each its name, and what its last cell says.
fn rows(text: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line.starts_with("| key |")) {
        let table = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        rows.extend(table.filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            Some(((*cells.first()?).trim_matches('`').to_owned(), sentence(&without_links(cells.last()?))))
        }));
    }
    rows
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
}

/// `[[admin.tokens]]` as a path: `admin.tokens[]`. The example's sink stands for each: `sinks.*`.
fn path_of(header: &str) -> String {
    let name = header.trim_matches(['[', ']']);
    match name.split_once('.') {
        Some(("sinks", _)) => "sinks.*".to_owned(),
        _ if header.starts_with("[[") => format!("{name}[]"),
        _ => name.to_owned(),
    }
}

/// The lines of a comment as one text. An indented line stays a line of its own.
fn paragraph(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            text.push(if line.starts_with(' ') { '\n' } else { ' ' });
        }
        text.push_str(line.trim_end());
    }
    text
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

/// `[text](address)` becomes `text`.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(&before.replacen('[', "", 1));
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_holds_for_the_keys_below_it() {
        let described = of_keys();
        let told = |key: &str| described.get(key).map(String::as_str).unwrap_or_default();
        assert!(told("server").starts_with("The public listener"), "{}", told("server"));
        assert!(told("server.workers").starts_with("Threads that serve requests"));
        assert!(told("calls.openid_configuration").starts_with("The accepted issuers"), "shared with the key above");
        assert!(told("admin.tokens[].name").starts_with("The owner"), "also where the section is not set");
        assert!(told("routes[].client_context").contains("\n  { prefix = "), "a list stays a list");
        assert_eq!(told("server.listen"), "");
    }

    #[test]
    fn a_sinks_keys_are_described_by_their_table() {
        let described = of_sink(
            "# A page\n\n| key | default | unit | purpose |\n|---|---|---|---|\n| `a` | `1` | | what [it](x) is |\n",
        );
        assert_eq!(described["a"], "What it is.");
        assert!(described["include_access_token"].starts_with("Whether to send the recording's token"));
        assert!(described["tls.ca"].starts_with("A file with the certificates"));
    }
}
