//! The exchanges of a delivery's attempts, as `curl -v` shows one: `>` before what was sent, `<` before what was answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::print::say;
use super::text;
use crate::wording::untrusted_text::shown_lines;

/// The most characters of a line.
const MAX_CHARS: usize = 2048;
/// How many bytes of a body that is no text are shown.
const MAX_BYTES: usize = 32;

/// An attempt.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    number: u32,
    #[serde(default)]
    exchange: Option<Exchange>,
    #[serde(default)]
    exchange_missing: Option<String>,
}

#[derive(Deserialize)]
struct Exchange {
    request: Request,
    answer: Option<Answer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    line: String,
    headers: Vec<Header>,
    are_headers_cut: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    line: String,
    headers: Vec<Header>,
    are_headers_cut: bool,
    #[serde(default)]
    headers_left_out: Option<String>,
    body: Option<String>,
    body_base64: Option<String>,
    body_left_out: Option<String>,
    is_body_cut: bool,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// Says what was sent and answered in each attempt.
pub fn tell(attempts: &[Attempt]) {
    for attempt in attempts {
        if let Some(exchange) = &attempt.exchange {
            say!("attempt {}", attempt.number);
            of_exchange(exchange).iter().for_each(|line| say!("  {line}"));
        } else if let Some(why) = &attempt.exchange_missing {
            say!("attempt {}", attempt.number);
            say!("  {}", text::safe(why, MAX_CHARS));
        }
    }
}

fn of_exchange(exchange: &Exchange) -> Vec<String> {
    let Request { line, headers, are_headers_cut } = &exchange.request;
    let mut lines = head('>', line, headers, *are_headers_cut);
    match &exchange.answer {
        Some(answer) => {
            let is_cut = answer.are_headers_cut && answer.headers_left_out.is_none();
            lines.extend(head('<', &answer.line, &answer.headers, is_cut));
            let why = answer.headers_left_out.iter();
            lines.extend(
                why.map(|why| format!("< (the headers of the answer are not shown: {})", text::safe(why, MAX_CHARS))),
            );
            lines.extend(of_body(answer));
        }
        None => lines.push("(no answer; if no connection was made, nothing was sent)".to_owned()),
    }
    lines
}

fn head(mark: char, line: &str, headers: &[Header], is_cut: bool) -> Vec<String> {
    let mut lines = vec![format!("{mark} {}", text::safe(line, MAX_CHARS))];
    let shown = |it: &Header| format!("{mark} {}: {}", text::safe(&it.name, 256), text::safe(&it.value, MAX_CHARS));
    lines.extend(headers.iter().map(shown));
    lines.extend(is_cut.then(|| format!("{mark} (headers are cut: there were more, or longer ones)")));
    lines
}

fn of_body(answer: &Answer) -> Vec<String> {
    let mut lines = vec!["<".to_owned()];
    if let Some(body) = &answer.body {
        lines.extend(shown_lines(body).lines().map(|line| format!("< {line}")));
    }
    if let Some(bytes) = answer.body_base64.as_ref().and_then(|text| STANDARD.decode(text).ok()) {
        let first = hex::encode(&bytes[..bytes.len().min(MAX_BYTES)]);
        let more = if bytes.len() > MAX_BYTES { "…" } else { "" };
        lines.push(format!("< (no UTF-8 text: {} bytes, in hexadecimal {first}{more})", bytes.len()));
    }
    if let Some(why) = &answer.body_left_out {
        lines.push(format!("< (the body of the answer is not shown: {})", text::safe(why, MAX_CHARS)));
    } else if answer.is_body_cut {
        lines.push("< (the rest of the body is cut, or did not arrive)".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(answer: &serde_json::Value) -> Vec<String> {
        let request = json!({ "line": "POST /hook HTTP/1.1", "headers": [{ "name": "authorization", "value": "***" }],
            "areHeadersCut": false });
        let exchange = serde_json::from_value(json!({ "request": request, "answer": answer })).unwrap();
        of_exchange(&exchange)
    }

    fn answer(more: &[(&str, serde_json::Value)]) -> serde_json::Value {
        let mut answer = json!({ "line": "HTTP/1.1 500", "headers": [], "areHeadersCut": false, "body": null,
            "bodyBase64": null, "bodyLeftOut": null, "isBodyCut": false });
        for (name, value) in more {
            answer[name] = value.clone();
        }
        answer
    }

    #[test]
    fn an_exchange_is_shown_line_by_line_and_moves_no_terminal() {
        let told = lines(&answer(&[("body", json!("no\r\n\u{1b}[31mred")), ("isBodyCut", json!(true))]));
        let expected = [
            "> POST /hook HTTP/1.1",
            "> authorization: ***",
            "< HTTP/1.1 500",
            "<",
            "< no",
            "< \\u{1b}[31mred",
            "< (the rest of the body is cut, or did not arrive)",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_body_that_is_no_text_or_was_left_out_is_told_as_such() {
        let bytes = lines(&answer(&[("bodyBase64", json!("H4sI"))]));
        assert_eq!(bytes.last().unwrap(), "< (no UTF-8 text: 3 bytes, in hexadecimal 1f8b08)");
        let left_out = lines(&answer(&[("bodyLeftOut", json!("why")), ("isBodyCut", json!(true))]));
        assert_eq!(left_out.last().unwrap(), "< (the body of the answer is not shown: why)");
        let left_out = lines(&answer(&[("headersLeftOut", json!("why")), ("areHeadersCut", json!(true))]));
        assert_eq!(left_out[2..], ["< HTTP/1.1 500", "< (the headers of the answer are not shown: why)", "<"]);
        assert_eq!(lines(&json!(null)).last().unwrap(), "(no answer; if no connection was made, nothing was sent)");
    }
}
