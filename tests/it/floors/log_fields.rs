//! The fields of the log: each has one name and one meaning, and the page for operators lists them all.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

use super::code::modules;

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
/// What a line says about itself, not a field.
const NOT_FIELDS: [&str; 3] = ["target", "parent", "name"];

/// The fields of every log line of some items.
#[derive(Default)]
struct Fields(BTreeSet<String>);

impl<'a> Visit<'a> for Fields {
    fn visit_macro(&mut self, it: &'a syn::Macro) {
        let path: Vec<String> = it.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match &path[..] {
            [room, level] if room == "tracing" && LEVELS.contains(&level.as_str()) => {
                self.0.extend(fields(it.tokens.clone()));
            }
            _ => self.look_within(it.tokens.clone()),
        }
    }
}

impl Fields {
    /// Looks for lines within another macro, which is no code yet: `tracing`, `:`, `:`, level, `!`, the line.
    fn look_within(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for at in 0..tokens.len() {
            let TokenTree::Group(group) = &tokens[at] else { continue };
            let before: String = tokens[at.saturating_sub(5)..at].iter().map(ToString::to_string).collect();
            match LEVELS.iter().any(|level| before == format!("tracing::{level}!")) {
                true => self.0.extend(fields(group.stream())),
                false => self.look_within(group.stream()),
            }
        }
    }
}

/// The names of the fields in the words of a log line: those before its text.
fn fields(line: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = line.into_iter().collect();
    let is = |token: &TokenTree, sign: char| matches!(token, TokenTree::Punct(it) if it.as_char() == sign);
    let parts = tokens.split(|token| is(token, ','));
    let named = parts.map_while(|part| {
        let name = part.iter().skip_while(|token| is(token, '%') || is(token, '?'));
        let name: String = name
            .take_while(|token| matches!(token, TokenTree::Ident(_)) || is(token, '.'))
            .map(ToString::to_string)
            .collect();
        (!name.is_empty()).then_some(name)
    });
    named.filter(|name| !NOT_FIELDS.contains(&name.as_str())).collect()
}

#[test]
fn the_fields_of_a_line_are_found_however_they_are_written() {
    let line = r#"%sink, delivery = %it.id, ?grace, n = outcomes.len(), reason = f(a, b), "text {}", not.a_field"#;
    assert_eq!(fields(line.parse().unwrap()), ["sink", "delivery", "grace", "n", "reason"]);
    assert_eq!(fields("\"text\"".parse().unwrap()), Vec::<String>::new());
}

#[test]
fn the_page_for_operators_lists_the_fields_of_the_log_and_no_others() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in modules() {
        let mut fields = Fields::default();
        module.items.iter().for_each(|item| fields.visit_item(item));
        for field in fields.0 {
            found.entry(field).or_default().push(module.file.display().to_string());
        }
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let table = page.split("### Fields of the log").nth(1).unwrap().split("\n#").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<&str> = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let unlisted: BTreeMap<&String, &Vec<String>> =
        found.iter().filter(|(field, _)| !listed.contains(&field.as_str())).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    let gone: Vec<&&str> = listed.iter().filter(|field| !found.contains_key(**field)).collect();
    assert!(gone.is_empty(), "no line has {gone:?}");
    let once: BTreeSet<&&str> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a field is listed twice");
}
