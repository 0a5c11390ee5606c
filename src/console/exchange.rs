//! The exchange of an attempt as text. Everything in it may come from outside: control characters are spelled out.

use super::json::Json;
use crate::domain::{self, Answered, Body, Headers};
use crate::wording::untrusted_text::{shown, shown_lines};

/// The most characters of a line of a head.
const MAX_CHARS: usize = 2048;
/// The most characters of a body, indented if it is JSON.
const MAX_BODY_CHARS: usize = 64 * 1024;
/// How many bytes of a body that is no text are shown.
const MAX_BYTES: usize = 256;

/// An exchange.
pub struct Exchange {
    /// The request line and the headers.
    pub request: String,
    /// The answer.
    pub answer: Option<Answer>,
}

/// An answer.
pub struct Answer {
    /// The status line and the headers.
    pub head: String,
    /// The body, if there is one to show.
    pub body: Option<Json>,
    /// What has to be said about the body.
    pub note: String,
}

impl From<&domain::Exchange> for Exchange {
    fn from(exchange: &domain::Exchange) -> Self {
        let request = head(&exchange.request.line, &exchange.request.headers);
        Self { request, answer: exchange.answer.as_ref().map(Answer::from) }
    }
}

impl From<&Answered> for Answer {
    fn from(answer: &Answered) -> Self {
        let (body, mut note) = match &answer.body {
            Body::Text(text) if text.is_empty() && !answer.is_body_cut => (String::new(), "The body is empty.".into()),
            Body::Text(text) => (shown_lines(text), String::new()),
            Body::Bytes(bytes) => (
                hex::encode(&bytes[..bytes.len().min(MAX_BYTES)]),
                format!(
                    "The body is not UTF-8 text. Of its {} bytes, the first {MAX_BYTES} at most are shown, in hexadecimal.",
                    bytes.len()
                ),
            ),
            Body::LeftOut(why) => (String::new(), format!("The body of the answer is not shown: {why}.")),
        };
        if answer.is_body_cut && !matches!(answer.body, Body::LeftOut(_)) {
            note.push_str(if note.is_empty() { "" } else { " " });
            note.push_str("The body is cut: it has more than 4 KiB, or the rest did not arrive.");
        }
        let body = Some(body).filter(|body| !body.is_empty()).map(|body| Json::of(&body, MAX_BODY_CHARS));
        Self { head: head(&answer.line, &answer.headers), body, note }
    }
}

fn head(line: &str, headers: &Headers) -> String {
    let mut head = shown(line, MAX_CHARS);
    for (name, value) in &headers.list {
        head.push_str(&format!("\n{}: {}", shown(name, MAX_CHARS), shown(value, MAX_CHARS)));
    }
    if let Some(why) = &headers.left_out {
        head.push_str(&format!("\n(the headers of the answer are not shown: {})", shown(why, MAX_CHARS)));
    } else if headers.is_cut {
        head.push_str("\n(headers are cut: there were more, or longer ones)");
    }
    head
}
