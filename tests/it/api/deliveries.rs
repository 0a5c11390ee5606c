//! Deliveries, dead letters, the quarantine, sinks and what no route matched.

use reelhook::simulator::payload::Recording;
use reelhook::sinks::DeliveryError;
use serde_json::{Value, json};

use super::{Reply, ask, completed, get, post, with_tokens};
use crate::process::eventually;
use crate::recording_sink::RecordingSink;
use crate::test_app::{Settings, TestApp};

fn rejected() -> DeliveryError {
    DeliveryError::Reject { reason: "the far side said \u{1b}no".into() }
}

fn members(reply: &Reply) -> &[Value] {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["value"].as_array().unwrap()
}

/// Waits until so many dead letters are listed; returns them.
async fn dead_letters(app: &TestApp, n: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually("the dead letters are listed", async || {
        found = members(&get(app, "deadLetters").await).to_vec();
        found.len() == n
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deliveries_of_an_operation_are_told_with_every_attempt() {
    let routes = "[[routes]]\nname = \"all\"\nsinks = [\"first\", \"second\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    app.first.fail([RecordingSink::retry("busy")]);
    app.second.fail([rejected()]);
    let recording = Recording::new(&mut app.seed).client_context("a");
    app.post_calls(&[recording.completed()]).await;
    let dead = dead_letters(&app, 1).await;
    let event = app.store.event(reelhook::domain::EventId(dead[0]["eventId"].as_str().unwrap().parse().unwrap()));
    let event = event.await.unwrap().unwrap();
    let data: Value = serde_json::from_str(&event.data).unwrap();
    let path = format!("communications/recordOperations/{}/deliveries", data["id"].as_str().unwrap());

    let mut deliveries = Vec::new();
    eventually("the first attempt is recorded", async || {
        deliveries = members(&get(&app, &path).await).to_vec();
        deliveries.iter().all(|it| it["attemptCount"] == 1)
    })
    .await;
    app.advance(6);
    eventually("the second attempt is recorded", async || {
        deliveries = members(&get(&app, &path).await).to_vec();
        deliveries[0]["state"] == "delivered"
    })
    .await;
    let first = &deliveries[0];
    assert_eq!((&first["sink"], &first["route"], &first["attemptCount"]), (&json!("first"), &json!("all"), &json!(2)));
    assert_eq!(first["event"]["type"], "recordOperation.completed");
    assert_eq!(first["event"]["clientContext"], "a");
    assert_eq!(first["attempts"][0]["number"], 1);
    assert_eq!(first["attempts"][0]["result"], "failed");
    assert_eq!(first["attempts"][0]["reason"], "busy");
    assert!(first["attempts"][0]["duration"].as_str().unwrap().starts_with("PT"));
    assert_eq!(first["attempts"][1]["result"], "delivered");
    assert_eq!(first["attempts"][1]["endedDateTime"], first["settledDateTime"]);
    assert!(first["attempts"][1]["duration"].as_str().unwrap().starts_with("PT"));
    assert!(first["attempts"][1]["startedDateTime"].as_str() >= first["attempts"][0]["endedDateTime"].as_str());
    let second = &deliveries[1];
    assert_eq!(
        (&second["sink"], &second["state"], &second["dueDateTime"]),
        (&json!("second"), &json!("dead"), &json!(null))
    );
    assert_eq!(second["lastFailure"], "the far side said \u{1b}no");

    for unknown in
        ["communications/recordOperations/no-such/deliveries", "communications/recordOperations/%20/deliveries"]
    {
        assert_eq!(get(&app, unknown).await.status, 404, "{unknown}");
    }
    app.stop().await;
}

/// Every member of a list, by its links.
async fn walk(app: &TestApp, path: &str) -> Vec<Value> {
    let (mut met, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = get(app, &path).await;
        met.extend_from_slice(members(&page));
        next = page.body["@odata.nextLink"].as_str().map(|link| link.split_once("/v1.0/").unwrap().1.to_owned());
    }
    met
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_followed_by_their_links_to_the_oldest() {
    let routes = "[[routes]]\nname = \"one\"\nclient_context = { prefix = \"one-\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    app.first.fail([rejected(), rejected(), rejected()]);
    app.graph.client_state = Some("another state than the configured".into());
    for n in 0..3 {
        completed(&mut app, &format!("one-{n}")).await;
        completed(&mut app, &format!("another-{n}")).await;
        let item = app.graph.change(&mut app.seed).basic();
        app.post_changes(&[item], false).await;
    }
    dead_letters(&app, 3).await;
    for list in ["deadLetters?sink=first&$top=", "unmatched?$top=", "quarantine?$top="] {
        let whole = members(&get(&app, &format!("{list}3")).await).to_vec();
        assert_eq!(whole.len(), 3, "{list}");
        assert_eq!(get(&app, &format!("{list}3")).await.body["@odata.nextLink"], Value::Null, "{list}");
        for top in [1, 2] {
            assert_eq!(walk(&app, &format!("{list}{top}")).await, whole, "{list}{top}");
        }
        let forged = get(&app, &format!("{list}1&$skiptoken=x")).await;
        let message = "$skiptoken: found \"x\", expected the $skiptoken of an @odata.nextLink";
        assert_eq!((forged.status, &forged.body["error"]["message"]), (400, &json!(message)), "{list}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_and_replayed_one_or_counted() {
    let mut app = TestApp::start().await;
    app.first.fail([rejected(), rejected(), rejected()]);
    for context in ["a", "b", "c"] {
        completed(&mut app, context).await;
    }
    let dead = dead_letters(&app, 3).await;
    assert_eq!(members(&get(&app, "deadLetters?sink=first&$top=2").await), &dead[..2], "newest first");
    assert!(members(&get(&app, "deadLetters?sink=second").await).is_empty());
    assert_eq!(get(&app, "deadLetters/$count?sink=first").await.body, 3);
    assert_eq!(get(&app, "deadLetters/$count?sink=second").await.body, 0);
    assert_eq!(get(&app, "deadLetters?$top=1001").await.status, 400);

    let id = dead[0]["id"].as_str().unwrap();
    let shown = get(&app, &format!("deadLetters/{id}")).await.body;
    assert_eq!((&shown["event"]["clientContext"], &shown["data"]["clientContext"]), (&json!("c"), &json!("c")));
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1);
    assert!(!shown.to_string().contains("recordingAccessToken"));
    let replay = format!("deadLetters/{id}/replay");
    let replayed = post(&app, &replay, None).await;
    assert_eq!((replayed.status, replayed.body), (200, json!({"replayed": 1})));
    app.first.wait_for(1).await;
    assert_eq!(app.delivered_contexts(), ["c"]);
    assert_eq!(post(&app, &replay, None).await.status, 409);
    assert_eq!(get(&app, &format!("deadLetters/{id}")).await.status, 404, "it is none any more");

    for (body, status) in [
        (json!({"count": 3}), 409),
        (json!({"count": 1, "sink": "second"}), 409),
        (json!({"sink": "first"}), 400),
        (json!({"count": 2, "sinks": "first"}), 400),
        (json!({"count": -1}), 400),
    ] {
        let reply = post(&app, "deadLetters/replay", Some(body.clone())).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        if status == 409 {
            let expected = if body["sink"] == "second" { "expected 0, the present number" } else { "expected 2, the" };
            assert!(reply.body["error"]["message"].as_str().unwrap().contains(expected), "{reply:?}");
        }
    }
    assert_eq!(app.delivered_contexts(), ["c"]);
    let replayed = post(&app, "deadLetters/replay", Some(json!({"count": 2, "sink": "first"}))).await;
    assert_eq!((replayed.status, replayed.body), (200, json!({"replayed": 2})));
    app.first.wait_for(3).await;
    // Deliveries of different operations have no order.
    let mut rest = app.delivered_contexts().split_off(1);
    rest.sort();
    assert_eq!(rest, ["a", "b"]);
    for path in ["deadLetters/7", "deadLetters/00000000-0000-0000-0000-000000000000"] {
        assert_eq!(get(&app, path).await.status, 404);
        assert_eq!(post(&app, &format!("{path}/replay"), None).await.status, 404);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_body_is_for_administrators() {
    let tokens = [
        ("reader", "\"read\""),
        ("writer", "\"read\", \"write\""),
        ("boss", "\"read\", \"write\", \"admin\""),
        ("all", "\"read\", \"write\", \"admin\", \"recordings\""),
    ];
    let mut app = TestApp::start_with(with_tokens(&tokens)).await;
    app.graph.client_state = Some("another state than the configured".into());
    let item = app.graph.change(&mut app.seed).basic();
    app.post_changes(std::slice::from_ref(&item), false).await;
    let by = async |token, path: &str| ask(&app, ("GET", path), Some(token), None).await;

    let listed = by("reader", "quarantine").await;
    let entry = &members(&listed)[0];
    assert_eq!((&entry["channel"], &entry["reason"]), (&json!("subscriptions"), &json!("client_state")));
    assert_eq!(entry["sizeBytes"], item.len());
    assert!(entry.get("body").is_none());
    let path = format!("quarantine/{}", entry["id"]);
    let shown = by("reader", &path).await.body;
    assert_eq!((&shown["body"], &shown["text"]), (&json!(null), &json!(null)));
    assert_eq!(shown["withheld"], "body");
    use base64::Engine;
    let decoded = |shown: &Value| {
        let body = shown["body"].as_str().unwrap();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(body).unwrap()).unwrap()
    };
    let shown = by("all", &path).await.body;
    assert_eq!((shown["text"].as_str(), &shown["withheld"]), (Some(item.as_str()), &json!(null)));
    assert_eq!(decoded(&shown), item);
    let shown = by("boss", &path).await.body;
    assert_eq!((shown["text"].as_str(), &shown["withheld"]), (Some(decoded(&shown).as_str()), &json!("secrets")));
    assert!(item.contains("another state") && !decoded(&shown).contains("another state"), "{shown}");
    let read: Value = serde_json::from_str(&decoded(&shown)).unwrap();
    let mut sent: Value = serde_json::from_str(&item).unwrap();
    sent["clientState"] = "(hidden)".into();
    assert_eq!(read, sent);

    let replay = format!("{path}/replay");
    for (token, body, status) in [
        ("reader", None, 403),
        ("writer", Some(json!({"vouch": true})), 403),
        ("writer", Some(json!({"vouch": "yes"})), 400),
        ("writer", Some(json!({"vouched": true})), 400),
        ("writer", None, 202),
        ("boss", Some(json!({"vouch": true})), 202),
    ] {
        let reply = ask(&app, ("POST", &replay), Some(token), body.clone()).await;
        assert_eq!(reply.status, status, "{token} {body:?}: {reply:?}");
    }
    for unknown in ["quarantine/999", "quarantine/x", "quarantine/99999999999999999999"] {
        assert_eq!(by("boss", unknown).await.status, 404);
        assert_eq!(ask(&app, ("POST", &format!("{unknown}/replay")), Some("boss"), None).await.status, 404);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recordings_token_and_what_is_no_json_are_withheld_from_a_quarantined_body() {
    let tokens = [("boss", "\"read\", \"admin\""), ("all", "\"read\", \"admin\", \"recordings\"")];
    let mut app = TestApp::start_with(with_tokens(&tokens)).await;
    let recording = crate::api::operations::recording(&mut app, "a");
    let item = recording.completed();
    let body = app.graph.calls(std::slice::from_ref(&item)).unwrap().body;
    let cut = body.slice(..body.len() - 3);
    assert_eq!(app.post_calls_body(cut).await.status, 400);
    let by = async |token, path: &str| ask(&app, ("GET", path), Some(token), None).await.body;
    let id = members(&ask(&app, ("GET", "quarantine"), Some("all"), None).await)[0]["id"].clone();
    let path = format!("quarantine/{id}");
    assert!(by("all", &path).await["text"].as_str().unwrap().contains(&recording.access_token));
    let shown = by("boss", &path).await;
    assert_eq!((&shown["body"], &shown["text"], &shown["withheld"]), (&json!(null), &json!(null), &json!("body")));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_change_a_sink_is_not_shown_it() {
    let app = TestApp::start_with(with_tokens(&[("writer", "\"write\"")])).await;
    for action in ["pause", "resume"] {
        let reply = ask(&app, ("POST", &format!("sinks/first/{action}")), Some("writer"), None).await;
        assert_eq!((reply.status, reply.body), (204, json!("")), "{action}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_judged_again_by_the_running_server() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some(crate::test_app::NEXT_CLIENT_STATE.into());
    let item = app.graph.change(&mut app.seed).basic();
    app.post_changes(&[item], false).await;
    let app = app.restart_with(|settings| settings.next_client_state = true).await;
    let id = members(&get(&app, "quarantine").await)[0]["id"].clone();
    let wished = post(&app, &format!("quarantine/{id}/replay"), None).await;
    assert_eq!((wished.status, wished.body), (202, json!({"id": id, "vouch": false})));
    assert_eq!(app.first.wait_for(1).await[0].event.kind, "chatMessage.created");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_are_listed_with_what_waits_and_paused_and_resumed() {
    let mut app = TestApp::start().await;
    app.first.fail([RecordingSink::retry("busy"), rejected()]);
    for context in ["a", "b"] {
        completed(&mut app, context).await;
    }
    dead_letters(&app, 1).await;
    app.advance(2);
    let sinks = get(&app, "sinks").await;
    let mut first = members(&sinks)[0].clone();
    let next = first.as_object_mut().unwrap().remove("nextAttemptDateTime").unwrap();
    assert!(next.as_str().unwrap().starts_with("2026-11-24T08:00:0"), "{next}: 5 s, a little more or less");
    // Which of the two attempts ended last is not certain.
    let reason = first["lastFailure"]["reason"].clone();
    assert!(reason == "busy" || reason == "the far side said \u{1b}no", "{reason}");
    let expected = json!({
        "name": "first", "isConfigured": true, "isPaused": false, "openCount": 1, "deadCount": 1,
        "oldestDateTime": "2026-11-24T08:00:00Z", "oldestAge": "PT2S", "state": "failing",
        "stateSinceDateTime": "2026-11-24T08:00:00Z", "pausedUntilDateTime": null, "lastDeliveredDateTime": null,
        "lastFailure": {"dateTime": "2026-11-24T08:00:00Z", "reason": reason}
    });
    assert_eq!(first, expected);
    assert_eq!(members(&sinks)[1]["name"], "second");
    assert_eq!(members(&sinks)[1]["oldestAge"], json!(null));

    for (action, is_paused) in [("pause", true), ("pause", true), ("resume", false), ("resume", false)] {
        let reply = post(&app, &format!("sinks/first/{action}"), None).await;
        assert_eq!((reply.status, &reply.body["isPaused"]), (200, &json!(is_paused)), "{action}");
        assert_eq!(members(&get(&app, "sinks").await)[0]["isPaused"], is_paused);
    }
    assert_eq!(post(&app, "sinks/third/pause", None).await.status, 404);
    assert_eq!(get(&app, "sinks/first/pause").await.status, 405);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matched_is_routed_once_the_routes_are_mended() {
    let narrow = "[[routes]]\nname = \"few\"\nclient_context = { exact = \"a\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: narrow.into(), ..Settings::default() }).await;
    completed(&mut app, "b").await;
    let listed = get(&app, "unmatched").await;
    let event = &members(&listed)[0];
    assert_eq!((&event["type"], &event["clientContext"]), (&json!("recordOperation.completed"), &json!("b")));
    let path = format!("unmatched/{}/replay", event["id"].as_str().unwrap());
    let reply = post(&app, &path, None).await;
    assert_eq!((reply.status, &reply.body["error"]["code"]), (409, &json!("noRouteMatches")));

    let app = app.restart_with(|settings| settings.routes = String::new()).await;
    let reply = post(&app, &path, None).await;
    assert_eq!((reply.status, reply.body), (200, json!({"deliveries": 1})));
    app.first.wait_for(1).await;
    assert_eq!(app.delivered_contexts(), ["b"]);
    assert!(members(&get(&app, "unmatched").await).is_empty());
    let reply = post(&app, &path, None).await;
    assert_eq!((reply.status, &reply.body["error"]["code"]), (409, &json!("alreadyRouted")));
    assert_eq!(post(&app, "unmatched/7/replay", None).await.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_listed_and_each_delivery_and_event_is_shown_with_its_story() {
    let mut app = TestApp::start().await;
    assert_eq!(post(&app, "sinks/first/pause", None).await.status, 200);
    completed(&mut app, "a").await;
    let waiting = get(&app, "deliveries?sink=first").await;
    let (id, event) = (members(&waiting)[0]["id"].as_str().unwrap(), members(&waiting)[0]["eventId"].as_str().unwrap());
    assert!(members(&get(&app, "deliveries?sink=second").await).is_empty());
    let shown = get(&app, &format!("deliveries/{id}")).await.body;
    assert_eq!((&shown["state"], &shown["data"]["clientContext"]), (&json!("waiting"), &json!("a")));
    assert_eq!(shown["story"][0], format!("to first by route \"all\" (delivery {id})"));
    let shown = get(&app, &format!("events/{event}")).await.body;
    assert_eq!((&shown["type"], &shown["data"]["clientContext"]), (&json!("recordOperation.completed"), &json!("a")));
    let operation = shown["data"]["id"].as_str().unwrap().to_owned();
    for of in ["a", event, &operation, &operation.replace('-', "").to_uppercase()] {
        let explained = get(&app, &format!("explain?of={of}")).await;
        assert_eq!(members(&explained).len(), 1, "{of}");
        assert_eq!(members(&explained)[0]["operationId"], operation, "{of}");
        assert_eq!(members(&explained)[0]["story"][0], format!("operation      {operation}"));
    }
    assert!(members(&get(&app, "explain?of=nobody").await).is_empty());
    assert_eq!(get(&app, "explain").await.status, 400);
    for unknown in ["deliveries/7", "events/7", "deliveries/00000000-0000-0000-0000-000000000000"] {
        assert_eq!(get(&app, unknown).await.status, 404, "{unknown}");
    }
    app.stop().await;
}

/// A failure after which the destination wants to be left alone for an hour.
fn leave_me_alone() -> DeliveryError {
    let hour = std::time::Duration::from_secs(3600);
    DeliveryError::Retry { reason: "503".into(), after: Some(hour), pause: true }
}

/// Waits until so many deliveries wait for another attempt; returns them, newest first.
async fn failed_once(app: &TestApp, n: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually("the first attempts failed", async || {
        found = members(&get(app, "deliveries?sink=first").await).to_vec();
        found.iter().filter(|it| it["attemptCount"] == 1).count() == n
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_waits_for_a_sink_is_attempted_now_and_a_pause_of_its_own_ends() {
    let mut app = TestApp::start().await;
    app.first.fail([leave_me_alone()]);
    completed(&mut app, "first").await;
    failed_once(&app, 1).await;
    for n in 0..20 {
        completed(&mut app, &n.to_string()).await;
    }
    app.until_metric("reelhook_sink_paused{sink=\"first\"}", 1.0).await;
    let due = post(&app, "sinks/first/attempt", None).await;
    assert_eq!((due.status, due.body), (200, json!({"dueCount": 1, "openCount": 21, "isPaused": false})));
    let delivered = app.first.wait_for(21).await;
    let again = delivered.iter().find(|it| it.attempt == 2).expect("the attempts go on being counted");
    assert_eq!(again.event.client_context.as_ref().unwrap().as_str(), "first");

    let nothing = json!({"dueCount": 0, "openCount": 0, "isPaused": false});
    eventually("nothing waits", async || post(&app, "sinks/first/attempt", None).await.body == nothing).await;
    assert_eq!(post(&app, "sinks/none/attempt", None).await.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_is_attempted_now_and_an_operators_pause_is_told() {
    let mut app = TestApp::start().await;
    app.first.fail([RecordingSink::retry("busy"), RecordingSink::retry("busy")]);
    for context in ["a", "b"] {
        completed(&mut app, context).await;
    }
    let waiting = failed_once(&app, 2).await;
    let attempt = |n: usize| format!("deliveries/{}/attempt", waiting[n]["id"].as_str().unwrap());
    let due = post(&app, &attempt(0), None).await;
    assert_eq!((due.status, &due.body), (200, &json!({"firstId": waiting[0]["id"], "isPaused": false})));
    assert_eq!(app.first.wait_for(1).await[0].id.to_string(), waiting[0]["id"], "and not the other");
    let mut again = Value::Null;
    eventually("it is delivered", async || {
        let reply = post(&app, &attempt(0), None).await;
        again = reply.body["error"]["code"].clone();
        reply.status == 409 && again == "notWaiting"
    })
    .await;

    post(&app, "sinks/first/pause", None).await;
    assert_eq!(post(&app, &attempt(1), None).await.body["isPaused"], true);
    assert_eq!(post(&app, "sinks/first/attempt", None).await.body["isPaused"], true);
    let again = post(&app, "sinks/first/attempt", None).await.body;
    assert_eq!((&again["dueCount"], &again["openCount"]), (&json!(1), &json!(1)), "it is due, also when asked again");
    assert_eq!(app.first.delivered().len(), 1, "an operator's pause stays");
    post(&app, "sinks/first/resume", None).await;
    app.first.wait_for(2).await;
    assert_eq!(post(&app, "deliveries/none/attempt", None).await.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_resumed_attempts_all_that_waited() {
    let mut app = TestApp::start().await;
    app.first.fail([leave_me_alone()]);
    completed(&mut app, "a").await;
    failed_once(&app, 1).await;
    post(&app, "sinks/first/pause", None).await;
    post(&app, "sinks/first/resume", None).await;
    app.first.wait_for(1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_replayed_does_not_wait_for_the_end_of_a_pause() {
    let mut app = TestApp::start().await;
    app.first.fail([rejected(), leave_me_alone()]);
    completed(&mut app, "a").await;
    let dead = dead_letters(&app, 1).await;
    completed(&mut app, "b").await;
    failed_once(&app, 1).await;
    post(&app, &format!("deadLetters/{}/replay", dead[0]["id"].as_str().unwrap()), None).await;
    app.first.wait_for(1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_event_is_sent_again_and_its_receiver_can_tell() {
    let mut app = TestApp::start().await;
    completed(&mut app, "a").await;
    let first = app.first.wait_for(1).await.remove(0);
    let resend = format!("deliveries/{}/resend", first.id);
    let mut new = Value::Null;
    eventually("it is delivered, and sent again", async || {
        let reply = post(&app, &resend, None).await;
        new = reply.body["id"].clone();
        reply.status == 200
    })
    .await;
    let again = app.first.wait_for(2).await.remove(1);
    assert_eq!(
        (json!(again.id.to_string()), again.resend_of, again.event.id),
        (new.clone(), Some(first.id), first.event.id)
    );
    let mut written = Vec::new();
    reelhook::sinks::cloud_event::write(&again, false, &mut written);
    let event: Value = serde_json::from_slice(&written).unwrap();
    let of = json!(first.id.to_string());
    assert_eq!((&event["resendof"], &event["data"]["reelhook"]["resendOf"]), (&of, &of));
    let shown = get(&app, &format!("deliveries/{}", again.id)).await.body;
    assert_eq!(shown["resendOf"], of);
    assert!(shown["story"][0].as_str().unwrap().ends_with(&format!("a resend of delivery {})", first.id)), "{shown}");

    let other = post(&app, &resend, Some(json!({"to": "second"}))).await;
    assert_eq!(other.status, 200);
    assert_eq!(app.second.wait_for(1).await[0].resend_of, Some(first.id));
    let unknown = post(&app, &resend, Some(json!({"to": "third"}))).await;
    assert_eq!((unknown.status, &unknown.body["error"]["code"]), (409, &json!("sinkIsNotConfigured")));
    app.first.fail([rejected()]);
    completed(&mut app, "b").await;
    let dead = dead_letters(&app, 1).await;
    let dead = post(&app, &format!("deliveries/{}/resend", dead[0]["id"].as_str().unwrap()), None).await;
    assert_eq!((dead.status, &dead.body["error"]["code"]), (409, &json!("notDelivered")));
    assert_eq!(post(&app, "deliveries/none/resend", None).await.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_lost_is_counted_and_then_sent_again_in_rounds() {
    let mut app = TestApp::start().await;
    completed(&mut app, "before").await;
    app.first.wait_for(1).await;
    app.advance(3600);
    let since = app.clock.now();
    for n in 0..600 {
        completed(&mut app, &format!("call-{n}")).await;
    }
    app.first.wait_for(601).await;
    let ask = |more: Value| {
        let mut body = json!({"since": since.to_string(), "sink": "first"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mut counted = Value::Null;
    eventually("all are settled", async || {
        counted = post(&app, "deliveries/resend", Some(ask(json!({"dryRun": true})))).await.body;
        counted["matchedCount"] == 600
    })
    .await;
    assert_eq!((&counted["resentCount"], &counted["next"]), (&json!(0), &Value::Null));
    assert_eq!(app.first.delivered().len(), 601, "to count sends nothing");
    let since_then = post(&app, "deliveries/resend", Some(json!({"since": "30m", "dryRun": true}))).await;
    assert_eq!(since_then.body["matchedCount"], 600);
    let until = counted["until"].clone();
    app.advance(1);
    completed(&mut app, "later").await;
    app.first.wait_for(602).await;
    let now = async || post(&app, "deliveries/resend", Some(ask(json!({"dryRun": true})))).await.body;
    eventually("it is settled", async || now().await["matchedCount"] == 601).await;
    let one = post(&app, "deliveries/resend", Some(ask(json!({"until": until})))).await.body;
    assert_eq!((&one["seenCount"], &one["resentCount"]), (&json!(500), &json!(500)));
    let two = post(&app, "deliveries/resend", Some(ask(json!({"from": one["next"]})))).await.body;
    assert_eq!((&two["resentCount"], &two["next"]), (&json!(100), &Value::Null));
    let delivered = app.first.wait_for(1202).await;
    assert_eq!(delivered.iter().filter(|it| it.resend_of.is_some()).count(), 600);
    for (body, status) in [
        (json!({"since": "yesterday"}), 400),
        (json!({"sink": "first"}), 400),
        (json!({"since": "1h", "to": "second"}), 400),
        (json!({"since": "1h", "sink": "third"}), 409),
    ] {
        assert_eq!(post(&app, "deliveries/resend", Some(body.clone())).await.status, status, "{body}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_chosen_by_reason_time_or_id_and_counted_before_they_are_replayed() {
    let mut app = TestApp::start().await;
    let reject = |reason: &str| DeliveryError::Reject { reason: reason.into() };
    app.first.fail([reject("answered 410"), reject("answered 500"), reject("answered 500"), reject("answered 500")]);
    for (n, context) in (1..).zip(["a", "b", "c", "d"]) {
        completed(&mut app, context).await;
        dead_letters(&app, n).await;
        app.advance(3600);
    }
    let dead = dead_letters(&app, 4).await;
    assert_eq!(get(&app, "deadLetters/$count?reason=Answered%20500").await.body, 3);
    assert_eq!(get(&app, "deadLetters/$count?reason=500&since=150m").await.body, 2);
    assert_eq!(members(&get(&app, "deadLetters?since=150m&sink=first").await), &dead[..2]);
    assert_eq!(get(&app, "deadLetters?since=yesterday").await.status, 400);
    let replay = async |body: Value| post(&app, "deadLetters/replay", Some(body)).await;
    let dry = replay(json!({"reason": "500", "since": "150m", "dryRun": true})).await;
    assert_eq!(dry.body, json!({"replayed": 0, "matchedCount": 2}));
    let wrong = replay(json!({"reason": "500", "since": "150m", "count": 3})).await;
    assert_eq!((wrong.status, &wrong.body["error"]["code"]), (409, &json!("countDiffers")));
    assert_eq!(replay(json!({"reason": "500"})).await.status, 400, "without a count nothing is replayed");
    assert!(app.first.delivered().is_empty());
    assert_eq!(replay(json!({"reason": "500", "since": "150m", "count": 2})).await.body, json!({"replayed": 2}));
    app.first.wait_for(2).await;
    let ids = json!({"ids": [dead[3]["id"], dead[2]["id"], dead[0]["id"]]});
    assert_eq!(replay(ids).await.body, json!({"replayed": 2}), "one is none any more");
    app.first.wait_for(4).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_dead_letters_are_replayed_by_one_request_and_none_twice() {
    let mut app = TestApp::start().await;
    app.first.fail((0..1_900).map(|_| rejected()));
    for n in 0..600 {
        completed(&mut app, &n.to_string()).await;
    }
    let all_dead = async |n_attempts: usize| {
        app.first.wait_for_attempts(n_attempts).await;
        eventually("all are dead", async || get(&app, "deadLetters/$count").await.body == 600).await;
    };
    all_dead(600).await;
    // They fail again at once, while others are still to be replayed: each is replayed once all the same.
    for (n, body) in (1..).zip([json!({"reason": "no", "count": 600}), json!({"sink": "first", "count": 600})]) {
        let replayed = post(&app, "deadLetters/replay", Some(body.clone())).await;
        assert_eq!((replayed.status, replayed.body), (200, json!({"replayed": 600})), "{body}");
        all_dead(600 * (n + 1)).await;
        let mut attempts = std::collections::BTreeMap::<_, usize>::new();
        app.first.attempts().into_iter().for_each(|it| *attempts.entry(it.id).or_default() += 1);
        assert!(attempts.values().all(|it| *it == n + 1), "{body}: {attempts:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_entries_are_chosen_by_reason_and_time_and_verified_again_together() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some("another state than the configured".into());
    for _ in 0..3 {
        let item = app.graph.change(&mut app.seed).basic();
        app.post_changes(&[item], false).await;
        app.advance(3600);
    }
    assert_eq!(members(&get(&app, "quarantine?reason=client_state&since=150m").await).len(), 2);
    assert!(members(&get(&app, "quarantine?reason=shape").await).is_empty());
    assert_eq!(get(&app, "quarantine?reason=none").await.status, 400);
    let replay = async |body: Value| post(&app, "quarantine/replay", Some(body)).await;
    let dry = replay(json!({"reason": "client_state", "since": "150m", "dryRun": true})).await;
    assert_eq!((dry.status, dry.body), (200, json!({"count": 2})));
    assert_eq!(replay(json!({"vouch": true})).await.status, 400, "nobody accepts what they did not choose");
    let wrong = replay(json!({"reason": "client_state", "since": "150m", "count": 3})).await;
    assert_eq!((wrong.status, &wrong.body["error"]["code"]), (409, &json!("countDiffers")));
    let asked = replay(json!({"reason": "client_state", "since": "150m", "count": 2})).await;
    assert_eq!((asked.status, asked.body), (202, json!({"count": 2})));
    eventually("two were verified again", async || {
        let entries = get(&app, "quarantine").await;
        members(&entries).iter().filter(|it| it["verifiedDateTime"].is_string()).count() == 2
    })
    .await;
    let ids: Vec<Value> = members(&get(&app, "quarantine").await).iter().map(|it| it["id"].clone()).collect();
    assert_eq!(replay(json!({"ids": [ids[0], 999]})).await.body["count"], 1);
    assert_eq!(replay(json!({"ids": vec![1; 1001]})).await.status, 400);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unmatched_events_are_chosen_by_type_and_time_and_counted() {
    let narrow = "[[routes]]\nname = \"few\"\nclient_context = { exact = \"a\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: narrow.into(), ..Settings::default() }).await;
    for context in ["b", "c", "d"] {
        completed(&mut app, context).await;
        app.advance(3600);
    }
    let app = app.restart_with(|settings| settings.routes = String::new()).await;
    let events = members(&get(&app, "unmatched").await).to_vec();
    assert_eq!(members(&get(&app, "unmatched?since=150m&type=recordOperation.completed").await), &events[..2]);
    assert!(members(&get(&app, "unmatched?type=recordOperation.failed").await).is_empty());
    let replay = async |body: Value| post(&app, "unmatched/replay", Some(body)).await.body;
    let counted = json!({"eventCount": 2, "matchedCount": 2, "deliveryCount": 0, "next": null});
    assert_eq!(replay(json!({"since": "150m", "dryRun": true})).await, counted);
    assert!(app.first.delivered().is_empty());
    let none = json!({"eventCount": 0, "matchedCount": 0, "deliveryCount": 0, "next": null});
    assert_eq!(replay(json!({"type": "recordOperation.failed"})).await, none);
    let one = json!({"eventCount": 1, "matchedCount": 1, "deliveryCount": 1, "next": null});
    assert_eq!(replay(json!({"ids": [events[2]["id"]]})).await, one);
    let rest = json!({"eventCount": 2, "matchedCount": 2, "deliveryCount": 2, "next": null});
    assert_eq!(replay(json!({"since": "150m"})).await, rest);
    app.first.wait_for(3).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_waits_for_a_sink_that_is_gone_goes_elsewhere() {
    let app = TestApp::start().await;
    for (path, body, code) in [
        ("sinks/first/move", json!({"to": "second"}), "sinkIsConfigured"),
        ("sinks/first/drop", json!({}), "sinkIsConfigured"),
        ("sinks/gone/move", json!({"to": "third"}), "sinkIsNotConfigured"),
    ] {
        let reply = post(&app, path, Some(body)).await;
        assert_eq!((reply.status, &reply.body["error"]["code"]), (409, &json!(code)), "{path}");
    }
    assert_eq!(post(&app, "sinks/gone/attempt", None).await.status, 404, "nothing of it is left");
    assert_eq!(post(&app, "sinks/gone/drop", None).await.body, json!({"count": 0}));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_matched_nothing_is_routed_in_rounds() {
    let narrow = "[[routes]]\nname = \"few\"\nclient_context = { exact = \"a\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: narrow.into(), ..Settings::default() }).await;
    for context in ["b", "c"] {
        completed(&mut app, context).await;
    }
    let none = json!({"eventCount": 2, "matchedCount": 0, "deliveryCount": 0, "next": null});
    assert_eq!(post(&app, "unmatched/replay", None).await.body, none);
    let app = app.restart_with(|settings| settings.routes = String::new()).await;
    let both = json!({"eventCount": 2, "matchedCount": 2, "deliveryCount": 2, "next": null});
    assert_eq!(post(&app, "unmatched/replay", Some(json!({"from": null}))).await.body, both);
    app.first.wait_for(2).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_changes_nothing_and_other_origins_neither() {
    let app = TestApp::start_with(with_tokens(&[("reader", "\"read\"")])).await;
    let id = "00000000-0000-0000-0000-000000000000";
    for path in [
        "deadLetters/replay".to_owned(),
        format!("deadLetters/{id}/replay"),
        "quarantine/1/replay".to_owned(),
        "sinks/first/pause".to_owned(),
        "sinks/first/resume".to_owned(),
        "quarantine/replay".to_owned(),
        "deliveries/resend".to_owned(),
        format!("deliveries/{id}/resend"),
        "sinks/first/attempt".to_owned(),
        format!("deliveries/{id}/attempt"),
        "sinks/first/move".to_owned(),
        "sinks/first/drop".to_owned(),
        "unmatched/replay".to_owned(),
        format!("unmatched/{id}/replay"),
    ] {
        let reply = ask(&app, ("POST", &path), Some("reader"), Some(json!({"count": 0}))).await;
        assert_eq!((reply.status, &reply.body["error"]["code"]), (403, &json!("accessDenied")), "{path}");
        assert_eq!(ask(&app, ("POST", &path), None, None).await.status, 401, "{path}");
    }
    for path in ["deadLetters", "deadLetters/$count", "deliveries", "quarantine", "sinks", "unmatched"] {
        assert_eq!(ask(&app, ("GET", path), None, None).await.status, 401, "{path}");
        assert_eq!(ask(&app, ("GET", path), Some("reader"), None).await.status, 200, "{path}");
        assert_eq!(ask(&app, ("GET", &format!("{path}?x=1")), Some("reader"), None).await.status, 400, "{path}");
    }
    app.stop().await;

    let app = TestApp::start().await;
    let foreign = reqwest::Client::new().post(format!("http://{}/v1.0/sinks/first/pause", app.admin));
    assert_eq!(foreign.header("origin", "http://evil.example").send().await.unwrap().status(), 403);
    assert_eq!(members(&get(&app, "sinks").await)[0]["isPaused"], false);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_the_api_has_each_path_with_its_methods() {
    let app = TestApp::start().await;
    let document = reqwest::get(format!("http://{}/openapi.json", app.admin)).await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    for (path, method) in [
        ("/events", "get"),
        ("/communications/recordOperations/{id}/deliveries", "get"),
        ("/communications/calls/{callId}/operations/{id}/deliveries", "get"),
        ("/deadLetters", "get"),
        ("/deadLetters/$count", "get"),
        ("/deadLetters/{id}", "get"),
        ("/deadLetters/{id}/replay", "post"),
        ("/deadLetters/replay", "post"),
        ("/quarantine", "get"),
        ("/quarantine/{id}", "get"),
        ("/quarantine/{id}/replay", "post"),
        ("/sinks", "get"),
        ("/sinks/{name}/pause", "post"),
        ("/sinks/{name}/resume", "post"),
        ("/quarantine/replay", "post"),
        ("/deliveries/resend", "post"),
        ("/deliveries/{id}/resend", "post"),
        ("/sinks/{name}/attempt", "post"),
        ("/deliveries/{id}/attempt", "post"),
        ("/sinks/{name}/move", "post"),
        ("/sinks/{name}/drop", "post"),
        ("/deliveries", "get"),
        ("/deliveries/{id}", "get"),
        ("/events/{id}", "get"),
        ("/explain", "get"),
        ("/unmatched/replay", "post"),
        ("/unmatched", "get"),
        ("/unmatched/{id}/replay", "post"),
    ] {
        let described = &document["paths"][format!("/v1.0{path}")][method];
        assert!(described["responses"].is_object() && described["operationId"].is_string(), "{method} {path}");
        // It is served: the other method is the one that is not.
        let other = if method == "get" { "POST" } else { "GET" };
        assert_eq!(ask(&app, (other, &path[1..]), None, None).await.status, 405, "{other} {path}");
    }
    app.stop().await;
}
