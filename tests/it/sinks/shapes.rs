//! What is sent of an event, and how it is written: `format`, `fields`, `payload`, and placeholders.

use reelhook::config::Events;
use reelhook::sinks::{Context, Message, Shape, Template, WITH_HEADERS};
use serde_json::{Value, json};

use super::answering::{Answering, OK};
use super::samples::{TOKEN, build, delivery, mistakes, resource, table, with_client_context};

fn shape(keys: &str) -> Shape {
    table(keys).read("sinks.crm", |section| Some(Shape::read(section, WITH_HEADERS, &Context::default()))).unwrap().0
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap()
}

#[test]
fn the_default_is_a_cloudevent() {
    let message = shape("").message(&delivery(1));
    assert_eq!(
        (message.content_type, &message.attributes[..]),
        ("application/cloudevents+json; charset=utf-8", &[][..])
    );
    assert_eq!((&body(&message)["specversion"], &body(&message)["data"]["id"]), (&json!("1.0"), &json!("op-1")));
}

#[test]
fn binary_mode_has_the_attributes_beside_the_data() {
    let structured = body(&shape("").message(&delivery(1)));
    let binary = shape("format = 'cloudevents-binary'").message(&delivery(1));
    assert_eq!(binary.content_type, structured["datacontenttype"]);
    assert_eq!(body(&binary), structured["data"]);
    let mut told: serde_json::Map<_, _> =
        binary.attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    told.insert("data".into(), structured["data"].clone());
    told.insert("datacontenttype".into(), structured["datacontenttype"].clone());
    assert_eq!(Value::Object(told), structured);
}

#[test]
fn data_is_the_resource_alone() {
    let message = shape("format = 'data'").message(&delivery(1));
    assert_eq!((message.content_type, message.attributes.len()), ("application/json", 0));
    assert_eq!(message.body, delivery(1).event.data.as_bytes(), "as it is stored");
    let message = shape("format = 'data'\ninclude_access_token = true").message(&delivery(1));
    assert_eq!(body(&message)["recordingAccessToken"], TOKEN);
}

#[test]
fn the_prefix_is_before_the_type_that_is_sent_and_nowhere_else() {
    let events = Events { type_prefix: "com.example.".into(), ..Events::default() };
    let context = Context { events, ..Context::default() };
    let shape = |keys: &str| {
        table(keys).read("sinks.crm", |section| Some(Shape::read(section, WITH_HEADERS, &context))).unwrap().0
    };
    let sent = body(&shape("").message(&delivery(1)));
    assert_eq!(sent["type"], "com.example.recordOperation.completed");
    assert_eq!((&sent["resourcetype"], &sent["data"]["status"]), (&json!("recordOperation"), &json!("completed")));
    let binary = shape("format = 'cloudevents-binary'").message(&delivery(1));
    assert!(binary.attributes.contains(&("type", "com.example.recordOperation.completed".into())), "{binary:?}");
    let lines = shape("").lines(&[&delivery(1)]);
    assert_eq!(serde_json::from_slice::<Value>(&lines).unwrap(), sent);
    let payload = shape("format = 'data'\npayload = '{\"type\": \"{type}\"}'").message(&delivery(1));
    assert_eq!(body(&payload), json!({ "type": "recordOperation.completed" }));
}

#[test]
fn lines_are_one_for_each() {
    let deliveries = [delivery(1), delivery(2)];
    let lines = shape("").lines(&[&deliveries[0], &deliveries[1]]);
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 2);
    assert!(lines.ends_with(b"}\n"));
}

