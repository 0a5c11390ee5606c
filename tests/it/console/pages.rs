//! What each page shows.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use reelhook::domain::{ClientContext, GraphId, Status};
use reelhook::odata::OrderBy;
use reelhook::simulator::payload::{Recording, calls};
use reelhook::store::operations::{NewOperation, Question};
use reelhook::store::{Batch, Newest};

use super::{Browser, PAYLOAD, record};
use crate::recording_sink::{PATIENCE, RecordingSink};
use crate::store::InState;
use crate::test_app::{CLIENT_STATE, Settings, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn empty_pages_say_what_to_do_next() {
    let app = TestApp::start().await;
    let browser = Browser::new(&app);
    for (page, hint) in [
        ("/", "reelhook simulate"),
        ("/operations", "No operations yet."),
        ("/operations?q=none", "Show all operations."),
        ("/quarantine", "The quarantine is empty."),
        ("/unmatched", "No unmatched events"),
        ("/sinks/first", "None. A delivery becomes a dead letter when"),
        ("/events", "No events yet."),
        ("/events?q=none", "No event matches the filter."),
        ("/deliveries", "No deliveries yet."),
        ("/deliveries?state=dead", "No delivery matches the filter."),
    ] {
        assert!(browser.page(page).await.body.contains(hint), "{page}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_context_is_shown_as_text_on_every_page() {
    let routes = "[[routes]]\nname = \"x\"\nclient_context = { prefix = \"a\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    app.first.fail([reelhook::sinks::DeliveryError::Reject { reason: format!("no {PAYLOAD}") }]);
    let dead = format!("a{PAYLOAD}");
    record(&mut app, PAYLOAD).await;
    record(&mut app, &dead).await;
    dead_letters(&app, 1).await;
    let browser = Browser::new(&app);
    let operation = browser.page("/operations").await.links("/operations/").remove(0);
    let search =
        format!("/operations?q={}", url::form_urlencoded::byte_serialize(PAYLOAD.as_bytes()).collect::<String>());
    for page in ["/", "/operations", &search, &operation, "/sinks/first", "/unmatched", "/events", "/deliveries"] {
        let page = (page, browser.page(page).await.body);
        assert!(page.1.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#62;&#60;img src=x"), "{page:?}");
        assert!(!page.1.contains("<script>alert") && !page.1.contains("<img"), "{page:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_the_open_page_as_it_arrives() {
    let mut app = TestApp::start().await;
    record(&mut app, "before").await;
    let browser = Browser::new(&app);
    let page = browser.page("/").await;
    assert_eq!(page.count("live-row"), 1);
    let after = page.body.split("data-after=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut stream = browser.stream(&format!("/console/events?after={after}")).await;
    assert_eq!(stream.status(), 200);
    record(&mut app, PAYLOAD).await;
    let mut told = String::new();
    let read = async {
        while !told.contains("\n\n") || !told.contains("data:") {
            told.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the event is told");
    let data = told.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let row: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(row["clientContext"], PAYLOAD, "{told}");
    assert_eq!(row["kind"], "recordOperation.completed");
    assert!(row["href"].as_str().unwrap().starts_with("/operations/"));
    assert!(!told.contains("before"), "what the page showed is not told again");
    drop(stream);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_a_text_in_a_client_context_in_any_case_and_filters_narrow_it() {
    let mut app = TestApp::start().await;
    for context in ["order-1", "order-2", "Order-3", "x'%_"] {
        record(&mut app, context).await;
    }
    let browser = Browser::new(&app);
    for (query, n) in [
        ("q=order-", 3),
        ("q=order-1", 1),
        ("q=x%27%25_", 1),
        ("q=%25", 1),
        ("q=ORDER", 3),
        ("q=rder-3", 1),
        ("q=nowhere", 0),
        ("status=completed", 4),
        ("status=running", 0),
        ("status=+completed+", 4),
        ("status=dictated", 0),
        ("q=order-&status=completed", 3),
        ("q=rder-&status=running", 0),
        ("state=overdue", 0),
        ("call=none", 0),
    ] {
        let page = browser.page(&format!("/operations?{query}")).await;
        assert_eq!(page.count("operation-row"), n, "{query}");
    }
    let undocumented = Recording::new(&mut app.seed).completed().replace("\"completed\"", "\"dictated\"");
    assert_eq!(app.post_calls(&[undocumented]).await.status, 202);
    assert_eq!(browser.page("/operations?status=dictated").await.count("operation-row"), 1);
    let options = browser.page("/operations").await.body;
    for option in ["overdue (reported as overdue)", "lost (reported as lost)"] {
        assert!(options.contains(option), "{option}");
    }
    for query in ["state=none", "older=x", "newer=1.x", &format!("q={}", "'".repeat(20_000))] {
        let answer = browser.get(&format!("/operations?{query}")).await;
        assert!([400, 414, 431].contains(&answer.status), "{}: {}", query.len(), answer.status);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_operations_lead_on_and_back_and_show_each_once() {
    let mut app = TestApp::start().await;
    for n in 0..120 {
        record(&mut app, &format!("op-{n}")).await;
    }
    let browser = Browser::new(&app);
    for start in ["/operations", "/operations?q=op-"] {
        let (mut path, mut seen, mut sizes) = (start.to_owned(), Vec::new(), Vec::new());
        loop {
            let page = browser.page(&path).await;
            sizes.push(page.count("operation-row"));
            seen.extend(page.links("/operations/"));
            let Some(older) = page.links("/operations?").into_iter().find(|link| link.contains("older=")) else {
                break;
            };
            path = older;
        }
        assert_eq!(sizes, [50, 50, 20], "{start}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 120, "{start}");
    }
    let first = browser.page("/operations").await;
    let second = browser.page(&first.links("/operations?older=").remove(0)).await;
    let back = browser.page(&second.links("/operations?newer=").remove(0)).await;
    assert_eq!(back.links("/operations/"), first.links("/operations/"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_told_as_a_picture_in_words_and_as_a_table() {
    let mut app = TestApp::start().await;
    app.first.fail([RecordingSink::retry("far side down")]);
    record(&mut app, "story-1").await;
    // The first attempt is settled when it is on record.
    let attempted = async {
        while app.metric("reelhook_delivery_attempts_total{sink=\"first\",result=\"retry\"}").await < 1.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, attempted).await.unwrap();
    let browser = Browser::new(&app);
    let path = browser.page("/operations").await.links("/operations/").remove(0);
    let page = browser.page(&path).await;
    assert!(page.has("timeline") && page.has("story") && page.has("delivery-row") && page.has("raw"));
    for part in [
        "subcode 8515: the maximum recording length was reached",
        "to first",
        "far side down",
        "The first notification of the operation.",
        "maxRecordDurationReached",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(!page.body.contains("recording-token-"), "the recording's token is never shown");
    assert!(page.body.contains("Proof of the status</dt><dd>bearerToken ("), "{}", page.body);
    let (address, answer) = page.api();
    assert_eq!(answer, serde_json::from_str::<serde_json::Value>(&browser.page(&address).await.body).unwrap());
    let sink = browser.page("/sinks/first").await;
    assert!(sink.has("failing") && sink.body.contains(": far side down"), "{}", sink.body);
    assert!(!browser.page("/sinks/second").await.body.contains("The last failed attempt"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_operation_is_found_from_the_first_page_and_by_every_id_it_has() {
    let mut app = TestApp::start().await;
    let recording = Recording::new(&mut app.seed).client_context("Support-77");
    let new = NewOperation {
        id: None,
        call_id: GraphId::new(&recording.call.to_string()),
        tenant_id: None,
        client_context: ClientContext::new("Support-77"),
        status: Status::NotStarted,
        metadata: None,
        sinks: Vec::new(),
        expected_by: None,
        allow_duplicate: false,
    };
    app.operations.create(new).await.unwrap();
    let browser = Browser::new(&app);
    assert_eq!(browser.page("/").await.tile("tile-lost"), "0");
    let ended = calls::call_of(recording.call, "terminated");
    assert_eq!(app.post_calls(&[ended]).await.status, 202);
    app.advance(31);
    let events: Vec<_> = app.first.wait_for(2).await.into_iter().map(|delivery| delivery.event).collect();
    app.until_metric("reelhook_expectations{state=\"lost\"}", 1.0).await;
    let first = browser.page("/").await;
    assert_eq!((first.tile("tile-lost"), first.tile("tile-overdue")), ("1".into(), "0".into()));
    let list = browser.page(&first.links("/operations?state=lost").remove(0)).await;
    assert_eq!(list.count("operation-row"), 1);
    let page = browser.page(&list.links("/operations/").remove(0)).await;
    assert!(page.body.contains("It is lost: its call ended"), "{}", page.body);
    assert!(page.body.contains("Made by reelhook itself") && !page.body.contains("<dt>channel</dt>"), "{}", page.body);

    let call = recording.call.to_string();
    let completed = recording.completed();
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
    let order = OrderBy::default();
    let operation = app.operations.list(Question::first(&order, 1)).await.unwrap().remove(0);
    let shouted = |id: &str| id.to_uppercase();
    let mut ids = vec![operation.id.clone(), shouted(&operation.id).replace('-', ""), call.clone(), shouted(&call)];
    // That of the end of its call, and that of the report.
    ids.extend(events.iter().map(|event| event.id.to_string()));
    for id in ids {
        let found = browser.page(&format!("/operations?q={id}")).await;
        assert_eq!((found.count("operation-row"), found.has("found-by")), (1, true), "{id}");
        assert!(found.body.contains("Found by the id."), "{id}: {}", found.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_is_shown_with_its_state_and_found_by_it() {
    let app = TestApp::start().await;
    let new = NewOperation {
        id: None,
        call_id: None,
        tenant_id: None,
        client_context: ClientContext::new(PAYLOAD),
        status: Status::NotStarted,
        metadata: Some(serde_json::json!({ "note": PAYLOAD }).to_string()),
        sinks: Vec::new(),
        expected_by: Some(app.clock.now() + SignedDuration::from_secs(60)),
        allow_duplicate: false,
    };
    app.operations.create(new).await.unwrap();
    let browser = Browser::new(&app);
    assert_eq!(browser.page("/operations?state=waiting").await.count("operation-row"), 1);
    assert_eq!(browser.page("/operations?state=overdue").await.count("operation-row"), 0);
    app.advance(61);
    app.first.wait_for(1).await;
    let list = browser.page("/operations?state=overdue&status=notStarted").await;
    assert_eq!(list.count("operation-row"), 1);
    let page = browser.page(&list.links("/operations/").remove(0)).await;
    assert!(page.has("state") && page.body.contains(">overdue<") && page.body.contains(">deadline<"), "{}", page.body);
    assert!(page.body.contains("It is overdue: Graph did not report its end"));
    assert!(!page.body.contains("<script>alert") && !page.body.contains("<img"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_with_many_events_says_how_many_it_leaves_out_and_where_they_are() {
    let mut app = TestApp::start().await;
    let browser = Browser::new(&app);
    crate::store::accept_chain(&*app.store, app.clock.now(), 200).await;
    let page = browser.page("/operations/chain?call=call").await;
    assert_eq!((page.count("event"), page.has("left-out")), (200, false));
    let more = crate::store::link("the last", "archive");
    let batch = Batch { received_at: app.clock.now(), accepted: vec![more], quarantined: Vec::new() };
    app.store.accept(batch).await.unwrap();
    let page = browser.page("/operations/chain?call=call").await;
    assert_eq!(page.count("event"), 200);
    assert!(page.body.contains("It leaves out 1 earlier event: "), "{}", page.body);
    assert!(page.body.contains("the last"), "{}", page.body);
    record(&mut app, "unrelated-7").await;
    assert!(browser.page("/events").await.body.contains("unrelated-7"));
    let found = browser.page(&page.links("/events?resource=").remove(0)).await;
    assert!(found.body.contains("the last") && !found.body.contains("unrelated-7"), "{}", found.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bot_posted_is_not_said_to_come_from_graph() {
    let app = TestApp::start().await;
    let posted = reqwest::Client::new()
        .post(format!("http://{}/v1.0/communications/calls/call-1/operations", app.admin))
        .header("content-type", "application/json")
        .body(r#"{"clientContext": "posted-1", "id": "op-1", "status": "running"}"#);
    assert_eq!(posted.send().await.unwrap().status(), 201);
    let browser = Browser::new(&app);
    let page = browser.page(&browser.page("/operations").await.links("/operations/").remove(0)).await;
    assert!(page.body.contains("Your bot posted that the recording was running."), "{}", page.body);
    assert!(!page.body.contains("Graph last reported"), "{}", page.body);
    assert!(page.body.contains("Proof of the status</dt><dd>none"), "{}", page.body);
    let (address, answer) = page.api();
    assert_eq!((&answer["proof"], &answer["status"]), (&serde_json::Value::Null, &"running".into()), "{answer}");
    assert_eq!(answer, serde_json::from_str::<serde_json::Value>(&browser.page(&address).await.body).unwrap());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_shows_every_documented_key_and_no_secret() {
    let app = TestApp::start().await;
    let page = Browser::new(&app).page("/configuration").await;
    assert!(!page.body.contains(CLIENT_STATE) && !page.body.contains("PRIVATE KEY"));
    assert!(page.body.contains("client_states") && page.body.contains("private_key"));
    for key in documented() {
        assert!(page.body.contains(&format!("{key}</code>")), "the page does not show {key}");
    }
    app.stop().await;
}

/// The keys in config/reelhook.toml that a server without them has as well: those of sections that are not repeated.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/reelhook.toml")).unwrap();
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in text.lines().map(|line| if line.starts_with("# ") { "" } else { line.trim_start_matches('#') }) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && ["server", "store", "calls", "subscriptions", "expectations", "dispatch", "log"]
                .contains(&section.as_str())
        {
            keys.insert(key.to_owned());
        }
    }
    assert!(keys.len() > 30, "{keys:?}");
    keys
}

/// Waits until a sink has so many dead letters.
pub async fn dead_letters(app: &TestApp, n: usize) {
    let given_up = async {
        let dead = reelhook::store::DeliveryState::Dead;
        while app.store.deliveries(dead, None, Newest::up_to(100)).await.unwrap().len() < n {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, given_up).await.expect("the deliveries were given up");
}
