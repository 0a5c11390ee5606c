//! What the `object` sink promises where several events are one object.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reelhook::domain::Delivery;
use reelhook::sinks::{DeliveryError, Sink};
use serde_json::Value;

use super::answering::Answering;
use super::object::files;
use super::samples::{build, delivery, mistakes, retried, with_client_context};

/// Longer than any of these tests, if nothing else stores a batch.
const LONG: Duration = Duration::from_secs(20);

fn sink(folder: &Path, keys: &str) -> Arc<dyn Sink> {
    build("object", &format!("url = 'file://{}'\n{keys}\n", folder.display())).unwrap()
}

/// The ids of the events in each object, by the names of the objects.
fn lines(folder: &Path) -> Vec<Vec<String>> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    let of_file = |text: String| {
        assert!(text.ends_with('\n'), "{text:?}");
        text.lines().map(id).collect()
    };
    files(folder).into_iter().map(|file| of_file(fs::read_to_string(file).unwrap())).collect()
}

fn ids(numbers: impl IntoIterator<Item = u128>) -> Vec<String> {
    numbers.into_iter().map(|n| delivery(n).event.id.to_string()).collect()
}

#[tokio::test]
async fn a_batch_is_stored_when_it_has_as_many_events_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path(), "batch = { count = 3, age = '29s' }");
    let began = Instant::now();
    let deliveries: Vec<_> = (0..6).map(delivery).collect();
    let results = join_all(deliveries.iter().map(|it| sink.deliver(it))).await;
    assert!(results.iter().all(Result::is_ok) && began.elapsed() < LONG, "{results:?}");
    assert_eq!(lines(folder.path()), [ids(0..3), ids(3..6)]);
    let name = files(folder.path())[0].strip_prefix(folder.path()).unwrap().display().to_string();
    assert!(name.starts_with(&format!("2026-11-24/{}-", delivery(0).id)) && name.ends_with(".jsonl"), "{name}");
}

#[tokio::test]
async fn a_batch_is_stored_when_it_has_as_many_bytes_as_configured_and_none_has_more() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(
        folder.path(),
        "payload = '{\"id\": \"{delivery_id}\"}'\npath = '{batch_id}.jsonl'\nbatch = { size = '1KiB', age = '100ms' }",
    );
    let deliveries: Vec<_> = (0..50).map(delivery).collect();
    assert_eq!(sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await, vec![Ok(()); 50]);
    let sizes: Vec<u64> = files(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).collect();
    let line = format!("{{\"id\":\"{}\"}}\n", delivery(0).id).len() as u64;
    let full = 1024 / line;
    assert_eq!(sizes, [full * line, full * line, (50 - 2 * full) * line]);
    // One that is larger alone is an object of its own.
    let large = with_client_context(100, &"x".repeat(200));
    let folder = tempfile::tempdir().unwrap();
    let sink = self::sink(folder.path(), "batch = { size = '1KiB', age = '100ms' }");
    let results = sink.deliver_batch(&[&delivery(1), &large, &delivery(2)]).await;
    assert_eq!((results, files(folder.path()).len()), (vec![Ok(()); 3], 3));
}

#[tokio::test]
async fn a_batch_is_stored_when_its_first_event_has_waited_for_the_configured_time() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path(), "batch = { age = '300ms' }");
    let began = Instant::now();
    let [first, second] = [1, 2].map(delivery);
    let late = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(files(folder.path()).len(), 0, "nothing is stored yet");
        sink.deliver(&second).await
    };
    assert_eq!(tokio::join!(sink.deliver(&first), late), (Ok(()), Ok(())));
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < LONG, "{:?}", began.elapsed());
    assert_eq!(lines(folder.path()), [ids([1, 2])]);
}

#[tokio::test]
async fn events_whose_objects_have_other_names_are_in_other_batches_and_one_that_has_none_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path(), "path = '{client_context}/{batch_id}.jsonl'\nbatch = { age = '100ms' }");
    let long = "x".repeat(241);
    let deliveries: Vec<Delivery> =
        (0..).zip(["a", "../b", &long, "a", "../b"]).map(|(n, context)| with_client_context(n, context)).collect();
    let results = sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    match &results[..] {
        [Ok(()), Ok(()), Err(DeliveryError::Reject { reason }), Ok(()), Ok(())] => {
            assert!(reason.contains("241 bytes"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lines(folder.path()), [ids([1, 4]), ids([0, 3])], "..%2Fb sorts before a");
}

#[tokio::test]
async fn a_close_stores_what_waits_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path(), "batch = { age = '29s' }");
    let began = Instant::now();
    let [first, second] = [1, 2].map(delivery);
    let close = async {
        tokio::task::yield_now().await;
        sink.close().await
    };
    assert_eq!(tokio::join!(sink.deliver(&first), sink.deliver(&second), close), (Ok(()), Ok(()), Ok(())));
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert_eq!(lines(folder.path()), [ids([1, 2])]);
    assert!(sink.deliver(&delivery(3)).await.is_err());
    assert_eq!(files(folder.path()).len(), 1);
}