#[test]
fn fields_choose_members_of_the_data_in_their_order() {
    let keys = "fields = ['status', 'id', 'absent', 'reelhook']";
    let whole = body(&shape("").message(&delivery(1)));
    let chosen = body(&shape(keys).message(&delivery(1)));
    assert_eq!(chosen["data"], json!({ "status": "completed", "id": "op-1", "reelhook": whole["data"]["reelhook"] }));
    let text = shape("format = 'data'\nfields = ['status', 'id']").message(&delivery(1)).body;
    assert_eq!(text, br#"{"status":"completed","id":"op-1"}"#);
    assert_eq!(shape("format = 'data'\nfields = ['absent']").message(&delivery(1)).body, b"{}");
    // Of a key that occurs twice, the last value; what is no object has no members.
    let twice = shape("format = 'data'\nfields = ['a']").message(&resource(r#"{"a":1,"b":2,"a":{"c": 3}}"#));
    assert_eq!(twice.body, br#"{"a":{"c": 3}}"#);
    assert_eq!(shape("format = 'data'\nfields = ['a']").message(&resource("[1]")).body, b"[1]");
}

#[test]
fn the_token_is_sent_only_where_the_table_says_so_whatever_the_fields_are() {
    for format in ["cloudevents", "cloudevents-binary", "data"] {
        for fields in ["", "fields = ['recordingAccessToken', 'id']"] {
            let keys = format!("format = '{format}'\n{fields}\n");
            let with = shape(&(keys.clone() + "include_access_token = true")).message(&delivery(1));
            let without = shape(&keys).message(&delivery(1));
            assert!(String::from_utf8(with.body).unwrap().contains(TOKEN), "{keys}");
            assert!(!String::from_utf8(without.body).unwrap().contains(TOKEN), "{keys}");
        }
    }
}

#[test]
fn a_payload_replaces_the_event_and_stays_json_whatever_the_values_are() {
    let keys = r#"payload = '{"text": "{client_context} is {status}", "n": 1, "list": ["{call_id}", null], "{date}": {"a": "{{b}}"}}'"#;
    for hostile in ["support-1", "\"},{\"", "a\\u0022\n\r\0", "\u{202e}😀"] {
        let message = shape(keys).message(&with_client_context(1, hostile));
        let expected = json!({ "text": format!("{hostile} is completed"), "n": 1, "list": ["call-1", null], "{date}": { "a": "{b}" } });
        assert_eq!((body(&message), message.content_type), (expected, "application/json"));
    }
}

#[test]
fn a_value_that_the_event_lacks_is_a_dash() {
    let filled = |text: &str| Template::parse(text).unwrap().fill(&resource("{}"), |value, out| out.push_str(value));
    assert_eq!(filled("{status}/{client_context}/{capture.ticket}/{type}"), "-/-/-/call.updated");
    assert_eq!(filled("{date}"), "2026-11-24");
}

#[test]
fn what_contradicts_itself_is_a_mistake() {
    let url = "url = 'https://example.com/'\n";
    for (keys, told) in [
        ("payload = '{}'\nfields = ['id']", "sinks.crm.fields: found it beside payload, expected one of the two"),
        (
            "payload = '{}'\nformat = 'cloudevents'",
            "sinks.crm.format: found \"cloudevents\" beside payload, expected \"cloudevents-binary\" or \"data\", or no format",
        ),
        (
            "payload = '{\"a\": \"{nonsense}\"}'",
            "sinks.crm.payload: found {nonsense}, expected one of {client_context}",
        ),
        ("payload = '{'", "sinks.crm.payload: found EOF while parsing"),
        ("format = 'xml'", "sinks.crm.format: found \"xml\", expected one of \"cloudevents\""),
    ] {
        let found = mistakes("http", &format!("{url}{keys}"));
        assert!(found.starts_with(told), "{keys}: {found}");
    }
    assert!(mistakes("file", "path = 'a'\nformat = 'cloudevents-binary'").contains("\"cloudevents\", \"data\""));
}

#[tokio::test]
async fn over_http_the_attributes_of_binary_mode_are_percent_encoded_headers() {
    let far_side = Answering::with(OK);
    let sink = build("http", &format!("{}format = 'cloudevents-binary'", far_side.table())).unwrap();
    sink.deliver(&with_client_context(1, "a \"b\" 100% é")).await.unwrap();
    let request = far_side.requests().remove(0);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("ce-specversion"), Some("1.0"));
    assert_eq!(request.header("ce-clientcontext"), Some("a%20%22b%22%20100%25%20%C3%A9"));
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap()["clientContext"], "a \"b\" 100% é");
}
