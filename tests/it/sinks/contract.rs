//! What every sink promises that needs no server, whatever its kind; `brokers` has the suite of those that need one. A new
//! kind joins one of them, and `every_kind_is_under_contract` says so.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use reelhook::config::Section;
use reelhook::sinks::stdout::StdoutSink;
use reelhook::sinks::{Context, FromConfig, KINDS, MAX_REASON_CHARS, Sink};
use serde_json::Value;

use super::answering::{Answering, OK};
use super::brokers;
use super::samples::{TOKEN, build, delivery, mistakes, retried, table, with_client_context};
use super::stdout::until_nobody_reads;

/// A kind that is no kind of reelhook.
#[path = "../../../examples/own_sink.rs"]
#[allow(dead_code, reason = "its main is run as a program: see `process::own_sink`")]
mod own_sink;

use own_sink::LinesSink;

/// A sink together with its far side.
struct Subject {
    kind: &'static str,
    sink: Arc<dyn Sink>,
    /// What the far side has, oldest first.
    received: Box<dyn Fn() -> Vec<Value>>,
    /// Makes every delivery fail.
    break_it: Box<dyn Fn()>,
    /// Ends that, where it can be ended.
    mend_it: Option<Box<dyn Fn()>>,
}

/// One of every kind; `more` are keys that all of them have.
fn subjects(more: &str) -> Vec<Subject> {
    vec![exec(more), file(more), http(more), stdout(more), own(more)]
}

/// A shell script that appends what it reads to a file, and refuses what comes while there is another file.
fn exec(more: &str) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let script = "if [ -e \"$1/broken\" ]; then cat >&2; exit 75; fi; cat >> \"$1/events\"";
    let command = serde_json::json!(["sh", "-c", script, "sh", folder.path()]);
    let sink = build("exec", &format!("command = {command}\n{more}")).unwrap();
    let (events, broken) = (folder.path().join("events"), folder.path().join("broken"));
    let mended = broken.clone();
    Subject {
        kind: "exec",
        sink,
        received: Box::new(move || {
            let _keep = &folder;
            lines(&fs::read_to_string(&events).unwrap_or_default())
        }),
        break_it: Box::new(move || fs::write(&broken, "").unwrap()),
        mend_it: Some(Box::new(move || fs::remove_file(&mended).unwrap())),
    }
}

fn file(more: &str) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/events.jsonl");
    let sink = build("file", &format!("path = {path:?}\n{more}")).unwrap();
    let (broken, mended) = (path.clone(), path.clone());
    Subject {
        kind: "file",
        sink,
        received: Box::new(move || {
            let _keep = &folder;
            lines(&fs::read_to_string(&path).unwrap_or_default())
        }),
        break_it: Box::new(move || {
            fs::rename(&broken, broken.with_extension("away")).unwrap();
            fs::create_dir(&broken).unwrap();
        }),
        mend_it: Some(Box::new(move || {
            fs::remove_dir(&mended).unwrap();
            fs::rename(mended.with_extension("away"), &mended).unwrap();
        })),
    }
}

fn http(more: &str) -> Subject {
    let far_side = Arc::new(Answering::with(OK));
    let sink = build("http", &format!("{}{more}", far_side.table())).unwrap();
    let (broken, mended, taken) = (Arc::clone(&far_side), Arc::clone(&far_side), Mutex::new(Vec::new()));
    Subject {
        kind: "http",
        sink,
        received: Box::new(move || {
            let mut taken = taken.lock().unwrap();
            *taken = far_side.requests().iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect();
            taken.clone()
        }),
        break_it: Box::new(move || broken.answer("HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")),
        mend_it: Some(Box::new(move || mended.answer(OK))),
    }
}

