//! Sinks that an operator paused, over the real store.

use reelhook::domain::SinkName;
use reelhook::simulator::payload::Recording;

use crate::test_app::{Settings, TestApp};

const TO_BOTH: &str = "[[routes]]\nname = \"both\"\nsinks = [\"first\", \"second\"]\n";

async fn post_completed(app: &mut TestApp, n: usize) {
    for _ in 0..n {
        let item = Recording::new(&mut app.seed).completed();
        assert_eq!(app.post_calls(&[item]).await.status, 202);
    }
}

#[tokio::test]
async fn a_pause_loses_nothing_and_outlasts_a_restart() {
    let first = SinkName::new("first");
    let mut app = TestApp::start_with(Settings { routes: TO_BOTH.into(), ..Settings::default() }).await;
    assert!(app.pauses.pause(&first).await.unwrap());
    post_completed(&mut app, 3).await;
    app.second.wait_for(3).await;
    assert_eq!(app.first.attempts().len(), 0);
    let mut app = app.restart().await;
    assert_eq!(app.pauses.since(&first), Some(app.clock.now()));
    post_completed(&mut app, 2).await;
    app.second.wait_for(2).await;
    assert_eq!(app.first.attempts().len(), 0);
    app.until_metric("reelhook_sink_paused{sink=\"first\"}", 1.0).await;
    assert!(app.pauses.resume(&first).await.unwrap());
    app.first.wait_for(5).await;
    assert!(app.first.attempts().iter().all(|delivery| delivery.attempt == 1));
    assert_eq!(app.first.attempts().len(), 5);
    app.until_metric("reelhook_sink_paused{sink=\"first\"}", 0.0).await;
    let app = app.restart().await;
    assert!(!app.pauses.is_paused(&first), "a resumption is durable too");
}

#[tokio::test]
async fn a_sink_that_is_resumed_gets_fresh_deliveries_at_once_again() {
    let first = SinkName::new("first");
    let mut app = TestApp::start().await;
    for round in 1..=3 {
        app.pauses.pause(&first).await.unwrap();
        app.pauses.resume(&first).await.unwrap();
        post_completed(&mut app, 1).await;
        app.first.wait_for(round).await;
    }
}
