//! Threat 63 through the dispatcher: far sides that mean harm cost themselves alone, and lose nothing.

use std::io::Write;

use reelhook::simulator::payload::Recording;
use reelhook::store::{DeliveryState, Newest};

use crate::process::eventually;
use crate::sinks::answering::{Answering, OK};
use crate::store::InState;
use crate::test_app::{Settings, TestApp};

/// With a sink `far` that posts to `far_side`, and `more` keys for it, beside `first`.
async fn app(far_side: &Answering, more: &str) -> TestApp {
    let routes = "[[routes]]\nname = \"both\"\nsinks = [\"first\", \"far\"]\n".to_owned();
    let more = format!("[sinks.far]\nkind = \"http\"\n{}{more}", far_side.table());
    TestApp::start_with(Settings { routes, more, ..Settings::default() }).await
}

/// How often attempts at the far side ended so.
async fn attempts(app: &TestApp, result: &str) -> f64 {
    app.metric(&format!("reelhook_delivery_attempts_total{{sink=\"far\",result=\"{result}\"}}")).await
}

async fn wait_for(app: &TestApp, result: &str, n: f64) {
    eventually(&format!("{n} attempts ended as {result}"), async || attempts(app, result).await >= n).await;
    assert_eq!(attempts(app, result).await, n, "{result}");
}

async fn post(app: &mut TestApp, client_context: &str) {
    let completed = Recording::new(&mut app.seed).client_context(client_context).completed();
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_once_it_said_2xx_the_event_has_arrived_whatever_follows() {
    let far_side = Answering::with(OK);
    let mut app = app(&far_side, "").await;
    far_side.answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    post(&mut app, "torn").await;
    wait_for(&app, "delivered", 1.0).await;
    far_side.behave(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    post(&mut app, "endless").await;
    wait_for(&app, "delivered", 2.0).await;
    assert_eq!((attempts(&app, "retry").await, far_side.requests().len()), (0.0, 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_a_far_side_that_never_answers_ends_in_the_dead_letters_and_holds_nobody() {
    let far_side = Answering::with(OK);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    far_side.behave(move |_stream| {
        let _ = held.lock().unwrap().recv();
    });
    let mut app = app(&far_side, "retry = [\"0s\"]\ntimeout = \"1s\"\n").await;
    for n in 0..3 {
        post(&mut app, &format!("silent-{n}")).await;
    }
    app.first.wait_for(3).await;
    wait_for(&app, "dead", 3.0).await;
    let dead = app.store.deliveries(DeliveryState::Dead, None, Newest::up_to(10)).await.unwrap();
    assert!(dead.iter().all(|letter| letter.reason.starts_with("no answer within 1s")), "{dead:?}");
    drop(hold);
    app.stop().await;
}
