//! What `/metrics` shows: every series of a closed set from the start, in the format that the client prefers.

use std::collections::BTreeSet;

use reelhook::domain::SinkName;
use reelhook::sinks::DeliveryError;

use crate::api::operations::announced;
use crate::process::eventually;
use crate::recording_sink::RecordingSink;
use crate::reload::{all_to, changed, post};
use crate::sinks::answering::{Answering, OK};
use crate::test_app::{Settings, TestApp};

/// The samples of a text, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_a_closed_set_exists_before_its_first_event() {
    let mut app = TestApp::start().await;
    let before = series(&app.metrics().await);
    for expected in [
        "reelhook_build_info{version=\"0.1.0\"}",
        "reelhook_answers_total{path=\"calls\",status=\"503\"}",
        "reelhook_answers_total{path=\"lifecycle\",status=\"202\"}",
        "reelhook_ingest_rejected_total{path=\"calls\",reason=\"jwt_aud\"}",
        "reelhook_ingest_rejected_total{path=\"admin\",reason=\"admin_access\"}",
        "reelhook_ingest_rejected_total{path=\"other\",reason=\"bad_request\"}",
        "reelhook_notifications_accepted_total{channel=\"calls\"}",
        "reelhook_dedup_total{channel=\"subscriptions\"}",
        "reelhook_possible_repeats_total{channel=\"lifecycle\"}",
        "reelhook_expectations_raised_total{kind=\"lost\"}",
        "reelhook_expectations_raised_total{kind=\"overdue\"}",
        "reelhook_operation_order_total{order=\"weaker\"}",
        "reelhook_handshake_total{result=\"refused\"}",
        "reelhook_jwks_refresh_total{channel=\"calls\",result=\"failed\"}",
        "reelhook_connections{listener=\"public\",state=\"body\"}",
        "reelhook_connections_closed_total{listener=\"admin\",reason=\"gave_way\"}",
        "reelhook_connections_closed_total{listener=\"probes\",reason=\"gave_way\"}",
        "reelhook_delivery_attempts_total{sink=\"first\",result=\"dead\"}",
        "reelhook_delivery_attempts_total{sink=\"second\",result=\"timeout\"}",
        "reelhook_delivery_attempt_seconds_count{sink=\"second\"}",
        "reelhook_sink_paused{sink=\"first\"}",
        "reelhook_sink_oldest_undelivered_seconds{sink=\"first\"}",
        "reelhook_sink_expectations_raised_total{sink=\"first\",kind=\"lost\"}",
        "reelhook_config_reloads_total{result=\"refused\"}",
    ] {
        assert!(before.contains(expected), "{expected} in {before:#?}");
    }
    post(&mut app, "a").await;
    app.first.wait_for(1).await;
    assert_eq!(app.send(app.graph.calls_with("Bearer wrong", "[]")).await.status, 401);
    let after = series(&app.metrics().await);
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    app.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_process_is_among_the_metrics() {
    let app = TestApp::start().await;
    for name in
        ["resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds", "start_time_seconds", "threads"]
    {
        assert!(app.metric(&format!("process_{name}")).await > 0.0, "{name}");
    }
    assert!(app.metrics().await.contains("\nprocess_cpu_seconds_total "));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_follows_what_the_client_accepts() {
    const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
    const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                              text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let app = TestApp::start().await;
    let (client, url) = (reqwest::Client::new(), format!("http://{}/metrics", app.admin));
    for (accept, expected) in [
        (Some(PROMETHEUS), OPEN),
        (Some("application/openmetrics-text;q=0.3, text/plain"), CLASSIC),
        (Some("*/*"), CLASSIC),
        (Some("text/html, */*;q=0.8"), CLASSIC),
        (Some(";;;"), CLASSIC),
        (None, CLASSIC),
    ] {
        let request = client.get(&url);
        let request = accept.map_or(request.try_clone().unwrap(), |accept| request.header("accept", accept));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], expected, "{accept:?}");
        let text = answer.text().await.unwrap();
        assert_eq!(text.ends_with("# EOF\n"), expected == OPEN, "{accept:?}");
        let counter = if expected == OPEN { "reelhook_answers" } else { "reelhook_answers_total" };
        assert!(text.contains(&format!("# TYPE {counter} counter\n")), "{accept:?}: {text}");
    }
    assert_eq!(series(&app.metrics_as("text/plain").await), series(&app.metrics().await));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_holds_is_shown_with_the_age_of_the_oldest() {
    let none = "[[routes]]\nname = \"other\"\nclient_context = { exact = \"other\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: none.into(), ..Settings::default() }).await;
    post(&mut app, "nobody's").await;
    app.graph.client_state = Some("guessed".into());
    let stranger = app.graph.change(&mut app.seed).basic();
    assert_eq!(app.post_changes(&[stranger], false).await.status, 202);
    announced(&app, "announced").await;
    app.advance(60);
    for (name, labels) in [
        ("quarantine_entries", "{class=\"unverified\"}"),
        ("unmatched_events", ""),
        ("expectations", "{state=\"waiting\"}"),
    ] {
        app.until_metric(&format!("reelhook_{name}{labels}"), 1.0).await;
        let oldest = format!("reelhook_{}_oldest_seconds{labels}", name.split('_').next().unwrap());
        app.until_metric(&oldest, 60.0).await;
    }
    for name in ["database_bytes", "disk_free_bytes", "disk_reserve_bytes"] {
        assert!(app.metric(&format!("reelhook_store_{name}")).await > 0.0, "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_scrape_after_a_start_shows_what_the_store_holds() {
    let routes = "[[routes]]\nname = \"of calls\"\nclient_context = { prefix = \"op\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    app.first.fail([DeliveryError::Reject { reason: "410".into() }, RecordingSink::retry("503")]);
    post(&mut app, "op-dead").await;
    app.first.wait_for_attempts(1).await;
    post(&mut app, "op-waits").await;
    post(&mut app, "nobody's").await;
    app.graph.client_state = Some("guessed".into());
    let stranger = app.graph.change(&mut app.seed).basic();
    assert_eq!(app.post_changes(&[stranger], false).await.status, 202);
    announced(&app, "announced").await;
    app.first.wait_for_attempts(2).await;
    app.until_metric("reelhook_sink_dead_letters{sink=\"first\"}", 1.0).await;
    assert!(app.pauses.pause(&SinkName::new("first")).await.unwrap());
    app.advance(60);

    let app = app.restart().await;
    let text = app.own_metrics();
    for expected in [
        "reelhook_sink_open_deliveries{sink=\"first\"} 1",
        "reelhook_sink_dead_letters{sink=\"first\"} 1",
        "reelhook_sink_dead_letters{sink=\"second\"} 0",
        "reelhook_sink_oldest_undelivered_seconds{sink=\"first\"} 60.0",
        "reelhook_sink_paused{sink=\"first\"} 1",
        "reelhook_sink_failing{sink=\"first\"} 1",
        "reelhook_sink_failing{sink=\"second\"} 0",
        "reelhook_unmatched_events 1",
        "reelhook_unmatched_oldest_seconds 60.0",
        "reelhook_quarantine_entries{class=\"unverified\"} 1",
        "reelhook_quarantine_entries{class=\"waiting_for_keys\"} 0",
        "reelhook_quarantine_oldest_seconds{class=\"unverified\"} 60.0",
        "reelhook_expectations{state=\"waiting\"} 1",
        "reelhook_expectations_oldest_seconds{state=\"waiting\"} 60.0",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected} in {text}");
    }
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    for name in ["store_database_bytes", "store_disk_free_bytes", "backlog_counted_timestamp_seconds"] {
        assert_ne!(value(&format!("reelhook_{name}")), "0", "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_removed_during_an_attempt_leaves_no_series() {
    let mut app = TestApp::start().await;
    let hook = Answering::with(OK);
    let opened = hook.hold(OK);
    let third = format!("[sinks.third]\nkind = \"http\"\n{}", hook.table());
    changed(app.reload_with(|it| (it.more, it.routes) = (third, all_to("\"third\""))).await);
    let text = app.metrics().await;
    assert!(text.contains("reelhook_delivery_attempts_total{sink=\"third\",result=\"delivered\"} 0\n"), "{text}");
    post(&mut app, "in progress").await;
    eventually("the attempt is in progress", async || hook.requests().len() == 1).await;
    changed(app.reload_with(|it| (it.more, it.routes) = (String::new(), String::new())).await);
    app.until_metric("reelhook_sink_configured{sink=\"third\"}", 0.0).await;
    opened.send(()).unwrap();
    let third = reelhook::domain::SinkName::new("third");
    eventually("it is settled", async || !app.store.backlog().await.unwrap().contains_key(&third)).await;
    app.until_metric("reelhook_sink_open_deliveries{sink=\"third\"}", 0.0).await;
    app.advance(6 * 60);
    eventually("its series end", async || !app.metrics().await.contains("sink=\"third\"")).await;
    app.stop().await;
}
