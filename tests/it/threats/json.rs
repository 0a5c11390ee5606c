//! Threats 31 to 36: JSON at its edges, spellings that decide, client contexts, the order of events.

use reelhook::domain::Order;
use reelhook::simulator::client::Post;
use reelhook::simulator::payload::{self, Dialect, Recording};

use super::answers::{ACCEPTED, BAD_REQUEST, notifications, refused, still_delivers, with};
use crate::test_app::{CLIENT_STATE, Settings, TENANT, TestApp};
use reelhook::store::Newest;

/// A POST of a body on the calls channel with a good token.
fn calls(app: &TestApp, body: impl Into<bytes::Bytes>) -> Post {
    app.graph.calls_with(&format!("Bearer {}", app.graph.calls_token().unwrap()), body)
}

/// The bytes of the newest quarantine entry.
async fn newest_raw(app: &TestApp) -> Vec<u8> {
    let newest = app.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id;
    app.store.quarantine_entry(newest).await.unwrap().unwrap().raw.unwrap().0.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_31_what_nests_too_deeply_is_refused_before_anything_descends_into_it() {
    let mut app = TestApp::start().await;
    let good = Recording::new(&mut app.seed).client_context("deep beside").completed();
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    let objects = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    for body in [
        "[".repeat(1_000_000),
        format!("{{\"value\":[{}]}}", deep(200)),
        format!("{{\"value\":[],\"x\":{}}}", deep(400_000)),
        payload::comms(&[with(&good, "unknown", &objects(100_000)), good.clone()]),
        payload::comms(&[with(&good, "resourceData", &deep(127))]),
    ] {
        refused(&app, calls(&app, body.clone()), BAD_REQUEST, &[("calls json_depth", 1.0)]).await;
        assert_eq!(newest_raw(&app).await, body.as_bytes());
        refused(&app, app.graph.notifications_with(body), BAD_REQUEST, &[("notifications json_depth", 1.0)]).await;
    }
    assert_eq!(app.quarantine().await, ["json_depth"; 5], "only what a proven sender sent is kept");
    let brackets = format!("\"{}\"", "[{".repeat(100_000));
    let edge = with(&with(&good, "unknown", &deep(120)), "text", &brackets);
    refused(&app, app.graph.calls(&[edge]).unwrap(), ACCEPTED, &[]).await;
    still_delivers(&mut app, 0, &["deep beside"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_32_a_key_that_decides_and_is_there_twice_is_quarantined_in_any_spelling() {
    let mut app = TestApp::start().await;
    let good = app.graph.change(&mut app.seed).basic();
    let repeated = |key: &str, value: &str| format!("{{\"{key}\":{value},{}", &good[1..]);
    let state = format!("\"{CLIENT_STATE}\"");
    let tenant = format!("\"{TENANT}\"");
    let items = [
        repeated("clientState", &state),
        repeated("clientState", "\"wrong\""),
        repeated("clientState", "null"),
        repeated("client\\u0053tate", &state),
        repeated("\\u0063\\u006c\\u0069\\u0065\\u006e\\u0074State", &state),
        repeated("tenantId", &tenant),
        repeated("tenant\\u0049d", &tenant),
        repeated("subscriptionId", "\"other\""),
        format!("{{\"organizationId\":{tenant},\"organizationId\":{tenant},{}", &good[1..]),
        format!("{{\"validationTokens\":[],\"validationTokens\":[],{}", &good[1..]),
        format!("{{\"encryptedContent\":null,\"encryptedContent\":null,{}", &good[1..]),
        format!("{{\"encryptedContent\":null,\"EncryptedContent\":{{}},{}", &good[1..]),
        format!("{{\"lifecycleEvent\":\"missed\",\"lifecycle\\u0045vent\":\"missed\",{}", &good[1..]),
    ];
    for item in &items {
        let neighbour = app.graph.change(&mut app.seed).basic();
        let post = notifications(&app.graph, &[item.clone(), neighbour]);
        refused(&app, post, ACCEPTED, &[("notifications json_duplicate", 1.0)]).await;
        assert_eq!(newest_raw(&app).await, item.as_bytes());
    }
    for body in [
        format!("{{\"value\":[{good}],\"value\":[]}}"),
        format!("{{\"value\":[],\"v\\u0061lue\":[{good}]}}"),
        format!("{{\"validationTokens\":[],\"value\":[{good}],\"validation\\u0054okens\":[]}}"),
    ] {
        let post = app.graph.notifications_with(body);
        refused(&app, post, ACCEPTED, &[("notifications json_duplicate", 1.0)]).await;
    }
    let recorded = Recording::new(&mut app.seed).client_context("never").completed();
    let body = format!("{{\"value\":[{recorded}],\"\\u0076alue\":[]}}");
    refused(&app, calls(&app, body), ACCEPTED, &[("calls json_duplicate", 1.0)]).await;
    let item = format!("{{\"tenantId\":1,\"tenant\\u0049d\":2,{}", &recorded[1..]);
    refused(&app, app.graph.calls(&[item]).unwrap(), ACCEPTED, &[("calls json_duplicate", 1.0)]).await;
    still_delivers(&mut app, items.len(), &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_32_what_is_repeated_in_the_payload_is_handed_on_as_it_was_read() {
    let mut app = TestApp::start().await;
    let context = |text: &str| format!("\"clientContext\":\"{text}\",");
    let call = |data: &str| format!("{{\"resourceUrl\":\"/communications/calls/1\",\"resourceData\":{{{data}}}}}");
    let items = [
        call(&format!("{}{}\"@odata.type\":\"#microsoft.graph.call\",\"n\":1.50", context("first"), context("last"))),
        Recording::new(&mut app.seed).client_context("last").completed().replace(
            "\"clientContext\"",
            "\"clientContext\":\"first\",\"extra\":1,\"\\u0065xtra\":2,\"client\\u0043ontext\"",
        ),
    ];
    refused(&app, app.graph.calls(&items).unwrap(), ACCEPTED, &[]).await;
    let delivered = app.first.wait_for(2).await;
    for event in delivered.iter().map(|delivery| &delivery.event) {
        assert_eq!(event.client_context.as_ref().unwrap().as_str(), "last");
        assert!(event.data.contains("last") && !event.data.contains("first"), "{}", event.data);
    }
    assert_eq!(app.dialects().await.get("repeated_key"), Some(&2.0));
    let resource = delivered.iter().find(|it| it.event.kind == "call.unknown").unwrap();
    let expected = r##"{"clientContext":"last","@odata.type":"#microsoft.graph.call","n":1.50}"##;
    assert_eq!(resource.event.data, expected, "nothing else is changed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_33_bytes_that_are_no_json_are_refused_and_kept_of_a_proven_sender() {
    let mut app = TestApp::start().await;
    let good = payload::comms(&[Recording::new(&mut app.seed).completed()]);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let around = |before: &[u8], after: &[u8]| [before, good.as_bytes(), after].concat();
    let broken = |value: &[u8]| [br#"{"value":[],"x":"#, value, b"}"].concat();
    let bodies = [
        Vec::new(),
        b" ".to_vec(),
        b"nonsense".to_vec(),
        utf16,
        around(b"\xef\xbb\xbf\xef\xbb\xbf", b""),
        around(b"", b"x"),
        around(b"", b"{}"),
        around(b"", b"\0"),
        good.as_bytes()[..good.len() - 1].to_vec(),
        broken(b"\"\xff\""),
        broken(b"\"\xed\xa0\x80\""),
        broken(b"\"\0\""),
        broken(b"\"a\nb\""),
        broken(b"NaN"),
        broken(b"Infinity"),
        broken(b"1e"),
        broken(b"01"),
        broken(b"'x'"),
        broken(br#""\x41""#),
        broken(br#""\u12g4""#),
    ];
    for body in &bodies {
        refused(&app, calls(&app, body.clone()), BAD_REQUEST, &[("calls json_invalid", 1.0)]).await;
        assert_eq!(newest_raw(&app).await, *body);
        let post = app.graph.notifications_with(body.clone());
        refused(&app, post, BAD_REQUEST, &[("notifications json_invalid", 1.0)]).await;
        let unproven = app.graph.calls_with("Bearer x", body.clone());
        refused(&app, unproven, (401, ""), &[("calls jwt_malformed", 1.0)]).await;
    }
    assert_eq!(app.quarantine().await, vec!["json_invalid"; bodies.len()]);
    still_delivers(&mut app, 0, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_before_the_body_is_taken_off() {
    let mut app = TestApp::start().await;
    let item = Recording::new(&mut app.seed).client_context("marked").completed();
    let body = [b"\xef\xbb\xbf", payload::comms(std::slice::from_ref(&item)).as_bytes()].concat();
    refused(&app, calls(&app, body), ACCEPTED, &[]).await;
    let change = app.graph.change(&mut app.seed).basic();
    let body = [b"\xef\xbb\xbf".to_vec(), payload::changes(&[change], &[]).into_bytes()].concat();
    refused(&app, app.graph.notifications_with(body), ACCEPTED, &[]).await;
    still_delivers(&mut app, 1, &["marked"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_33_what_json_allows_and_unicode_does_not_costs_as_little_as_it_can() {
    let mut app = TestApp::start().await;
    let spoilt = |app: &mut TestApp, from: &str, to: &str| {
        let item = Recording::new(&mut app.seed).client_context("kept").completed();
        assert!(item.contains(from), "{item}");
        item.replacen(from, to, 1)
    };
    let harmless = [
        ("\"completionReason\":\"max", r#""completionReason":"\udc00max"#),
        ("\"message\":\"Action", r#""message":"\u0000\ud800Action"#),
        ("\"clientContext\"", r#""length":1e999,"clientContext""#),
        ("\"clientContext\"", r#""length":-1E+99999999999,"n":123456789012345678901234567890,"clientContext""#),
        ("\"clientContext\"", r#""other":{"deep":["\ud800",{"\udfff":1e999}]},"clientContext""#),
        ("\"changeType\"", r#""x":"\ud800","y":1e999,"changeType""#),
        ("\"recordingAccessToken\":\"", r#""recordingAccessToken":"\ud800"#),
        ("\"code\":200", "\"code\":[200]"),
        ("\"code\":200", "\"code\":99999999999999999999"),
        ("\"id\":\"", "\"id\":7,\"x\":\""),
    ];
    for (from, to) in harmless {
        let item = spoilt(&mut app, from, to);
        refused(&app, app.graph.calls(&[item]).unwrap(), ACCEPTED, &[]).await;
    }
    let delivered = app.first.wait_for(harmless.len()).await;
    for delivery in &delivered {
        let data: serde_json::Value = serde_json::from_str(&delivery.event.data).expect("every reader takes it");
        assert_eq!(data["status"], "completed");
    }
    assert!(delivered[0].event.data.contains("\u{fffd}max"));
    assert!(delivered[1].event.data.contains(r"\u0000") && delivered[1].event.data.contains("\u{fffd}Action"));
    assert!(delivered[2].event.data.contains("1e999"));
    for (from, to, reason) in [
        ("\"status\":\"", r#""status":"\udbff"#, "calls json_invalid"),
        ("\"changeType\":\"", r#""changeType":"\ud800"#, "calls json_invalid"),
        ("\"status\":\"completed\"", "\"status\":7", "calls shape"),
    ] {
        let item = spoilt(&mut app, from, to);
        let post = app.graph.calls(std::slice::from_ref(&item)).unwrap();
        refused(&app, post, ACCEPTED, &[(reason, 1.0)]).await;
        assert_eq!(newest_raw(&app).await, item.as_bytes());
    }
    let change = app.graph.change(&mut app.seed).basic();
    let state = with(&change, "clientState", &format!(r#""{CLIENT_STATE}\ud800""#));
    refused(&app, notifications(&app.graph, &[state]), ACCEPTED, &[("notifications client_state", 1.0)]).await;
    let huge = with(&change, "resourceData", r#"{"n":[1e999]}"#);
    refused(&app, notifications(&app.graph, &[huge]), ACCEPTED, &[]).await;
    let delivered = app.first.wait_for(harmless.len() + 1).await;
    assert_eq!(delivered[harmless.len()].event.data, r#"{"n":["1e999"]}"#);
    still_delivers(&mut app, 1, &["kept"; 10]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_34_keys_are_read_in_their_own_case_and_what_is_new_is_kept() {
    let mut app = TestApp::start().await;
    let good = app.graph.change(&mut app.seed).basic();
    let state = with(&with(&good, "clientState", ""), "ClientState", &format!("\"{CLIENT_STATE}\""));
    refused(&app, notifications(&app.graph, &[state]), ACCEPTED, &[("notifications client_state", 1.0)]).await;
    for body in ["{\"VALUE\":[]}", "{\"Value\":[{}]}", "{\" value\":[]}"] {
        let post = app.graph.notifications_with(body);
        refused(&app, post, BAD_REQUEST, &[("notifications shape", 1.0)]).await;
    }
    let new = with(&with(&good, "changeType", "\"moved\""), "neverSeen", "{\"a\":[null]}");
    let new = with(&new, "resourceData", r##"{"@odata.type":"#microsoft.graph.brandNew","id":"1","x":{"y":2}}"##);
    refused(&app, notifications(&app.graph, &[new]), ACCEPTED, &[]).await;
    let delivered = app.first.wait_for(1).await;
    assert_eq!(delivered[0].event.kind, "brandNew.moved");
    assert!(delivered[0].event.data.contains(r#""x":{"y":2}"#), "{}", delivered[0].event.data);
    let unknown = Recording::new(&mut app.seed).client_context("new").dialect(Dialect::UnknownMember).completed();
    refused(&app, app.graph.calls(&[unknown]).unwrap(), ACCEPTED, &[]).await;
    assert_eq!(app.first.wait_for(2).await[1].event.kind, "recordOperation.unknown");
    still_delivers(&mut app, 1, &["new"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_35_a_client_context_is_matched_and_handed_on_byte_for_byte() {
    let routes = "[[routes]]\nname = \"exact\"\nclient_context = { exact = \"exact\" }\nsinks = [\"second\"]\n\
                  [[routes]]\nname = \"rest\"\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    let longest = ["x".repeat(256), "é".repeat(256), "😀".repeat(256)];
    let odd = [
        "a\r\nSet-Cookie: x",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{202e}txt.exe",
        "nul\0nul",
        "\"}{\\",
        "'; DROP TABLE events; --",
        "<script>",
        " ",
        "Exact",
        "exact ",
        "exact\0",
        "\u{e9}",
        "e\u{301}",
        "\u{2028}\u{feff}\u{ffff}",
    ];
    let contexts: Vec<&str> = longest.iter().map(String::as_str).chain(odd).collect();
    for context in &contexts {
        let item = Recording::new(&mut app.seed).client_context(*context).completed();
        refused(&app, app.graph.calls(&[item]).unwrap(), ACCEPTED, &[]).await;
    }
    let exact = Recording::new(&mut app.seed).client_context("exact").completed();
    refused(&app, app.graph.calls(&[exact]).unwrap(), ACCEPTED, &[]).await;
    assert_eq!(app.second.wait_for(1).await.len(), 1);
    for (delivery, context) in app.first.wait_for(contexts.len()).await.iter().zip(&contexts) {
        assert_eq!(delivery.event.client_context.as_ref().unwrap().as_str(), *context);
        let mut line = Vec::new();
        reelhook::sinks::cloud_event::write(delivery, false, &mut line);
        let event: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(event["data"]["clientContext"], *context);
        // No attribute holds what CloudEvents forbids.
        let attribute = Some(*context).filter(|it| !it.contains(|c: char| c.is_control() || c == '\u{ffff}'));
        assert_eq!(event["clientcontext"].as_str(), attribute);
        assert!(!line.iter().any(u8::is_ascii_control), "{context:?}");
    }
    still_delivers(&mut app, 0, &contexts).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_35_a_client_context_that_cannot_be_one_costs_the_recording_nothing_and_matches_nothing() {
    let mut app = TestApp::start().await;
    let long = ["x".repeat(257), "é".repeat(257), "😀".repeat(257), "x".repeat(100_000)];
    let others = ["4711", "{\"a\":[1]}", "true"];
    let sent = long.iter().map(|text| serde_json::Value::from(text.as_str()));
    let sent: Vec<serde_json::Value> =
        sent.chain(others.iter().map(|json| serde_json::from_str(json).unwrap())).collect();
    for context in &sent {
        let item = Recording::new(&mut app.seed).client_context("CONTEXT").completed();
        let item = item.replace("\"CONTEXT\"", &context.to_string());
        refused(&app, app.graph.calls(&[item]).unwrap(), ACCEPTED, &[]).await;
    }
    for (delivery, context) in app.first.wait_for(sent.len()).await.iter().zip(&sent) {
        assert_eq!(
            (delivery.event.kind.as_str(), &delivery.event.client_context),
            ("recordOperation.completed", &None)
        );
        let data: serde_json::Value = serde_json::from_str(&delivery.event.data).unwrap();
        assert_eq!(&data["clientContext"], context);
        assert!(delivery.event.recording_access_token.is_some());
    }
    let dialects = app.dialects().await;
    assert_eq!((dialects["client_context_too_long"], dialects["unreadable_member"]), (4.0, 3.0));
    let empty = Recording::new(&mut app.seed).client_context("").completed();
    refused(&app, app.graph.calls(&[empty]).unwrap(), ACCEPTED, &[]).await;
    let delivered = app.first.wait_for(sent.len() + 1).await;
    assert!(delivered[sent.len()].event.client_context.is_none());
    let data: serde_json::Value = serde_json::from_str(&delivered[sent.len()].event.data).unwrap();
    assert_eq!(data["clientContext"], serde_json::Value::Null);
    assert_eq!(app.metric("reelhook_match_ambiguous_total").await, 0.0, "those operations have ended");
    still_delivers(&mut app, sent.len() + 1, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_a_change_and_a_status_have_a_length() {
    let mut app = TestApp::start().await;
    let long = "x".repeat(200_000);
    let recording = Recording::new(&mut app.seed).client_context("long").completed();
    let items = [
        with(&recording, "changeType", &format!("\"{long}\"")),
        Recording::new(&mut app.seed)
            .client_context("long")
            .completed()
            .replace("\"completed\"", &format!("\"{long}\"")),
    ];
    refused(&app, app.graph.calls(&items).unwrap(), ACCEPTED, &[]).await;
    let change = app.graph.change(&mut app.seed).basic();
    let change = with(&change, "changeType", &format!("\"{long}\""));
    refused(&app, notifications(&app.graph, &[change]), ACCEPTED, &[]).await;
    let mut kinds: Vec<String> = app.first.wait_for(3).await.iter().map(|it| it.event.kind.clone()).collect();
    // Two operations: neither waits for the other.
    kinds.sort_unstable();
    assert_eq!(kinds, ["chatMessage.unknown", "recordOperation.completed", "recordOperation.unknown"]);
    assert_eq!(app.dialects().await["unknown_member"], 3.0);
    still_delivers(&mut app, 1, &["long"; 2]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_35_two_open_operations_with_one_client_context_are_both_delivered_and_told() {
    let mut app = TestApp::start().await;
    let recording = |app: &mut TestApp| Recording::new(&mut app.seed).client_context("shared");
    let (one, other) = (recording(&mut app), recording(&mut app));
    let ambiguous = "reelhook_match_ambiguous_total";
    for (item, expected) in
        [(one.running(), 0.0), (other.running(), 1.0), (other.completed(), 2.0), (one.completed(), 2.0)]
    {
        refused(&app, app.graph.calls(&[item]).unwrap(), ACCEPTED, &[]).await;
        assert_eq!(app.metric(ambiguous).await, expected);
    }
    still_delivers(&mut app, 0, &["shared"; 4]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_36_whatever_the_order_everything_is_delivered_and_no_end_is_taken_back() {
    let mut app = TestApp::start().await;
    type Tell = fn(&Recording) -> String;
    let (running, completed, failed): (Tell, Tell, Tell) =
        (Recording::running, Recording::completed, Recording::failed);
    let paused: Tell = |it| it.running().replace("\"running\"", "\"paused\"");
    let stories: &[(&[Tell], &[Order], &str)] = &[
        (&[running, completed], &[Order::First, Order::Advanced], "completed"),
        (&[completed, running], &[Order::First, Order::Late], "completed"),
        (&[failed, completed], &[Order::First, Order::Conflicting], "failed"),
        (&[completed, failed, running], &[Order::First, Order::Conflicting, Order::Late], "completed"),
        (&[running, paused, failed], &[Order::First, Order::Advanced, Order::Advanced], "failed"),
        (&[completed, paused], &[Order::First, Order::Late], "completed"),
    ];
    let mut n = 0;
    for (told, expected, end) in stories {
        let it = Recording::new(&mut app.seed).client_context("story");
        for tell in *told {
            refused(&app, app.graph.calls(&[tell(&it)]).unwrap(), ACCEPTED, &[]).await;
        }
        let delivered = app.first.wait_for(n + told.len()).await;
        let orders: Vec<Order> = delivered[n..].iter().map(|it| it.event.order.unwrap()).collect();
        assert_eq!(orders, *expected);
        let known = app.store.operations(&it.operation.simple().to_string()).await.unwrap();
        assert_eq!((known.len(), known[0].status.as_str(), known[0].events.len()), (1, *end, told.len()));
        n += told.len();
    }
    still_delivers(&mut app, 0, &vec!["story"; n]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_36_what_matches_nothing_is_kept() {
    let routes = "[[routes]]\nname = \"none\"\nclient_context = { exact = \"fence\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    let it = Recording::new(&mut app.seed).client_context("nobody's");
    for item in [it.running(), it.completed(), app.graph.change(&mut app.seed).basic()] {
        let post = if item.contains(CLIENT_STATE) {
            notifications(&app.graph, &[item])
        } else {
            app.graph.calls(&[item]).unwrap()
        };
        refused(&app, post, ACCEPTED, &[]).await;
    }
    assert_eq!(app.metric("reelhook_match_unmatched_total").await, 3.0);
    let kinds: Vec<String> =
        app.store.unmatched(Newest::up_to(10)).await.unwrap().into_iter().map(|it| it.kind).collect();
    assert_eq!(kinds, ["chatMessage.created", "recordOperation.completed", "recordOperation.running"]);
    still_delivers(&mut app, 0, &[]).await;
    app.stop().await;
}
