//! The conditions of a route on texts: what a client context or a path must be.

use crate::config::pattern;
use crate::config::reading::Read;
use crate::config::section::Section;
use crate::config::value::{json, text};

/// A condition on a client context or a path.
#[derive(Clone, Debug, PartialEq)]
pub enum TextMatch {
    /// It is one of these texts.
    Exact(Vec<String>),
    /// It begins with this text.
    Prefix(String),
    /// `*` and `?` over the whole text.
    Glob(String),
    /// A regular expression over the whole text; named groups become captures.
    Regex(String),
    /// The client context (no path) is JSON, and the value at the pointer (RFC 6901) is this one.
    Json {
        /// The pointer.
        pointer: String,
        /// The value.
        equals: serde_json::Value,
    },
}

/// Reads a condition on the client context.
pub fn client_context(section: &mut Section<'_>) -> Option<TextMatch> {
    let plain = plain_condition(section);
    let json = json_condition(section);
    let keys = ["exact", "prefix", "glob", "regex", "json"];
    section.need_one_of(&keys, "one of exact, prefix, glob, regex, or json with equals");
    plain.or(json)
}

/// Reads a condition on a path: its first slash is taken off on both sides, since Graph sends it here and not there.
pub fn resource(section: &mut Section<'_>) -> Option<TextMatch> {
    let plain = plain_condition(section);
    section.need_one_of(&["exact", "prefix", "glob", "regex"], "one of exact, prefix, glob, regex");
    let bare = |path: String| path.strip_prefix('/').map(str::to_owned).unwrap_or(path);
    Some(match plain? {
        TextMatch::Exact(paths) => TextMatch::Exact(paths.into_iter().map(bare).collect()),
        TextMatch::Prefix(path) => TextMatch::Prefix(bare(path)),
        TextMatch::Glob(path) => TextMatch::Glob(bare(path)),
        TextMatch::Regex(pattern) => {
            let after_slash = pattern.strip_prefix('/');
            if after_slash.is_some_and(|rest| !rest.starts_with(['?', '*'])) {
                let text =
                    format!("{pattern:?}: a path has no slash at its start here, as \"communications/calls/.*\"");
                section.report.warning(&section.path_of("regex"), text);
            }
            TextMatch::Regex(pattern)
        }
        json @ TextMatch::Json { .. } => json,
    })
}

fn plain_condition(section: &mut Section<'_>) -> Option<TextMatch> {
    let exact = section.one_or_more("exact", text());
    let prefix = section.read("prefix", text());
    let glob = section.read("glob", text());
    let regex = section.read("regex", text().check(|text| is_regex(text)));
    if let Some(glob) = glob.as_ref().filter(|glob| pattern::looks_bracketed(glob)) {
        let text = format!("{glob:?}: in a glob only * and ? are special; brackets and braces are plain characters");
        section.report.warning(&section.path_of("glob"), text);
    }
    let exact = (!exact.is_empty()).then_some(TextMatch::Exact(exact));
    exact.or(prefix.map(TextMatch::Prefix)).or(glob.map(TextMatch::Glob)).or(regex.map(TextMatch::Regex))
}

fn is_regex(text: &str) -> Read<()> {
    let parsed = pattern::regex(text).map(drop);
    parsed.map_err(|error| format!("found {text:?}, expected a regular expression: {error}"))
}

fn is_pointer(text: &str) -> Read<()> {
    let expected = "expected a JSON pointer (RFC 6901) as \"/team/name\", or \"\" for the whole";
    if pattern::is_pointer(text) { Ok(()) } else { Err(format!("found {text:?}, {expected}")) }
}

fn json_condition(section: &mut Section<'_>) -> Option<TextMatch> {
    let pointer = section.read("json", text().check(|text| is_pointer(text)));
    let equals = section.read("equals", json());
    let together = serde_json::json!({ "json": ["equals"], "equals": ["json"] });
    section.report.rule(section.path(), serde_json::json!({ "dependentRequired": together }));
    let (has_json, has_equals) =
        (section.report.has(&section.path_of("json")), section.report.has(&section.path_of("equals")));
    match (has_json, has_equals) {
        (true, false) => {
            section.report.mistake(&section.path_of("equals"), "found nothing, expected the value at the pointer")
        }
        (false, true) => section
            .report
            .mistake(&section.path_of("json"), "found nothing, expected the pointer to the value, as \"/team\""),
        _ => {}
    }
    Some(TextMatch::Json { pointer: pointer?, equals: equals? })
}
