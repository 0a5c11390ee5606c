//! One truth about a sink: the API, the console, the metrics and the log of the store agree on its state.

use reelhook::domain::SinkName;
use reelhook::sinks::DeliveryError;
use serde_json::json;

use super::{get, post};
use crate::console::{Browser, record};
use crate::process::eventually;
use crate::recording_sink::{PATIENCE, RecordingSink};
use crate::test_app::TestApp;

/// The sink `first` as the API shows it, once it is in a state.
async fn until(app: &TestApp, state: &str) -> serde_json::Value {
    let reached = async {
        loop {
            let first = get(app, "sinks").await.body["value"][0].clone();
            if first["state"] == state {
                return first;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_elapsed| panic!("never {state}"))
}

/// What all faces but the API say: the badge's name for tests on each page, and the gauge.
async fn agree(app: &TestApp, hook: &str, failing: f64) {
    app.until_metric("reelhook_sink_failing{sink=\"first\"}", failing).await;
    let browser = Browser::new(app);
    for page in ["/sinks", "/sinks/first"] {
        assert!(browser.page(page).await.has(hook), "{page}: {hook}");
    }
    assert_eq!(browser.page("/").await.has("failing"), failing > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_says_so_and_why_over_a_restart_and_until_it_delivers() {
    let mut app = TestApp::start().await;
    let active = until(&app, "active").await;
    assert_eq!((&active["lastFailure"], &active["nextAttemptDateTime"]), (&json!(null), &json!(null)));
    agree(&app, "delivering", 0.0).await;
    app.first.fail([RecordingSink::retry("connection refused")]);
    record(&mut app, "waits").await;
    let failing = until(&app, "failing").await;
    assert_eq!(failing["lastFailure"]["reason"], "connection refused");
    assert_eq!(failing["stateSinceDateTime"], failing["lastFailure"]["dateTime"]);
    agree(&app, "failing", 1.0).await;
    assert!(Browser::new(&app).page("/sinks").await.body.contains("connection refused"));

    let app = app.restart().await;
    let still = until(&app, "failing").await;
    assert_eq!(still["lastFailure"], failing["lastFailure"]);
    agree(&app, "failing", 1.0).await;

    app.advance(6);
    app.first.wait_for(1).await;
    let active = until(&app, "active").await;
    assert_eq!(active["lastDeliveredDateTime"], "2026-11-24T08:00:06Z");
    assert_eq!(active["lastFailure"]["reason"], "connection refused", "it stays known");
    agree(&app, "delivering", 0.0).await;
    app.stop().await;
}

/// The sink `first` as the API shows it.
async fn first(app: &TestApp) -> serde_json::Value {
    get(app, "sinks").await.body["value"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_of_which_only_dead_letters_are_left_fails_on_after_a_restart() {
    let mut app = TestApp::start().await;
    app.first.fail((1..=3).map(|n| DeliveryError::Reject { reason: format!("410, the {n}th") }));
    for n in 1..=3 {
        record(&mut app, &n.to_string()).await;
        app.first.wait_for_attempts(n).await;
    }
    // The state is told before the outcome is stored.
    eventually("each is stored as a dead letter", async || first(&app).await["deadCount"] == 3).await;
    let failing = until(&app, "failing").await;
    assert_eq!((&failing["openCount"], &failing["deadCount"]), (&json!(0), &json!(3)));

    let mut app = app.restart().await;
    let still = first(&app).await;
    assert_eq!(still["lastFailure"]["reason"], "410, the 3th");
    for fact in ["state", "stateSinceDateTime", "lastFailure"] {
        assert_eq!(still[fact], failing[fact], "{fact}");
    }
    assert!(app.own_metrics().contains("reelhook_sink_failing{sink=\"first\"} 1"));

    // The first success ends it, and that outlasts a restart as well.
    record(&mut app, "well").await;
    until(&app, "active").await;
    let app = app.restart().await;
    let active = first(&app).await;
    assert_eq!((&active["state"], &active["lastFailure"]), (&json!("active"), &failing["lastFailure"]));
    assert!(app.own_metrics().contains("reelhook_sink_failing{sink=\"first\"} 0"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_sink_and_one_that_was_removed_meanwhile_keep_their_last_failure() {
    let mut app = TestApp::start().await;
    app.first.fail([RecordingSink::retry("no route to host")]);
    record(&mut app, "waits").await;
    let failing = until(&app, "failing").await;
    // All that waits is due at once: nothing in the store's order tells which delivery failed.
    assert!(app.pauses.pause(&SinkName::new("first")).await.unwrap());
    app.store.make_due(&SinkName::new("first")).await.unwrap();

    let app = app.restart().await;
    let paused = first(&app).await;
    assert_eq!((&paused["state"], &paused["lastFailure"]), (&json!("pausedByOperator"), &failing["lastFailure"]));
    assert!(app.own_metrics().contains("reelhook_sink_failing{sink=\"first\"} 1"));

    // A config without it, and then with it again.
    let (to_second, first_again) = (crate::reload::all_to("\"second\""), crate::reload::all_to("\"first\""));
    let app = app.restart_with(|it| (it.routes, it.without_first) = (to_second, true)).await;
    app.pauses.resume(&SinkName::new("first")).await.unwrap();
    let gone = get(&app, "sinks").await.body["value"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&gone["state"], &gone["lastFailure"]), (&json!("removed"), &failing["lastFailure"]));
    assert!(app.own_metrics().contains("reelhook_sink_failing{sink=\"first\"} 0"), "nothing is attempted");
    app.first.fail(vec![RecordingSink::retry("still none"); 9]);
    crate::reload::changed(app.reload_with(|it| (it.routes, it.without_first) = (first_again, false)).await);
    assert_eq!(first(&app).await["state"], "failing");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_asks_for_a_pause_is_shown_with_its_end_and_the_next_attempt() {
    let mut app = TestApp::start().await;
    let wait = std::time::Duration::from_secs(20);
    app.first.fail([reelhook::sinks::DeliveryError::Retry { reason: "429".into(), after: Some(wait), pause: true }]);
    record(&mut app, "waits").await;
    let failing = until(&app, "failing").await;
    assert_eq!(failing["pausedUntilDateTime"], "2026-11-24T08:00:20Z");
    assert!(failing["nextAttemptDateTime"].as_str().unwrap() >= "2026-11-24T08:00:20Z", "{failing}");
    let page = Browser::new(&app).page("/sinks/first").await;
    let told = page.text();
    assert!(told.contains("reelhook pauses it until 2026-11-24 08:00:20 UTC: no attempt is made before"), "{told}");
    app.stop().await;
}

/// What the API and the console say about the only delivery that `query` finds.
async fn stories(app: &TestApp, query: &str) -> [String; 2] {
    let mut id = None;
    eventually("the delivery is found", async || {
        let found = get(app, &format!("deliveries?{query}")).await.body["value"].clone();
        id = found[0]["id"].as_str().map(str::to_owned);
        id.is_some() && found.as_array().unwrap().len() == 1
    })
    .await;
    let id = id.unwrap();
    let story = get(app, &format!("deliveries/{id}")).await.body["story"].to_string();
    [story, Browser::new(app).page(&format!("/deliveries/{id}")).await.text()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_to_a_sink_that_reelhook_pauses_is_not_due_now_but_waits_for_the_end_of_the_pause() {
    let mut app = TestApp::start().await;
    let pause = |seconds| DeliveryError::Retry {
        reason: "429".into(),
        after: Some(std::time::Duration::from_secs(seconds)),
        pause: true,
    };
    app.first.fail([pause(1)]);
    record(&mut app, "sent-again").await;
    until(&app, "failing").await;
    app.advance(600);
    app.first.wait_for(1).await;
    app.first.fail([pause(20)]);
    record(&mut app, "failed").await;
    app.first.wait_for_attempts(3).await;
    let paused = until(&app, "pausedByReelhook").await;
    assert_eq!(paused["pausedUntilDateTime"], "2026-11-24T08:10:20Z");

    // A new delivery of an old event waits in the store, one of a new event in memory.
    let delivered = get(&app, "deliveries?state=delivered").await.body["value"][0]["id"].clone();
    let resent = post(&app, &format!("deliveries/{}/resend", delivered.as_str().unwrap()), None).await;
    assert_eq!(resent.status, 200, "{resent:?}");
    record(&mut app, "came-later").await;
    let end = "2026-11-24 08:10:20 UTC): reelhook pauses first until then, because most of its last attempts failed";
    for told in stories(&app, "state=unsettled&text=sent-again").await {
        assert!(told.contains(end) && told.contains("ext attempt in 20") && !told.contains("ue now"), "{told}");
    }
    for told in stories(&app, "state=unsettled&text=came-later").await {
        assert!(told.contains(end) && told.contains("ext attempt in 20"), "{told}");
        assert!(!told.contains("about to begin") && !told.contains("in progress"), "{told}");
    }
    let [_, page] = stories(&app, "state=underWay&text=came-later").await;
    assert!(page.contains("No attempt was made yet."), "{page}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_first_attempt_has_not_ended_says_that_it_is_in_progress() {
    let mut app = TestApp::start().await;
    app.first.hang();
    record(&mut app, "hangs").await;
    app.first.wait_for_attempts(1).await;
    let [story, page] = stories(&app, "state=underWay&text=hangs").await;
    assert!(story.contains("n attempt is in progress") && !story.contains("about to begin"), "{story}");
    assert!(page.contains("The first attempt is in progress."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_pause_of_a_removed_sink_is_shown_holds_when_it_comes_back_and_can_be_ended() {
    let mut app = TestApp::start().await;
    assert_eq!(post(&app, "sinks/first/pause", None).await.status, 200);
    let (to_second, again) = (crate::reload::all_to("\"second\""), crate::reload::all_to("\"first\""));
    crate::reload::changed(app.reload_with(|it| (it.routes, it.without_first) = (to_second.clone(), true)).await);
    let app_shows = async |app: &TestApp| {
        let shown = get(app, "sinks").await.body["value"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&shown["name"], &shown["state"], &shown["isPaused"]),
            (&json!("first"), &json!("removed"), &json!(true))
        );
        let hint = shown["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("at 2026-11-24 08:00:00 UTC. The sink is not in the config."), "{hint}");
        app.until_metric("reelhook_sink_paused{sink=\"first\"}", 1.0).await;
        app.until_metric("reelhook_sink_configured{sink=\"first\"}", 0.0).await;
        let browser = Browser::new(app);
        assert!(browser.page("/sinks").await.has("pause-waits"));
        let page = browser.page("/sinks/first").await;
        assert!(page.has("removed") && page.text().contains("An operator paused sink"), "{}", page.body);
        assert!(page.has("resume"), "{}", page.body);
    };
    app_shows(&app).await;
    app = app.restart().await;
    app_shows(&app).await;
    crate::reload::changed(app.reload_with(|it| (it.routes, it.without_first) = (again, false)).await);
    assert_eq!(first(&app).await["state"], "pausedByOperator");

    // It ends while the sink is gone: nothing else is left of the sink then.
    crate::reload::changed(app.reload_with(|it| (it.routes, it.without_first) = (to_second, true)).await);
    assert_eq!(post(&app, "sinks/first/resume", None).await.status, 204);
    assert_eq!(post(&app, "sinks/first/resume", None).await.status, 404);
    assert_eq!(get(&app, "sinks").await.body["value"].as_array().unwrap().len(), 1);
    app.until_metric("reelhook_sink_paused{sink=\"first\"}", 0.0).await;
    app.stop().await;
}
