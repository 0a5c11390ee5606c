//! Threat 63 through the dispatcher: far sides that mean harm cost themselves alone, and lose nothing.

use std::io::Write;

use jiff::SignedDuration;
use reelhook::domain::SinkName;
use reelhook::simulator::payload::Recording;
use reelhook::store::DeliveryState;

use crate::process::eventually;
use crate::sinks::answering::{Answering, OK};
use crate::test_app::{Settings, TestApp};

/// Longer than any pause or delay of the schedule below.
const LATER_SECONDS: i64 = 2 * 3600;

/// The name of the sink that posts to the `n`th far side.
fn far(n: usize) -> SinkName {
    SinkName::new(&format!("far-{n}"))
}

/// With a sink for each far side, and `more` keys for each of these, beside `first`.
async fn app(far_sides: &[Answering], more: &str) -> TestApp {
    let names: String = (0..far_sides.len()).map(|n| format!(", \"{}\"", far(n))).collect();
    let routes = format!("[[routes]]\nname = \"all\"\nsinks = [\"first\"{names}]\n");
    let sink = |(n, it): (usize, &Answering)| format!("[sinks.{}]\nkind = \"http\"\n{}{more}", far(n), it.table());
    let more = far_sides.iter().enumerate().map(sink).collect();
    TestApp::start_with(Settings { routes, more, ..Settings::default() }).await
}

/// How often attempts to a far side ended so.
async fn attempts(app: &TestApp, n: usize, result: &str) -> f64 {
    app.metric(&format!("reelhook_delivery_attempts_total{{sink=\"{}\",result=\"{result}\"}}", far(n))).await
}

async fn wait_for(app: &TestApp, n: usize, result: &str, times: f64) {
    eventually(&format!("attempts at {n} ended as {result}"), async || attempts(app, n, result).await >= times).await;
    assert_eq!(attempts(app, n, result).await, times, "{n} {result}");
}

async fn post(app: &mut TestApp, client_context: &str) {
    let completed = Recording::new(&mut app.seed).client_context(client_context).completed();
    assert_eq!(app.post_calls(&[completed]).await.status, 202);
}

fn answer(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n")
}

/// What far sides answer that mean harm, or do not mean anything.
fn hostile_answers() -> Vec<String> {
    vec![
        String::new(),
        "\0\0\0\0".into(),
        "HTTP/1.1 999999 X\r\n\r\n".into(),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(8 << 20)),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000),
        answer("302 Found", "location: http://169.254.169.254/\r\n"),
        answer("503 Busy", "retry-after: inf\r\n"),
        answer("503 Busy", "retry-after: 1e300\r\n"),
        answer("503 Busy", "retry-after: -5\r\n"),
        answer("429 Slow", "retry-after: Thu, 32 Foo\r\n"),
        answer("429 Slow", "retry-after: 9999999999\r\n"),
        answer("503 Busy", "retry-after: 99999999999999999999999999\r\n"),
        answer("500 \u{1b}[31m", "x: \u{1b}[2J\r\n"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_a_hostile_answer_is_a_failed_attempt_and_the_next_one_delivers() {
    let answers = hostile_answers();
    let far_sides: Vec<Answering> = answers.iter().map(|hostile| Answering::with(hostile)).collect();
    let mut app = app(&far_sides, "retry = [\"0s\", \"5s\", \"5s\"]\nmax_retry_after = \"1h\"\n").await;
    post(&mut app, "hostile").await;
    app.first.wait_for(1).await;
    for (n, hostile) in answers.iter().enumerate() {
        wait_for(&app, n, "retry", 1.0).await;
        let open = app.store.deliveries(DeliveryState::Open, Some(&far(n)), 10).await.unwrap();
        let latest = app.clock.now() + SignedDuration::from_hours(1);
        assert!(open.len() == 1 && open[0].at <= latest, "{hostile:.80}: {open:?}");
        assert!(!open[0].reason.chars().any(char::is_control), "{:?}", open[0].reason);
    }
    for far_side in &far_sides {
        far_side.answer(OK);
    }
    app.advance(LATER_SECONDS);
    for (n, far_side) in far_sides.iter().enumerate() {
        wait_for(&app, n, "delivered", 1.0).await;
        let requests = far_side.requests();
        assert_eq!(requests.len(), 2, "{:.80}", answers[n]);
        assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
        assert_eq!((attempts(&app, n, "dead").await, attempts(&app, n, "timeout").await), (0.0, 0.0));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_once_it_said_2xx_the_event_has_arrived_whatever_follows() {
    let far_sides = [Answering::with(OK)];
    let [far_side] = &far_sides;
    let mut app = app(&far_sides, "").await;
    far_side.answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    post(&mut app, "torn").await;
    wait_for(&app, 0, "delivered", 1.0).await;
    far_side.behave(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    post(&mut app, "endless").await;
    wait_for(&app, 0, "delivered", 2.0).await;
    assert_eq!((attempts(&app, 0, "retry").await, far_side.requests().len()), (0.0, 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_a_far_side_that_never_answers_ends_in_the_dead_letters_and_holds_nobody() {
    let far_sides = [Answering::with(OK)];
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    far_sides[0].behave(move |_stream| {
        let _ = held.lock().unwrap().recv();
    });
    let mut app = app(&far_sides, "retry = [\"0s\"]\ntimeout = \"1s\"\n").await;
    for n in 0..3 {
        post(&mut app, &format!("silent-{n}")).await;
    }
    app.first.wait_for(3).await;
    wait_for(&app, 0, "dead", 3.0).await;
    let dead = app.store.deliveries(DeliveryState::Dead, None, 10).await.unwrap();
    assert!(dead.iter().all(|letter| letter.reason.starts_with("no answer within 1s")), "{dead:?}");
    drop(hold);
    app.stop().await;
}
