//! One truth about a sink: the API, the console, the metrics and the log of the store agree on its state.

use serde_json::json;

use super::get;
use crate::console::{Browser, record};
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
    assert!(page.text().contains("reelhook makes no attempt before 2026-11-24 08:00:20 UTC, because"), "{}", page.body);
    app.stop().await;
}
