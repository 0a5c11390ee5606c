//! How the sinks end with the app: each is closed within the grace, and none of them holds the stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reelhook::simulator::payload::Recording;

use crate::recording_sink::PATIENCE;
use crate::test_app::{Settings, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn every_sink_is_closed_once_when_the_app_stops() {
    let mut app = TestApp::start().await;
    let (first, second) = (Arc::clone(&app.first), Arc::clone(&app.second));
    let recording = Recording::new(&mut app.seed);
    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    first.wait_for(1).await;
    assert_eq!((first.n_closed(), second.n_closed()), (0, 0));
    app.stop().await;
    assert_eq!((first.n_closed(), second.n_closed()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_hangs_is_closed_too_and_does_not_hold_the_stop_beyond_the_grace() {
    let grace = Duration::from_secs(2);
    let settings = Settings { server: "shutdown_grace = '2s'".into(), ..Settings::default() };
    let mut app = TestApp::start_with(settings).await;
    let (first, second) = (Arc::clone(&app.first), Arc::clone(&app.second));
    first.hang();
    let recording = Recording::new(&mut app.seed);
    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    first.wait_for_attempts(1).await;
    let began = Instant::now();
    tokio::time::timeout(PATIENCE, app.stop()).await.expect("the stop ends");
    // The rest is the store's, on a machine that may be busy.
    assert!(began.elapsed() < grace + Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((first.n_closed(), second.n_closed()), (1, 1), "its attempt was broken off before");
}