fn stdout(more: &str) -> Subject {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).unwrap();
    let (file, other_end) = (std::os::fd::OwnedFd::from(writer.try_clone().unwrap()).into(), writer);
    let sink = Arc::new(
        table(more).read("sinks.crm", |section| Some(StdoutSink::to(file, section, &Context::default()))).unwrap().0,
    );
    let reader: Arc<Mutex<Option<PipeReader>>> = Arc::new(Mutex::new(Some(reader)));
    let (broken, text) = (Arc::clone(&reader), Mutex::new(Vec::new()));
    Subject {
        kind: "stdout",
        sink,
        received: Box::new(move || {
            let mut text = text.lock().unwrap();
            if let Some(reader) = &mut *reader.lock().unwrap() {
                // Ends with "would block": the pipe is empty.
                drop(reader.read_to_end(&mut text));
            }
            lines(std::str::from_utf8(&text).unwrap())
        }),
        break_it: Box::new(move || {
            *broken.lock().unwrap() = None;
            until_nobody_reads(&other_end);
        }),
        mend_it: None,
    }
}

/// The sink of `examples/own_sink.rs`, and a server that answers each line.
fn own(more: &str) -> Subject {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (received, is_broken) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
    let (lines_of, breaks) = (Arc::clone(&received), Arc::clone(&is_broken));
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let (mut line, mut answer) = (String::new(), connection.try_clone().unwrap());
            let n_read = BufReader::new(connection).read_line(&mut line).unwrap_or_default();
            if breaks.load(Ordering::SeqCst) {
                continue;
            }
            if n_read > 0 && line.ends_with('\n') {
                lines_of.lock().unwrap().push_str(&line);
                let _ = answer.write_all(b"ok\n");
            }
        }
    });
    let (broken, mended) = (Arc::clone(&is_broken), is_broken);
    let table = table(&format!("address = \"{address}\"\n{more}"));
    let read = |section: &mut Section<'_>| LinesSink::read(section, &Context::default());
    Subject {
        kind: LinesSink::KIND,
        sink: Arc::new(table.read("sinks.crm", read).unwrap().0),
        received: Box::new(move || lines(&received.lock().unwrap())),
        break_it: Box::new(move || broken.store(true, Ordering::SeqCst)),
        mend_it: Some(Box::new(move || mended.store(false, Ordering::SeqCst))),
    }
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.split_terminator('\n').map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn every_kind_is_under_contract() {
    let mut kinds: Vec<&str> =
        subjects("").iter().map(|subject| subject.kind).chain(brokers::KINDS.iter().copied()).collect();
    kinds.sort_unstable();
    let mut expected: Vec<&str> = KINDS.iter().map(|kind| kind.name).chain([LinesSink::KIND]).collect();
    expected.sort_unstable();
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn an_event_arrives_as_it_is() {
    for subject in subjects("") {
        subject.sink.deliver(&delivery(7)).await.unwrap();
        let received = (subject.received)();
        assert_eq!(received.len(), 1, "{}", subject.kind);
        let event = &received[0];
        assert_eq!(event["id"], delivery(7).event.id.to_string());
        assert_eq!(event["route"], "support");
        assert_eq!(event["clientcontext"], "support-7");
        assert_eq!(event["data"]["recordingLocation"], "https://file.location/7");
    }
}

#[tokio::test]
async fn a_repeat_carries_the_same_event() {
    for subject in subjects("") {
        let again = reelhook::domain::Delivery { attempt: 2, ..delivery(1) };
        subject.sink.deliver(&delivery(1)).await.unwrap();
        subject.sink.deliver(&again).await.unwrap();
        let received = (subject.received)();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0], received[1], "{}", subject.kind);
    }
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_and_arrives_in_order() {
    for subject in subjects("") {
        assert_eq!(subject.sink.deliver_batch(&[]).await, []);
        let deliveries: Vec<_> = (0..40).map(delivery).collect();
        let results = subject.sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
        assert_eq!(results, vec![Ok(()); 40], "{}", subject.kind);
        let ids: Vec<_> = (subject.received)().iter().map(|event| event["data"]["id"].clone()).collect();
        assert_eq!(ids, (0..40).map(|n| format!("op-{n}")).collect::<Vec<_>>());
        assert!(subject.sink.batch_size() >= 1 && subject.sink.most_at_a_time() >= 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_a_time_arrive_whole() {
    for subject in subjects("") {
        let deliveries: Vec<_> = (0..30).map(delivery).collect();
        let results = join_all(deliveries.iter().map(|it| subject.sink.deliver(it))).await;
        assert!(results.iter().all(Result::is_ok), "{}: {results:?}", subject.kind);
        let mut ids: Vec<String> = (subject.received)().iter().map(|event| event["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 30);
    }
}

#[tokio::test]
async fn a_probe_sends_nothing() {
    for subject in subjects("") {
        subject.sink.probe().await.unwrap();
        assert_eq!((subject.received)(), Vec::<Value>::new(), "{}", subject.kind);
    }
}

#[tokio::test]
async fn threat_53_the_recording_token_is_sent_only_where_the_table_says_so() {
    for (more, sent) in [("", false), ("include_access_token = false", false), ("include_access_token = true", true)] {
        for subject in subjects(more) {
            subject.sink.deliver(&delivery(1)).await.unwrap();
            subject.sink.deliver_batch(&[&delivery(2)]).await;
            for event in (subject.received)() {
                assert_eq!(event.to_string().contains(TOKEN), sent, "{}: {event}", subject.kind);
                assert_eq!(event["data"]["recordingAccessToken"] == TOKEN, sent);
            }
        }
    }
}

#[tokio::test]
async fn threat_58_hostile_text_arrives_as_text_and_costs_nobody_else() {
    // The first three hold characters that no attribute may hold.
    let hostile = ["../../etc/passwd\0", "a\r\nb\n\n", "\u{1b}[31m\u{202e}\u{2028}", "\"},{\"", "\u{feff}é😀"];
    for subject in subjects("") {
        for (n, text) in (0..).zip(hostile) {
            subject.sink.deliver(&with_client_context(n, text)).await.unwrap();
        }
        let received = (subject.received)();
        let texts: Vec<_> = received.iter().map(|event| event["data"]["clientContext"].as_str().unwrap()).collect();
        assert_eq!(texts, hostile, "{}", subject.kind);
        let attributes: Vec<_> = received.iter().map(|event| event["clientcontext"].as_str()).collect();
        assert_eq!(attributes, [None, None, None, Some(hostile[3]), Some(hostile[4])], "{}", subject.kind);
    }
}

#[tokio::test]
async fn a_failure_is_a_retry_with_a_short_reason_and_the_sink_recovers() {
    for subject in subjects("include_access_token = true") {
        subject.sink.deliver(&delivery(1)).await.unwrap();
        let n_before = (subject.received)().len();
        (subject.break_it)();
        let (reason, ..) = retried(subject.sink.deliver(&delivery(2)).await);
        assert!(!reason.is_empty() && reason.chars().count() <= MAX_REASON_CHARS, "{reason}");
        assert!(!reason.contains(TOKEN), "{reason}");
        assert!(subject.sink.deliver_batch(&[&delivery(3), &delivery(4)]).await.iter().all(Result::is_err));
        if let Some(mend_it) = &subject.mend_it {
            mend_it();
            subject.sink.deliver(&delivery(5)).await.unwrap();
            let received = (subject.received)();
            assert!(received.len() > n_before, "{}", subject.kind);
            assert_eq!(received.last().unwrap()["data"]["id"], "op-5");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_is_given_up_damages_no_other() {
    for subject in subjects("") {
        let first = delivery(1);
        drop(tokio::time::timeout(Duration::ZERO, subject.sink.deliver(&first)).await);
        subject.sink.deliver(&delivery(2)).await.unwrap();
        // Reading them at all shows that each is whole.
        assert!((subject.received)().iter().any(|event| event["data"]["id"] == "op-2"), "{}", subject.kind);
    }
}

#[tokio::test]
async fn a_close_ends_the_sink_and_takes_nothing_back() {
    for subject in subjects("") {
        subject.sink.deliver(&delivery(1)).await.unwrap();
        subject.sink.close().await.unwrap();
        assert_eq!((subject.received)().len(), 1, "{}", subject.kind);
    }
}

#[test]
fn an_unknown_key_is_named_beside_the_known_ones() {
    for kind in KINDS {
        let told = mistakes(kind.name, "nonsense = 'canary'");
        assert!(told.contains("sinks.crm.nonsense: found an unknown key"), "{told}");
        assert!(kind.keys().iter().all(|key| told.contains(key.as_str())), "{told}");
        assert!(!told.contains("canary"));
    }
}
