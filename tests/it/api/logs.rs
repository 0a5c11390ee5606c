//! The event log and the delivery log.

use reelhook::simulator::payload::Recording;
use reelhook::sinks::DeliveryError;
use serde_json::Value;

use super::{completed, get};
use crate::process::eventually;
use crate::test_app::{Settings, TestApp};

/// The members of a list, one page after the other.
async fn walk(app: &TestApp, path: &str) -> Vec<Value> {
    let (mut met, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = get(app, &path).await;
        assert_eq!(page.status, 200, "{page:?}");
        met.extend_from_slice(page.body["value"].as_array().unwrap());
        next = page.body["@odata.nextLink"].as_str().map(|link| link.split_once("/v1.0/").unwrap().1.to_owned());
    }
    met
}

/// Completed `order-1`, failed `Order-2` that the sink refuses, and a chat message that matches no route.
async fn with_events() -> TestApp {
    let routes = "[[routes]]\nname = \"recordings\"\nresource_type = \"recordOperation\"\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    completed(&mut app, "order-1").await;
    app.first.wait_for(1).await;
    app.first.fail([DeliveryError::Reject { reason: "answered 410".into() }]);
    let failed = Recording::new(&mut app.seed).client_context("Order-2").failed();
    assert_eq!(app.post_calls(&[failed]).await.status, 202);
    let item = app.graph.change(&mut app.seed).basic();
    app.post_changes(&[item], false).await;
    eventually("each delivery ended", async || walk(&app, "deliveries").await.is_empty()).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_log_has_events_of_all_types_with_the_states_of_their_deliveries() {
    let app = with_events().await;
    let all = walk(&app, "eventLog?$top=1").await;
    assert_eq!(all.len(), 3);
    assert_eq!((&all[0]["deliveries"], &all[0]["channel"]), (&serde_json::json!([]), &"subscriptions".into()));
    assert_eq!((&all[1]["type"], &all[1]["clientContext"]), (&"recordOperation.failed".into(), &"Order-2".into()));
    assert_eq!(
        (&all[1]["deliveries"][0]["sink"], &all[1]["deliveries"][0]["state"]),
        (&"first".into(), &"dead".into())
    );
    assert_eq!(all[2]["deliveries"][0]["state"], "delivered");
    let id = |at: usize| all[at]["id"].as_str().unwrap();
    let shouted = id(1).to_uppercase().replace('-', "");
    let delivery = all[1]["deliveries"][0]["id"].as_str().unwrap();
    let operation = walk(&app, "communications/recordOperations?$filter=status%20eq%20'failed'").await;
    let operation = operation[0]["id"].as_str().unwrap().to_uppercase();
    let resource = all[0]["resourceType"].as_str().unwrap();
    for (query, expected) in [
        ("matched=true".to_owned(), vec![id(1), id(2)]),
        ("matched=false".to_owned(), vec![id(0)]),
        ("type=recordOperation.failed".to_owned(), vec![id(1)]),
        ("type=RECORDOPERATION.FAILED".to_owned(), vec![id(1)]),
        (format!("resource={resource}"), vec![id(0)]),
        ("resource=/operations/".to_owned(), vec![id(1), id(2)]),
        ("text=RDER-".to_owned(), vec![id(1), id(2)]),
        ("text=nowhere".to_owned(), vec![]),
        (format!("text={shouted}"), vec![id(1)]),
        (format!("text={delivery}"), vec![id(1)]),
        (format!("text={operation}"), vec![id(1)]),
        (format!("text={operation}&type=recordOperation.completed"), vec![]),
        ("since=1h".to_owned(), vec![id(0), id(1), id(2)]),
        ("until=1h".to_owned(), vec![]),
    ] {
        let found = walk(&app, &format!("eventLog?{query}&$top=1")).await;
        assert_eq!(found.iter().map(|it| it["id"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    }
    for (query, told) in [
        ("matched=maybe", "matched: found \"maybe\", expected true or false"),
        ("since=soon", "since: expected how long ago"),
        ("until=soon", "until: expected how long ago"),
        ("$skiptoken=x", "$skiptoken: found \"x\""),
        ("since=99999999999d", "since: found a time that is too far from now, expected how long ago"),
        ("until=9999-12-31T23:59:59Z", "until: found a time that is too far from now, expected how long ago"),
        ("$filter=x", "found the parameter \"$filter\""),
        ("foo=1", "found the parameter \"foo\""),
    ] {
        let refused = get(&app, &format!("eventLog?{query}")).await;
        let message = refused.body["error"]["message"].as_str().unwrap();
        assert!(refused.status == 400 && message.starts_with(told), "{query}: {message}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_delivery_log_is_narrowed_by_state_sink_type_time_and_text() {
    let app = with_events().await;
    let all = walk(&app, "deliveries?state=any&$top=1").await;
    let states: Vec<&str> = all.iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["dead", "delivered"]);
    let id = |at: usize| all[at]["id"].as_str().unwrap();
    let event = all[1]["eventId"].as_str().unwrap();
    for (query, expected) in [
        ("state=dead".to_owned(), vec![id(0)]),
        ("state=delivered".to_owned(), vec![id(1)]),
        ("state=unsettled".to_owned(), vec![]),
        ("state=waiting".to_owned(), vec![]),
        ("state=underWay".to_owned(), vec![]),
        ("state=any&sink=second".to_owned(), vec![]),
        ("state=any&type=recordOperation.completed".to_owned(), vec![id(1)]),
        ("state=any&type=recordoperation.COMPLETED".to_owned(), vec![id(1)]),
        ("state=any&text=ORDER".to_owned(), vec![id(0), id(1)]),
        ("state=any&text=410".to_owned(), vec![id(0)]),
        (format!("state=any&text={event}"), vec![id(1)]),
        (format!("state=any&text={}", id(0).to_uppercase()), vec![id(0)]),
        (format!("state=delivered&text={}", id(0)), vec![]),
        ("state=any&until=1h".to_owned(), vec![]),
    ] {
        let found = walk(&app, &format!("deliveries?{query}&$top=1")).await;
        assert_eq!(found.iter().map(|it| it["id"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    }
    let refused = get(&app, "deliveries?state=gone").await;
    let message = "state: found \"gone\", expected unsettled, waiting, underWay, delivered, dead, or any";
    assert_eq!((refused.status, &refused.body["error"]["message"]), (400, &message.into()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_to_the_next_page_has_instants_and_no_time_that_counts_from_now() {
    let app = with_events().await;
    let now = app.clock.now();
    let (since, until) = (now - jiff::SignedDuration::from_hours(2), now);
    for list in ["eventLog?", "deliveries?state=any&"] {
        let page = get(&app, &format!("{list}since=2h&until=0s&$top=1")).await;
        let next = page.body["@odata.nextLink"].as_str().unwrap();
        let pairs: Vec<(String, String)> = url::Url::parse(next).unwrap().query_pairs().into_owned().collect();
        for (name, at) in [("since", since), ("until", until)] {
            assert!(pairs.contains(&(name.to_owned(), at.to_string())), "{name}: {next}");
        }
    }
    let unmatched = get(&app, "unmatched?since=2h&$top=1").await;
    assert_eq!((unmatched.status, unmatched.body["value"].as_array().unwrap().len()), (200, 1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_delivery_has_one_set_of_words_in_both_logs_and_in_their_filter() {
    let mut app = TestApp::start().await;
    app.pauses.pause(&reelhook::domain::SinkName::new("first")).await.unwrap();
    let recording = Recording::new(&mut app.seed).client_context("order-1");
    for item in [recording.running(), recording.completed()] {
        assert_eq!(app.post_calls(&[item]).await.status, 202);
    }
    let waiting = walk(&app, "deliveries?state=waiting").await;
    let told: Vec<_> =
        waiting.iter().map(|it| (it["state"].as_str().unwrap(), it["isBlocked"].as_bool().unwrap())).collect();
    assert_eq!(told, [("waiting", true), ("waiting", false)], "the newer one waits for the older one");
    for event in walk(&app, "eventLog").await {
        assert_eq!(event["deliveries"][0]["state"], "waiting", "{event}");
    }
    assert!(walk(&app, "deliveries?state=underWay").await.is_empty());
    app.stop().await;
}
