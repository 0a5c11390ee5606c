//! Somebody sets the machine's clock while reelhook runs, or while it is stopped.

use jiff::SignedDuration;
use reelhook::simulator::payload::Recording;

use crate::recording_sink::RecordingSink;
use crate::test_app::{Settings, TestApp};

const BACK: SignedDuration = SignedDuration::from_hours(-2);
const FORWARD: SignedDuration = SignedDuration::from_hours(2);

async fn post(app: &mut TestApp, context: &str) {
    let item = Recording::new(&mut app.seed).client_context(context).completed();
    assert_eq!(app.post_calls(&[item]).await.status, 202);
}

fn two_attempts() -> Settings {
    Settings { sinks: "retry = [\"0s\", \"5s\"]\njitter = 0.0".into(), ..Settings::default() }
}

const RETRIES: &str = "reelhook_delivery_attempts_total{sink=\"first\",result=\"retry\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_puts_no_delivery_off() {
    let mut app = TestApp::start_with(two_attempts()).await;
    app.first.fail([RecordingSink::retry("not now")]);
    post(&mut app, "waits").await;
    app.until_metric(RETRIES, 1.0).await;
    app.clock.step(BACK);
    app.advance(4);
    assert_eq!(app.first.attempts().len(), 1);
    app.advance(1);
    app.first.wait_for(1).await;
    app.until_metric("reelhook_clock_steps_total", 1.0).await;
    app.until_metric("reelhook_clock_offset_seconds", -7200.0).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_puts_no_delivery_off_over_a_restart() {
    let mut app = TestApp::start_with(two_attempts()).await;
    app.first.fail([RecordingSink::retry("not now")]);
    post(&mut app, "waits").await;
    app.until_metric(RETRIES, 1.0).await;
    app.clock.step(BACK);
    let app = app.restart().await;
    app.advance(5);
    app.first.wait_for(1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_by_its_true_age() {
    let mut app = TestApp::start().await;
    app.pauses.pause(&reelhook::domain::SinkName::new("first")).await.unwrap();
    post(&mut app, "waits").await;
    app.advance(60);
    app.clock.step(BACK);
    app.until_metric("reelhook_sink_oldest_undelivered_seconds{sink=\"first\"}", 60.0).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_in_after_the_clock_was_set_has_the_new_time() {
    for step in [BACK, FORWARD] {
        let mut app = TestApp::start().await;
        app.clock.step(step);
        post(&mut app, "later").await;
        let delivered = app.first.wait_for(1).await;
        assert_eq!(delivered[0].event.time, app.clock.now());
        app.stop().await;
    }
}
