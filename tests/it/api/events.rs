//! The stream of events.

use reelhook::simulator::payload::Recording;
use uuid::Uuid;

use super::stream::Stream;
use super::{ask, completed, get, with_tokens};
use crate::test_app::{Settings, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_what_comes_from_now_on_as_sinks_get_it_but_without_a_token() {
    let mut app = TestApp::start().await;
    completed(&mut app, "before").await;
    let mut stream = Stream::open(&app, "", None).await;
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(stream.answer.headers()[name], value);
    }
    let recording = Recording::new(&mut app.seed).client_context("ivr\n: 7");
    app.post_calls(&[recording.completed()]).await;
    let event = stream.event().await;
    let delivered = app.first.wait_for(2).await;
    let delivery = &delivered[1];
    assert_eq!(event["id"], delivery.event.id.to_string());
    assert_eq!(event["data"]["clientContext"], "ivr\n: 7");
    let mut sent = Vec::new();
    reelhook::sinks::cloud_event::write(delivery, false, &mut sent);
    let mut expected: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    // The stream is of no route.
    expected.as_object_mut().unwrap().remove("route");
    for key in ["route", "captures"] {
        expected["data"]["reelhook"].as_object_mut().unwrap().remove(key);
    }
    assert_eq!(event, expected);
    assert!(delivery.event.recording_access_token.is_some(), "there was a token to leave out");
    assert!(!event.to_string().contains("recordingAccessToken"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_prefix_of_the_config_that_runs_and_is_filtered_without_it() {
    let prefix = |prefix: &str| format!("[events]\ntype_prefix = \"{prefix}\"\n");
    let settings = Settings { more: prefix("com.example."), ..Settings::default() };
    let mut app = TestApp::start_with(settings).await;
    let mut stream = Stream::open(&app, "?type=recordOperation.completed", None).await;
    completed(&mut app, "a").await;
    assert_eq!(stream.event().await["type"], "com.example.recordOperation.completed");
    app.reload_with(|it| it.more = prefix("org.example.")).await.unwrap();
    completed(&mut app, "b").await;
    assert_eq!(stream.event().await["type"], "org.example.recordOperation.completed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_goes_on_after_the_last_id() {
    let mut app = TestApp::start().await;
    let mut stream = Stream::open(&app, "", None).await;
    completed(&mut app, "a").await;
    assert_eq!(stream.contexts(1).await, ["a"]);
    let last = stream.last_id.clone();
    drop(stream);
    for context in ["b", "c"] {
        completed(&mut app, context).await;
    }
    let mut app = app.restart().await;
    completed(&mut app, "d").await;
    assert_eq!(Stream::open(&app, "", Some(&last)).await.contexts(3).await, ["b", "c", "d"]);
    assert_eq!(Stream::open(&app, &format!("?lastEventId={last}"), None).await.contexts(3).await, ["b", "c", "d"]);
    // A browser that connects again repeats the address that it began with.
    assert_eq!(Stream::open(&app, "?after=oldest", Some(&last)).await.contexts(1).await, ["b"]);
    assert_eq!(Stream::open(&app, "?after=oldest", None).await.contexts(1).await, ["a"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_seen_no_event_yet_knows_where_to_go_on_all_the_same() {
    let mut app = TestApp::start().await;
    let empty = Stream::open(&app, "", None).await.last_id;
    assert_eq!(empty, Uuid::nil().to_string());
    for context in ["a", "b"] {
        completed(&mut app, context).await;
    }
    assert_eq!(Stream::open(&app, "", Some(&empty)).await.contexts(2).await, ["a", "b"]);
    let place = Stream::open(&app, "", None).await.last_id;
    completed(&mut app, "c").await;
    assert_eq!(Stream::open(&app, "", Some(&place)).await.contexts(1).await, ["c"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_what_was_chosen_in_order_over_many_pages() {
    let mut app = TestApp::start().await;
    let mut expected = Vec::new();
    for page in 0..5 {
        let mut items = Vec::new();
        for n in 0..20 {
            let context = format!("{}-{page}-{n}", if n % 10 == 3 { "rare" } else { "usual" });
            items.push(Recording::new(&mut app.seed).client_context(&*context).completed());
            expected.push(context);
        }
        assert_eq!(app.post_calls(&items).await.status, 202);
    }
    let failed = Recording::new(&mut app.seed).client_context("bad").failed();
    let running = Recording::new(&mut app.seed).client_context("begun").running();
    app.post_calls(&[failed, running]).await;
    let app = app;
    let all = Stream::open(&app, "?after=oldest", None).await.contexts(102).await;
    assert_eq!(all[..100], expected);

    let chosen = |query: &'static str, n| {
        let app = &app;
        async move { Stream::open(app, query, None).await.contexts(n).await }
    };
    let two = "?after=oldest&clientContext=rare-4-13&clientContext=rare-0-3";
    assert_eq!(chosen(two, 2).await, ["rare-0-3", "rare-4-13"]);
    assert_eq!(chosen("?after=oldest&status=Failed&status=running", 2).await, ["bad", "begun"]);
    assert_eq!(chosen("?after=oldest&type=recordOperation.failed", 1).await, ["bad"]);
    let both = "?after=oldest&status=failed&status=completed&clientContext=bad&clientContext=begun";
    assert_eq!(chosen(both, 1).await, ["bad"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let mut app = TestApp::start().await;
    let _idle = Stream::open(&app, "?after=oldest", None).await;
    let mut quick = Stream::open(&app, "?after=oldest", None).await;
    let long = "x".repeat(200_000);
    for n in 0..40 {
        let item = Recording::new(&mut app.seed).client_context(format!("{n}")).completed();
        let item = item.replacen("\"status\"", &format!("\"more\":\"{long}\",\"status\""), 1);
        assert_eq!(app.post_calls(&[item]).await.status, 202);
    }
    // 8 MB are more than the sockets between the two hold.
    let read = quick.contexts(40).await;
    assert_eq!(read, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_server_stops() {
    let app = TestApp::start_with(crate::test_app::Settings {
        server: "shutdown_delay = \"1s\"".into(),
        ..Default::default()
    })
    .await;
    let mut stream = Stream::open(&app, "", None).await;
    let ((), ended) = tokio::join!(app.stop(), stream.block());
    assert_eq!(ended, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused_by_its_name() {
    let app = TestApp::start().await;
    for (query, told) in [
        (
            "?$filter=x",
            "found the parameter \"$filter\", expected clientContext, status, type, operation, after, lastEventId",
        ),
        ("?after=7", "after: found \"7\", expected oldest"),
        ("?after=oldest&after=oldest", "after: found it twice"),
        ("?lastEventId=7", "lastEventId: found \"7\", expected the id of an event"),
        ("?clientcontext=a", "found the parameter \"clientcontext\""),
    ] {
        let reply = get(&app, &format!("events{query}")).await;
        let message = reply.body["error"]["message"].as_str().unwrap();
        assert_eq!(reply.status, 400, "{query}");
        assert!(message.starts_with(told), "{query}: {message}");
    }
    assert_eq!(super::post(&app, "events", None).await.status, 405);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_for_who_may_read() {
    let app = TestApp::start_with(with_tokens(&[("reader", "\"read\""), ("writer", "\"write\"")])).await;
    for (token, expected) in [(None, 401), (Some("other"), 401), (Some("writer"), 403)] {
        assert_eq!(ask(&app, ("GET", "events"), token, None).await.status, expected, "{token:?}");
    }
    let answer = reqwest::Client::new().get(format!("http://{}/v1.0/events", app.admin)).bearer_auth("reader");
    assert_eq!(answer.send().await.unwrap().status(), 200);
    app.stop().await;
}
