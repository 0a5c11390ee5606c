//! What follows the stream: the board of the first page. And what its plots remember.

use std::time::Duration;

use super::{Answer, Browser, record};
use crate::process::eventually;
use crate::recording_sink::{PATIENCE, RecordingSink};
use crate::sinks::answering::Answering;
use crate::store::InState;
use crate::test_app::{Settings, TestApp};

/// What a plot says.
fn said(page: &Answer, plot: &str) -> String {
    let (_, figure) = page.body.split_once(&format!("data-test=\"plot-{plot}\"")).expect("the plot");
    let (_, summary) = figure.split_once("class=\"summary\">").unwrap();
    summary.split_once("</span>").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn plots_reach_back_as_far_as_asked_and_a_restart_keeps_them() {
    let mut app = TestApp::start().await;
    let browser = Browser::new(&app);
    let nothing = browser.page("/").await;
    assert_eq!(said(&nothing, "arrivals"), "No notification in the last 15 min.");
    assert!(nothing.body.contains("notifications per minute") && nothing.body.contains("attempts per minute"));
    app.first.fail([RecordingSink::retry("far side down")]);
    record(&mut app, "early").await;
    assert_eq!(app.send(app.graph.calls_with("Bearer wrong", "[]")).await.status, 401);
    app.until_metric("reelhook_delivery_attempts_total{sink=\"first\",result=\"retry\"}", 1.0).await;
    app.advance(20 * 60);
    record(&mut app, "late").await;
    app.until_metric("reelhook_delivery_attempts_total{sink=\"first\",result=\"delivered\"}", 2.0).await;
    for restarted in [false, true] {
        if restarted {
            app = app.restart().await;
        }
        let browser = Browser::new(&app);
        for (range, arrivals, attempts) in [
            (
                "15m",
                "1 accepted, 0 refused or quarantined in the last 15 min.",
                "2 delivered, 0 failed in the last 15 min.",
            ),
            ("1h", "2 accepted, 1 refused or quarantined in the last 1 h.", "2 delivered, 1 failed in the last 1 h."),
            (
                "24h",
                "2 accepted, 1 refused or quarantined in the last 24 h.",
                "2 delivered, 1 failed in the last 24 h.",
            ),
        ] {
            let page = browser.page(&format!("/?range={range}")).await;
            assert_eq!((said(&page, "arrivals"), said(&page, "attempts")), (arrivals.into(), attempts.into()));
            assert!(said(&page, "answers").starts_with(if range == "15m" { "1 answer in" } else { "3 answers in" }));
            assert!(page.body.contains(&format!("data-test=\"range-{range}\" aria-current=\"true\"")), "{}", page.body);
            assert_eq!(page.count("table-arrivals"), 1);
        }
        assert_eq!(browser.get("/?range=1y").await.status, 400);
    }
    app.advance(24 * 3600);
    let page = Browser::new(&app).page("/?range=24h").await;
    assert_eq!(said(&page, "arrivals"), "No notification in the last 24 h.");
    app.stop().await;
}

/// Reads a stream until `is_there` holds for all that was read.
async fn read(stream: &mut reqwest::Response, told: &mut String, is_there: impl Fn(&str) -> bool) {
    let read = async {
        while !is_there(told) {
            told.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("the stream goes on")));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{told}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_removed_sink_is_counted_and_has_its_row_also_on_an_open_page() {
    let settings = |it: &mut Settings, more: &str, sink: &str| {
        it.more = more.to_owned();
        it.routes = format!("[[routes]]\nname = \"all\"\nsinks = [\"{sink}\"]\n");
    };
    let mut app = TestApp::start().await;
    let refuses = Answering::with("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let fails = Answering::with("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    for (hook, result) in [(&refuses, "dead"), (&fails, "retry")] {
        let old = format!("[sinks.old]\nkind = \"http\"\nretry = [\"0s\", \"1h\"]\n{}", hook.table());
        app.reload_with(|it| settings(it, &old, "old")).await.unwrap();
        record(&mut app, result).await;
        let series = format!("reelhook_delivery_attempts_total{{sink=\"old\",result=\"{result}\"}}");
        app.until_metric(&series, 1.0).await;
    }
    let browser = Browser::new(&app);
    let mut stream = browser.stream("/console/events?range=1h").await;
    let mut told = String::new();
    read(&mut stream, &mut told, |told| told.contains("event: board\n") && told.ends_with("\n\n")).await;
    told.clear();
    app.reload_with(|it| settings(it, "", "first")).await.unwrap();
    read(&mut stream, &mut told, |told| told.contains(">removed<") && told.ends_with("\n\n")).await;
    assert!(told.contains("/sinks/old"), "{told}");
    let page = browser.page("/").await;
    assert_eq!((page.number("waiting"), page.number("dead"), page.count("removed")), ("1", "1", 1), "{}", page.text());
    assert_eq!(page.links("/sinks/"), browser.page("/sinks").await.links("/sinks/"));
    drop(stream);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_gets_its_board_when_something_changed_and_not_otherwise() {
    let mut app = TestApp::start().await;
    let browser = Browser::new(&app);
    assert_eq!(browser.get("/console/events?range=1y").await.status, 400);
    let mut stream = browser.stream("/console/events?range=1h").await;
    assert_eq!(stream.status(), 200);
    let mut told = String::new();
    read(&mut stream, &mut told, |told| told.contains("event: board\n") && told.ends_with("\n\n")).await;
    assert!(told.starts_with("retry: 1000\n\n"), "{told}");
    assert!(told.contains("No notification in the last 1 h."), "{told}");
    // Some looks at a store in which nothing changes.
    let quiet = tokio::time::timeout(Duration::from_millis(2500), stream.chunk()).await;
    assert!(quiet.is_err(), "nothing changed: {quiet:?}");
    told.clear();
    record(&mut app, "live").await;
    read(&mut stream, &mut told, |told| told.contains("1 accepted") && told.contains("\"clientContext\":\"live\""))
        .await;
    app.first.wait_for(1).await;
    read(&mut stream, &mut told, |told| told.contains("1 delivered, 0 failed")).await;
    drop(stream);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_whole_ids_to_copy_times_for_the_script_and_json_with_its_original() {
    let mut app = TestApp::start().await;
    record(&mut app, "whole-1").await;
    app.first.wait_for(1).await;
    let browser = Browser::new(&app);
    let path = browser.page("/operations").await.links("/operations/").remove(0);
    eventually("it is delivered", async || browser.page(&path).await.body.contains(">delivered<")).await;
    let page = browser.page(&path).await;
    let delivery = &app
        .store
        .deliveries(reelhook::store::DeliveryState::Delivered, None, reelhook::store::Newest::up_to(1))
        .await
        .unwrap()[0];
    for id in [delivery.id.to_string(), delivery.event.to_string(), "whole-1".to_owned()] {
        assert!(page.body.contains(&format!("hidden data-copy=\"{id}\">Copy<span")), "{id}: {}", page.body);
    }
    let (address, answer) = page.api();
    assert_eq!(answer["clientContext"], "whole-1");
    assert!(
        page.body.contains(&format!("<code data-test=\"curl\">curl &#39;http://{}{address}&#39;</code>", app.admin)),
        "{}",
        page.body
    );
    let now = app.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert!(page.body.contains(&format!("<time datetime=\"{now}\" title=\"")), "{}", page.body);
    assert!(page.body.contains(
        "<span class=\"name\">&#34;clientContext&#34;</span>: <span class=\"text\">&#34;whole-1&#34;</span>"
    ));
    let arrived = browser.page(&page.links("/events/").remove(0)).await;
    assert!(arrived.has("arrived") && arrived.body.contains("Without the secrets in it."), "{}", arrived.body);
    assert!(arrived.body.contains("recordingAccessToken") && arrived.body.contains("&#34;(hidden)&#34;"));
    assert!(!arrived.body.contains("recording-token-"), "{}", arrived.body);
    let event = app.store.event(delivery.event).await.unwrap().unwrap();
    let original = event.data.replace('"', "&#34;");
    assert!(page.body.contains(&format!("data-test=\"original\">{original}</pre>")), "{}", page.body);
    app.stop().await;
}
