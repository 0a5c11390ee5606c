//! The parts of a request's head that are stored: the ids by which Microsoft knows the request
//! (<https://github.com/microsoftgraph/microsoft-graph-comms-samples> sends and logs them), and the rest of the address
//! after the path. So a bot that adds `?shift=2` to its `callbackUri` finds this in every event.
//!
//! **Invariants**
//! 1. A stored value is printable ASCII of limited length. Any other value is dropped as a whole, because half an id is
//!    another id.
//! 2. A header that occurs twice is ignored.

use std::sync::Arc;

use actix_web::HttpRequest;

use crate::domain::Request;

/// The longest id that is stored. Microsoft's are GUIDs.
const MAX_ID_BYTES: usize = 128;
/// The longest path and query together that are stored.
const MAX_CALLBACK_BYTES: usize = 2048;

/// Reads the head of a request to the endpoint at `path`.
pub fn read(request: &HttpRequest, path: &str) -> Arc<Request> {
    Arc::new(Request {
        message_id: id(request, "x-microsoft-skype-message-id"),
        original_message_id: id(request, "x-microsoft-skype-original-message-id"),
        chain_id: id(request, "x-microsoft-skype-chain-id"),
        scenario_id: id(request, "scenario-id"),
        client_request_id: id(request, "client-request-id"),
        traceparent: id(request, "traceparent").filter(|value| is_traceparent(value)),
        callback: callback(request.uri().path().strip_prefix(path).unwrap_or_default(), request.query_string()),
    })
}

fn id(request: &HttpRequest, name: &'static str) -> Option<Box<str>> {
    let mut values = request.headers().get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => kept(value.to_str().ok()?.trim(), MAX_ID_BYTES),
        _ => None,
    }
}

/// Whether a value is a `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>). A version after 00 may
/// have more parts.
fn is_traceparent(value: &str) -> bool {
    let is_hex =
        |part: &str, n: usize| part.len() == n && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &str, n| is_hex(part, n) && part.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = value.splitn(5, '-').collect();
    match parts[..] {
        ["00", trace, parent, flags] => is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2),
        ["00" | "ff", ..] => false,
        [version, trace, parent, flags, ..] => {
            is_hex(version, 2) && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)
        }
        _ => false,
    }
}

fn callback(below: &str, query: &str) -> Option<Box<str>> {
    match (below, query) {
        (below, "") => kept(below, MAX_CALLBACK_BYTES),
        (below, query) => kept(&format!("{below}?{query}"), MAX_CALLBACK_BYTES),
    }
}

fn kept(text: &str, max_bytes: usize) -> Option<Box<str>> {
    let is_kept = (1..=max_bytes).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    is_kept.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    use actix_web::test::TestRequest;

    #[test]
    fn ids_are_read_and_what_is_no_id_is_left_out() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        let request = TestRequest::post()
            .uri("/graph/calls")
            .insert_header(("X-Microsoft-Skype-Message-ID", " 5b2f "))
            .insert_header(("X-Microsoft-Skype-Original-Message-ID", "a b"))
            .insert_header(("X-Microsoft-Skype-Chain-ID", long))
            .append_header(("Scenario-Id", "one"))
            .append_header(("Scenario-Id", "two"))
            .insert_header(("client-request-id", ""))
            .to_http_request();
        let expected = Request { message_id: Some("5b2f".into()), ..Request::default() };
        assert_eq!(*read(&request, "/graph/calls"), expected);
    }

    #[test]
    fn a_trace_is_read_as_its_standard_says() {
        let read = |value: &str| {
            let request = TestRequest::post().insert_header(("traceparent", value)).to_http_request();
            read(&request, "/graph/calls").traceparent.as_deref().map(str::to_owned)
        };
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for good in [format!("00-{trace}-{parent}-01"), format!("cc-{trace}-{parent}-01-what-comes")] {
            assert_eq!(read(&good).as_deref(), Some(good.as_str()));
        }
        for bad in [
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{parent}"),
            "00".into(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn the_callback_is_what_stands_behind_the_path() {
        let callback = |uri: &str| {
            let request = TestRequest::post().uri(uri).to_http_request();
            read(&request, "/graph/calls").callback.as_deref().map(str::to_owned)
        };
        assert_eq!(callback("/graph/calls"), None);
        assert_eq!(callback("/graph/calls?"), None);
        assert_eq!(callback("/graph/calls?shift=2&x=%20").as_deref(), Some("?shift=2&x=%20"));
        assert_eq!(callback("/graph/calls/emea/1?shift=2").as_deref(), Some("/emea/1?shift=2"));
        assert_eq!(callback("/graph/calls/emea").as_deref(), Some("/emea"));
        assert_eq!(callback(&format!("/graph/calls?{}", "x".repeat(MAX_CALLBACK_BYTES))), None);
    }
}
