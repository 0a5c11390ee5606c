//! Rewrites the texts of a JSON document. All else stays: the order, repeated keys, numbers as they are written. Only
//! the space between the values goes, so that a document fits on a line.

use serde::de::IgnoredAny;

/// A container that is open.
struct Open {
    is_object: bool,
    /// The key of the value that comes next.
    key: String,
    expects_key: bool,
}

/// The document with each text replaced by what `change` makes of it; it gets the keys that lead to the text. `None` if
/// it is not JSON.
pub(super) fn rewritten(text: &str, mut change: impl FnMut(&[&str], &str) -> Option<String>) -> Option<String> {
    // Everything below relies on this: what is valid can be read without looking ahead.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let (mut out, mut open) = (String::with_capacity(text.len()), Vec::<Open>::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => {
                let (raw, after) = rest.split_at(length_of_text(rest));
                let decoded: String = serde_json::from_str(raw).ok()?;
                match open.last_mut().filter(|it| it.expects_key) {
                    Some(object) => {
                        object.key = decoded;
                        out.push_str(raw);
                    }
                    None => {
                        let keys: Vec<&str> = open.iter().filter(|it| it.is_object).map(|it| &*it.key).collect();
                        match change(&keys, &decoded) {
                            Some(changed) => out.push_str(&serde_json::Value::from(changed).to_string()),
                            None => out.push_str(raw),
                        }
                    }
                }
                rest = after;
                continue;
            }
            '{' | '[' => open.push(Open { is_object: first == '{', key: String::new(), expects_key: first == '{' }),
            '}' | ']' => drop(open.pop()),
            ':' | ',' => {
                if let Some(object) = open.last_mut().filter(|it| it.is_object) {
                    object.expects_key = first == ',';
                }
            }
            _ => {}
        }
        if !first.is_ascii_whitespace() {
            out.push(first);
        }
        rest = &rest[first.len_utf8()..];
    }
    Some(out)
}

/// The bytes of the text that `rest` begins with, with its quotes.
fn length_of_text(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_texts_stays_as_it_was() {
        let text = "{ \"b\": [1.50, \"x\\\"\\u0041\", {\"c\": \"y\"}],\n \"b\": \"z\", \"a\": null, \"é\": -2e2 }";
        let mut seen = Vec::new();
        let changed = rewritten(text, |keys, value| {
            seen.push(format!("{}={value}", keys.join(".")));
            (value == "y").then(|| "\"new\"".into())
        });
        assert_eq!(changed.as_deref(), Some(r#"{"b":[1.50,"x\"\u0041",{"c":"\"new\""}],"b":"z","a":null,"é":-2e2}"#));
        assert_eq!(seen, ["b=x\"A", "b.c=y", "b=z"]);
        assert_eq!(rewritten("\"x\"", |_, _| Some("y".into())).as_deref(), Some("\"y\""));
        for wrong in ["", "{", "{\"a\":}", "nonsense", "{} {}"] {
            assert_eq!(rewritten(wrong, |_, _| None), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_document_whose_texts_stay_says_the_same(text in "\\PC{0,40}", key in "\\PC{0,8}") {
            let document = serde_json::json!({ key: [text, 1, { "a": null }], "z": "x" });
            let pretty = serde_json::to_string_pretty(&document).unwrap();
            let kept = rewritten(&pretty, |_, _| None).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&kept).unwrap(), document.clone());
            let again = rewritten(&pretty, |_, text| Some(text.to_owned())).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&again).unwrap(), document);
        }
    }
}