#[tokio::test]
async fn an_attempt_that_is_given_up_while_it_waits_or_stores_takes_nothing_from_the_others() {
    let service = Answering::with("");
    let keys =
        format!("url = 'gs://events'\nendpoint = 'http://{}'\nbatch = {{ count = 3, age = '29s' }}\n", service.address);
    let stored = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let opened = service.hold(stored);
    let sink = build("object", &keys).unwrap();
    let [first, second, third] = [1, 2, 3].map(delivery);
    let mut waiting = Box::pin(sink.deliver(&first));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(waiting);
    // Nobody waited for that batch any more; this is another.
    let mut storing = Box::pin(sink.deliver(&first));
    let mut others = Box::pin(async { tokio::join!(sink.deliver(&second), sink.deliver(&third)) });
    assert!(futures_util::poll!(&mut storing).is_pending() && futures_util::poll!(&mut others).is_pending());
    let began = Instant::now();
    while service.requests().is_empty() {
        let step = tokio::time::timeout(Duration::from_millis(5), &mut storing).await;
        assert!(step.is_err() && began.elapsed() < LONG, "{step:?}");
    }
    drop(storing);
    assert!(futures_util::poll!(&mut others).is_pending());
    drop(opened);
    assert_eq!(others.await, (Ok(()), Ok(())));
    let [request] = &service.requests()[..] else { panic!("one object") };
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(request.body.iter().filter(|byte| **byte == b'\n').count(), 3);
}

#[tokio::test]
async fn a_failure_is_that_of_every_event_in_the_batch_and_an_object_that_is_refused_is_tried_again() {
    let service = Answering::with("HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let keys = format!("url = 'gs://events'\nendpoint = 'http://{}'\nbatch = {{ count = 2 }}\n", service.address);
    let sink = build("object", &keys).unwrap();
    let both = [delivery(1), delivery(2)];
    let both = [&both[0], &both[1]];
    for result in sink.deliver_batch(&both).await {
        assert!(retried(result).1);
    }
    let refusal = "<Error><Code>EntityTooLarge</Code><Message>Too large.</Message></Error>";
    service
        .answer(&format!("HTTP/1.1 400 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{refusal}", refusal.len()));
    for result in sink.deliver_batch(&both).await {
        let (reason, pauses, _) = retried(result);
        assert!(!pauses && reason == "an object of 2 events: EntityTooLarge: Too large.", "{reason}");
    }
}

#[tokio::test]
async fn after_a_crash_the_same_batch_is_one_object_and_in_another_batch_a_repeat_is_known_by_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let sink = || sink(folder.path(), "batch = { age = '50ms' }");
    let [first, second, third] = [1, 2, 3].map(delivery);
    // What was stored and not settled is attempted again, by another process.
    for _ in 0..2 {
        assert_eq!(sink().deliver_batch(&[&first, &second]).await, [Ok(()), Ok(())]);
    }
    assert_eq!(lines(folder.path()), [ids([1, 2])]);
    let again = Delivery { attempt: 2, ..second };
    assert_eq!(sink().deliver_batch(&[&again, &third]).await, [Ok(()), Ok(())]);
    assert_eq!(lines(folder.path()), [ids([1, 2]), ids([2, 3])]);
    let texts: Vec<String> = files(folder.path()).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert_eq!(texts[0].lines().nth(1), texts[1].lines().next(), "a repeat is the same line");
}

#[tokio::test]
async fn the_lines_are_in_the_format_of_the_sink() {
    for (format, id) in [("cloudevents", delivery(1).event.id.to_string()), ("data", "op-1".to_owned())] {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink(folder.path(), &format!("format = '{format}'\nbatch = {{ count = 1 }}"));
        sink.deliver(&delivery(1)).await.unwrap();
        assert_eq!(lines(folder.path()), [[id]]);
    }
}

#[test]
fn a_batch_that_cannot_be_is_a_mistake() {
    for (keys, told) in [
        ("batch = { age = '30s' }", "batch.age: found 30s beside the sink's timeout of 30s, expected less"),
        ("batch = { age = '2h' }", "batch.age: found \"2h\", expected a duration"),
        ("batch = { size = '9MiB' }", "batch.size: found 9MiB beside the sink's queue_bytes of 8MiB, expected at most"),
        ("batch = { count = 0 }", "batch.count: found 0, expected"),
        ("batch = { counts = 1 }", "batch.counts: found an unknown key"),
        ("batch = true", "batch: found"),
        ("batch = {}\npath = '{date}.jsonl'", "path: found \"{date}.jsonl\" beside batch, expected {batch_id} in it"),
        ("batch = {}\npath = '{batch_id}{delivery_id}'", "path: found \"{batch_id}{delivery_id}\" beside batch"),
        ("batch = {}\npath = '{batch}'", "path: found {batch}, expected one of {client_context}"),
        ("path = '{batch_id}.jsonl'", "path: found {batch_id}, expected one of {client_context}"),
        ("batch = {}\nformat = 'cloudevents-binary'", "format: found \"cloudevents-binary\", expected"),
    ] {
        let found = mistakes("object", &format!("url = 's3://a'\n{keys}"));
        assert!(found.starts_with(&format!("sinks.crm.{told}")), "{keys}: {found}");
    }
}
