//! The event format, as an independent reader of CloudEvents sees it, and as `docs/sinks.md` shows it.

use std::collections::BTreeMap;

use cloudevents::{AttributesReader, Data, Event};
use reelhook::domain::{Carried, Delivery, Origin, RouteName};
use reelhook::sinks::cloud_event;
use serde_json::{Value, json};

use super::samples::{TOKEN, delivery, resource};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

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
    assert_eq!(names.len(), 15);
    let extension = |name| event.extension(name).unwrap().to_string();
    for (name, value) in [
        ("channel", "calls"),
        ("resourcetype", "recordOperation"),
        ("changetype", "deleted"),
        ("tenantid", "1fdd12d0-4620-44ed-baec-459b611f84b2"),
        ("callid", "call-7"),
        ("subscriptionid", "76222963-cc7b-42d2-882d-8aaa69cb2ba3"),
        ("subscriptionexpiry", "2026-12-10T00:00:00Z"),
        ("callback", "/emea?shift=2"),
        ("correlationid", "chain-1"),
        ("traceparent", TRACE),
        ("partitionkey", "call-7"),
        ("sequence", "0000000000000007"),
    ] {
        assert_eq!(extension(name), value, "{name}");
    }
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
        "channel": "calls",
        "subscriptionId": "76222963-cc7b-42d2-882d-8aaa69cb2ba3",
        "subscriptionExpirationDateTime": "2026-12-10T00:00:00Z",
        "correlationId": "chain-1",
        "partitionKey": "call-7",
        "sequence": "0000000000000007",
        "messageId": "message-1",
        "originalMessageId": "message-0",
        "chainId": "chain-1",
        "scenarioId": "scenario-1",
        "clientRequestId": "request-1",
        "traceparent": TRACE,
        "callback": "/emea?shift=2",
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
    event.envelope.carried.caused_by = Some(event.id);
    for kind in ["overdue", "lost", "recovered"] {
        event.kind = format!("recordOperation.{kind}");
        event.origin = Origin::Graph;
        delivery.event = event.clone().into();
        assert_eq!(read(&delivery).source().as_str(), "https://graph.microsoft.com", "no text makes it ours");
        event.origin = Origin::Reelhook;
        delivery.event = event.clone().into();
        let told = read(&delivery);
        assert_eq!((told.source().as_str(), told.ty()), ("/reelhook", event.kind.as_str()));
        assert_eq!(told.extension("causationid").unwrap().to_string(), event.id.to_string());
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

/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system>
fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(character) & 0xffff >= 0xfffe
}

#[test]
fn an_attribute_that_would_hold_a_forbidden_character_is_left_out_and_the_data_is_exact() {
    for forbidden in ["ctx-\0a\r\nb", "\u{7f}", "\u{85}", "\u{fdd0}", "\u{1ffff}"] {
        let mut delivery = super::samples::with_client_context(1, forbidden);
        delivery.captures = BTreeMap::from([("ticket".to_owned(), forbidden.to_owned())]);
        let line = text(&delivery, false);
        let event: Value = serde_json::from_str(&line).unwrap();
        assert!(event.get("clientcontext").is_none(), "{line}");
        assert_eq!(event["data"]["clientContext"], forbidden);
        let captures = event["captures"].as_str().unwrap();
        assert!(!captures.contains(is_forbidden), "{captures:?}");
        assert_eq!(serde_json::from_str::<Value>(captures).unwrap()["ticket"], forbidden);
    }
    let mut delivery = super::samples::with_client_context(1, "é 😀");
    assert_eq!(read(&delivery).extension("clientcontext").unwrap().to_string(), "é 😀");
    let mut event = (*delivery.event).clone();
    event.subject = Some("a\nb".into());
    delivery.event = event.into();
    assert_eq!(read(&delivery).subject(), None);
}

#[test]
fn what_must_stay_in_order_has_one_key() {
    let mut delivery = delivery(7);
    let mut event = (*delivery.event).clone();
    let mut key = |change: fn(&mut Carried)| {
        change(&mut event.envelope.carried);
        delivery.event = event.clone().into();
        read(&delivery).extension("partitionkey").unwrap().to_string()
    };
    assert_eq!(key(|_| {}), "call-7");
    assert_eq!(key(|it| it.call_id = None), "op-7");
    assert_eq!(key(|it| it.operation_id = None), "/app/calls/call-7/operations/op-7");
}

#[test]
fn requests_of_one_matter_are_tied_by_the_chain_or_else_by_the_request() {
    let mut delivery = delivery(7);
    let mut event = (*delivery.event).clone();
    let request = std::sync::Arc::make_mut(&mut event.envelope.carried.request);
    request.chain_id = None;
    delivery.event = event.into();
    assert_eq!(read(&delivery).extension("correlationid").unwrap().to_string(), "request-1");
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
        let route = event.extension("route").map(ToString::to_string);
        let may_stand = !texts[1].is_empty() && !texts[1].contains(is_forbidden);
        proptest::prop_assert_eq!(route, may_stand.then(|| texts[1].clone()));
        let event: Value = serde_json::from_str(&line).unwrap();
        for (name, value) in event.as_object().unwrap().iter().filter(|(name, _)| *name != "data" && *name != "type") {
            proptest::prop_assert!(!value.as_str().unwrap().contains(is_forbidden), "{}: {}", name, value);
        }
        if let Some(captures) = event.get("captures") {
            let captures: BTreeMap<String, String> = serde_json::from_str(captures.as_str().unwrap()).unwrap();
            proptest::prop_assert_eq!(captures, delivery.captures);
        }
    }
}
