//! The path of one notification, end to end.

use reelhook::domain::Order;
use reelhook::simulator::payload::Recording;

use crate::recording_sink::{PATIENCE, RecordingSink};
use crate::test_app::{Settings, TestApp};
use reelhook::store::Newest;

/// A recording with a client context.
fn recording(app: &mut TestApp, client_context: &str) -> Recording {
    Recording::new(&mut app.seed).client_context(client_context)
}

/// Waits until so many attempts failed and the next one is planned: a clock turned before that would put it off.
async fn planned(app: &TestApp, n: usize) {
    let planned = async {
        while app.metric("reelhook_delivery_attempts_total{sink=\"first\",result=\"retry\"}").await < n as f64 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, planned).await.expect("the attempts were made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_verified_stored_matched_and_delivered() {
    let mut app = TestApp::start().await;
    let completed = recording(&mut app, "support-7").completed();
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
    let delivered = app.first.wait_for(1).await;
    assert_eq!(delivered[0].event.kind, "recordOperation.completed");
    assert_eq!(app.delivered_contexts(), ["support-7"]);
    assert_eq!(delivered[0].attempt, 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_repeat_is_accepted_and_delivered_once() {
    let mut app = TestApp::start().await;
    let completed = recording(&mut app, "once").completed();
    assert_eq!(app.post_calls(std::slice::from_ref(&completed)).await.status, 202);
    assert_eq!(app.post_calls(std::slice::from_ref(&completed)).await.status, 202);
    let app = app.restart().await;
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"calls\"}").await, 1.0);
    let fence = Recording::new(&mut reelhook::simulator::payload::Seed::new(99)).client_context("fence").completed();
    app.post_calls(&[fence]).await;
    app.first.wait_for(1).await;
    assert_eq!(app.delivered_contexts(), ["fence"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_later_the_same_bytes_are_news() {
    let mut app = TestApp::start().await;
    let completed = recording(&mut app, "again").completed();
    app.post_calls(std::slice::from_ref(&completed)).await;
    app.first.wait_for(1).await;
    app.advance(24 * 3600 + 60);
    app.post_calls(&[completed]).await;
    app.first.wait_for(2).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_that_comes_after_the_end_is_delivered_as_late_and_changes_nothing() {
    let mut app = TestApp::start().await;
    let it = recording(&mut app, "late");
    app.post_calls(&[it.completed()]).await;
    app.post_calls(&[it.running()]).await;
    let delivered = app.first.wait_for(2).await;
    assert_eq!(delivered[1].event.order, Some(Order::Late));
    assert_eq!(delivered[1].event.previous.as_ref().unwrap().status.as_str(), "completed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_delivered_before_the_stop_is_delivered_after_the_start() {
    let mut app = TestApp::start().await;
    let completed = recording(&mut app, "held").completed();
    app.first.fail([RecordingSink::retry("down")]);
    app.post_calls(&[completed]).await;
    let before = app.first.wait_for_attempts(1).await;
    let app = app.restart().await;
    app.advance(60);
    let after = app.first.wait_for(1).await;
    assert_eq!(after[0].id, before[0].id);
    assert_eq!(after[0].attempt, 2);
    assert_eq!(after[0].event.id, before[0].event.id);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_is_made_again_by_the_schedule_under_the_same_id() {
    let mut app = TestApp::start().await;
    let completed = recording(&mut app, "retried").completed();
    app.first.fail([RecordingSink::retry("one"), RecordingSink::retry("two")]);
    app.post_calls(&[completed]).await;
    planned(&app, 1).await;
    app.advance(7);
    planned(&app, 2).await;
    app.advance(400);
    let attempts = app.first.wait_for_attempts(3).await;
    assert_eq!(attempts.iter().map(|it| it.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(attempts.iter().all(|it| it.id == attempts[0].id));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sink_that_fails_does_not_hold_the_other() {
    let routes = "[[routes]]\nname = \"both\"\nsinks = [\"first\", \"second\"]\n".to_owned();
    let mut app = TestApp::start_with(Settings { routes, ..Settings::default() }).await;
    app.first.fail((0..100).map(|_| RecordingSink::retry("down")));
    for number in 0..20 {
        let completed = recording(&mut app, &format!("c-{number}")).completed();
        app.post_calls(&[completed]).await;
    }
    app.second.wait_for(20).await;
    assert!(app.first.delivered().is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matches_is_kept_and_routed_once_a_route_does() {
    let routes = "[[routes]]\nname = \"support\"\nclient_context = { prefix = \"support-\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    let completed = recording(&mut app, "sales-1").completed();
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
    let unmatched = app.store.unmatched(Newest::up_to(10)).await.unwrap();
    assert_eq!(unmatched[0].client_context.as_deref(), Some("sales-1"));
    assert_eq!(app.metric("reelhook_match_unmatched_total").await, 1.0);
    app.stop().await;
}
