//! The event format, as an independent reader of CloudEvents sees it, and as `docs/sinks.md` shows it.

use std::collections::BTreeMap;

use cloudevents::{AttributesReader, Data, Event};
use reelhook::domain::{Delivery, RouteName};
use reelhook::sinks::cloud_event;
use serde_json::{Value, json};

use super::samples::{TOKEN, delivery, resource};

fn text(delivery: &Delivery, token: bool) -> String {
    let mut out = Vec::new();
    cloud_event::write(delivery, token, &mut out);
    String::from_utf8(out).unwrap()
}

fn read(delivery: &Delivery) -> Event {
    serde_json::from_str(&text(delivery, false)).unwrap()
}

fn value(delivery: &Delivery, token: bool) -> Value {
    serde_json::from_str(&text(delivery, token)).unwrap()
}

#[test]
fn an_independent_reader_finds_every_attribute() {
    let event = read(&delivery(7));
    assert_eq!(event.id(), delivery(7).event.id.to_string());
    assert_eq!(event.source(), "https://graph.microsoft.com");
    assert_eq!(event.ty(), "recordOperation.completed");
    assert_eq!(event.subject(), Some("/app/calls/call-7/operations/op-7"));
    assert_eq!(event.time().unwrap().to_rfc3339(), "2026-11-24T05:35:03.250+00:00");
    assert_eq!(event.datacontenttype(), Some("application/json"));
    assert_eq!(event.specversion().as_str(), "1.0");
    let names: Vec<&str> = event.iter_extensions().map(|(name, _)| name).collect();
    for name in &names {
        assert!(name.len() <= 20 && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit()), "{name}");
    }
    assert_eq!(names.len(), 3);
    assert_eq!(event.extension("route").unwrap().to_string(), "support");
    assert_eq!(event.extension("clientcontext").unwrap().to_string(), "support-7");
    assert_eq!(event.extension("captures").unwrap().to_string(), r#"{"ticket":"7"}"#);
    assert!(matches!(event.data(), Some(Data::Json(Value::Object(_)))));
}

#[test]
fn an_operations_data_tells_what_reelhook_adds() {
    let event = value(&delivery(7), false);
    let expected = json!({
        "route": "support",
        "captures": { "ticket": "7" },
        "order": "advanced",
        "previousState": { "status": "running" },
    });
    assert_eq!(event["data"]["reelhook"], expected);
    assert_eq!(event["data"]["status"], "completed");
}

#[test]
fn an_operations_data_carries_what_its_client_announced() {
    let mut delivery = delivery(7);
    let mut event = (*delivery.event).clone();
    event.metadata = Some("{\n \"case\": [7] }".into());
    delivery.event = event.clone().into();
    let told = value(&delivery, false);
    assert_eq!(told["data"]["reelhook"]["metadata"], json!({ "case": [7] }));
    assert_eq!(told["data"]["reelhook"]["order"], "advanced");
    assert!(!text(&delivery, false).contains('\n'));
    event.metadata = Some("not JSON".into());
    delivery.event = event.into();
    assert!(value(&delivery, false)["data"]["reelhook"].get("metadata").is_none());
}

#[test]
fn reelhooks_own_word_is_told_from_graphs() {
    let mut delivery = delivery(7);
    let mut event = (*delivery.event).clone();
    (event.order, event.previous, event.recording_access_token) = (None, None, None);
    event.metadata = Some(r#"{"case":7}"#.into());
    for kind in ["overdue", "lost", "recovered"] {
        event.kind = format!("recordOperation.{kind}");
        delivery.event = event.clone().into();
        let told = read(&delivery);
        assert_eq!((told.source().as_str(), told.ty()), ("/reelhook", event.kind.as_str()));
        let added = &value(&delivery, true)["data"]["reelhook"];
        assert_eq!((&added["route"], &added["metadata"]["case"]), (&json!("support"), &json!(7)));
        assert!(added.get("order").is_none(), "it is no notification of Graph's");
    }
}

#[test]
fn what_reelhook_adds_wins_over_a_property_of_the_same_name() {
    let mut delivery = delivery(7);
    let mut event = (*delivery.event).clone();
    event.data = r#"{"reelhook":"graph's"}"#.into();
    delivery.event = event.clone().into();
    assert_eq!(value(&delivery, false)["data"]["reelhook"]["route"], "support");
    event.data = "{ }\n".into();
    event.previous = None;
    delivery.event = event.into();
    assert_eq!(value(&delivery, false)["data"]["reelhook"]["previousState"], Value::Null);
}

#[test]
fn a_resource_is_what_graph_sent_on_one_line() {
    let sent = "{\r\n  \"state\": \"established\",\n  \"text\": \"a\\nb\"\n}";
    let line = text(&resource(sent), true);
    assert!(!line.contains(['\n', '\r']));
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["data"], serde_json::from_str::<Value>(sent).unwrap());
    assert!(event.get("clientcontext").is_none() && event.get("captures").is_none());
    assert_eq!(value(&resource("[1]"), true)["data"], json!([1]));
}

#[test]
fn an_empty_or_absent_subject_is_left_out() {
    for subject in [None, Some(String::new())] {
        let mut delivery = delivery(1);
        let mut event = (*delivery.event).clone();
        event.subject = subject;
        delivery.event = event.into();
        assert_eq!(read(&delivery).subject(), None);
    }
}

#[test]
fn a_token_that_was_wiped_is_absent() {
    let mut delivery = delivery(1);
    assert_eq!(value(&delivery, true)["data"]["recordingAccessToken"], TOKEN);
    let mut event = (*delivery.event).clone();
    event.recording_access_token = None;
    delivery.event = event.into();
    assert!(value(&delivery, true)["data"].get("recordingAccessToken").is_none());
}

#[test]
fn lines_are_one_for_each() {
    let deliveries = [delivery(1), delivery(2)];
    let lines = cloud_event::write_lines(&[&deliveries[0], &deliveries[1]], false);
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 2);
    assert!(lines.ends_with(b"}\n"));
}

proptest::proptest! {
    #[test]
    fn any_text_makes_an_event_that_can_be_read(
        texts in proptest::collection::vec(proptest::prelude::any::<String>(), 4)
    ) {
        let mut delivery = super::samples::with_client_context(1, &texts[0]);
        delivery.route = RouteName::new(&texts[1]);
        delivery.captures = BTreeMap::from([("name".to_owned(), texts[2].clone())]);
        let mut event = (*delivery.event).clone();
        event.kind = format!("recordOperation.{}", texts[3]);
        delivery.event = event.into();
        let line = text(&delivery, true);
        proptest::prop_assert!(!line.contains(['\n', '\r']));
        let event: Event = serde_json::from_str(&line).unwrap();
        proptest::prop_assert_eq!(event.extension("route").unwrap().to_string(), texts[1].clone());
    }
}
