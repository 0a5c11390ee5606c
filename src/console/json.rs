//! JSON for people: indented, and coloured by classes. A text that is not JSON is shown as it is.
//!
//! **Invariants**
//! 1. Only the white space between its parts is changed: numbers, escapes, order and repeated names stay as they came. So
//!    it is read here, part by part, and not written again from values.
//! 2. Everything is escaped.

use std::fmt::{self, Display, Write};

use askama::filters::{Escaper, Html, HtmlSafe};
use serde::de::IgnoredAny;

use crate::wording::untrusted_text::cut;

/// A text as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    html: String,
}

impl HtmlSafe for Json {}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl Json {
    /// At most `limit` characters of a text.
    pub fn of(text: &str, limit: usize) -> Self {
        let mut page = Page { html: String::new(), left: limit, is_cut: false };
        // The compiler knows that writing to a String cannot fail; the trait does not.
        let _ = match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => indented(text, &mut page),
            Err(_not_json) => page.put("", text),
        };
        if page.is_cut {
            page.html.push_str("\n… (cut)");
        }
        Self { html: page.html }
    }
}

/// What is written so far.
struct Page {
    html: String,
    /// How many characters may follow.
    left: usize,
    is_cut: bool,
}

impl Page {
    /// Adds a part of this class; an empty one: of none.
    fn put(&mut self, class: &str, part: &str) -> fmt::Result {
        let shown = cut(part, self.left);
        self.is_cut |= shown.len() < part.len();
        self.left -= shown.chars().count();
        if class.is_empty() || shown.is_empty() {
            return Html.write_escaped_str(&mut self.html, shown);
        }
        write!(self.html, "<span class=\"{class}\">")?;
        Html.write_escaped_str(&mut self.html, shown)?;
        self.html.write_str("</span>")
    }

    fn line(&mut self, depth: usize) -> fmt::Result {
        self.put("", &format!("\n{}", "  ".repeat(depth)))
    }
}

/// Writes a text that is JSON.
fn indented(text: &str, page: &mut Page) -> fmt::Result {
    let parts: Vec<&str> = parts(text).collect();
    let (mut depth, mut before) = (0_usize, "");
    for (at, part) in parts.iter().enumerate() {
        if page.is_cut {
            break;
        }
        let next = parts.get(at + 1).copied().unwrap_or_default();
        match *part {
            "{" | "[" => {
                page.put("", part)?;
                if !matches!(next, "}" | "]") {
                    depth += 1;
                    page.line(depth)?;
                }
            }
            "}" | "]" => {
                if !matches!(before, "{" | "[") {
                    depth = depth.saturating_sub(1);
                    page.line(depth)?;
                }
                page.put("", part)?;
            }
            "," => {
                page.put("", ",")?;
                page.line(depth)?;
            }
            ":" => page.put("", ": ")?,
            _ => page.put(class_of(part, next), part)?,
        }
        before = part;
    }
    Ok(())
}

fn class_of(part: &str, next: &str) -> &'static str {
    match part.as_bytes().first() {
        Some(b'"') if next == ":" => "name",
        Some(b'"') => "text",
        Some(b'-' | b'0'..=b'9') => "number",
        _ => "word",
    }
}

/// The parts of a text that is JSON, without the white space between them.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let length = match rest.as_bytes().first()? {
            b'"' => length_of_text(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => rest.find(|it: char| it.is_ascii_whitespace() || "{}[],:\"".contains(it)).unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(length);
        rest = after;
        Some(part)
    })
}

/// The length of the text between quotation marks at the beginning, with these.
fn length_of_text(rest: &str) -> usize {
    let mut is_escaped = false;
    let end = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the browser shows.
    fn shown(text: &str, limit: usize) -> String {
        let mut html = Json::of(text, limit).to_string();
        for class in ["name", "text", "number", "word"] {
            html = html.replace(&format!("<span class=\"{class}\">"), "");
        }
        let html = html.replace("</span>", "");
        let pairs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
        pairs.iter().fold(html, |text, (escaped, plain)| text.replace(escaped, plain))
    }

    #[test]
    fn json_is_cut_between_characters() {
        assert_eq!(shown("ééé", 2), "éé\n… (cut)");
        assert_eq!(shown("{\"a\":1}", 99), "{\n  \"a\": 1\n}");
        assert_eq!(shown("{\"a\":\"éé\"}", 11), "{\n  \"a\": \"é\n… (cut)");
    }

    #[test]
    fn each_part_has_its_class_and_is_escaped() {
        assert_eq!(
            Json::of("{\"a<\":[\"\\\"b\\\\\",-1.50e1,null,{}]}", 999).to_string(),
            "{\n  <span class=\"name\">&#34;a&#60;&#34;</span>: [\n    \
             <span class=\"text\">&#34;\\&#34;b\\\\&#34;</span>,\n    <span class=\"number\">-1.50e1</span>,\n    \
             <span class=\"word\">null</span>,\n    {}\n  ]\n}"
        );
    }

    #[test]
    fn numbers_and_repeated_names_stay_as_they_came() {
        let text = "{\"n\": 10000000000000000000001, \"n\": 1.0,\"u\":\"\\u0041\"}";
        assert_eq!(shown(text, 999), "{\n  \"n\": 10000000000000000000001,\n  \"n\": 1.0,\n  \"u\": \"\\u0041\"\n}");
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".{0,12}".prop_map(serde_json::Value::String),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
                prop::collection::btree_map(".{0,5}", inner, 0..5).prop_map(|it| it.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_indented_as_serde_does_it(value in value()) {
            let expected = serde_json::to_string_pretty(&value).unwrap();
            // What looks like an escape in the text itself is not undone in the same order.
            prop_assume!(!expected.contains("&#"));
            prop_assert_eq!(shown(&value.to_string(), usize::MAX), expected);
        }

        #[test]
        fn no_text_makes_an_element(text in any::<String>(), limit in 0usize..60) {
            let html = Json::of(&text, limit).to_string();
            prop_assert_eq!(html.matches('<').count(), 2 * html.matches("</span>").count());
        }
    }
}
