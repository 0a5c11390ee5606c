//! `simulate --record` and `--replay`: what passes is passed on unchanged and written without secrets, and what was written
//! can be played again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reelhook::domain::Event;
use reelhook::simulator::record::{Played, Recorder, Replay};
use reelhook::simulator::scenario::{Channels, Play, Scenario, play};
use reelhook::simulator::{Certificate, Client, Graph};

use crate::test_app::{APP_ID, CERTIFICATE_ID, CLIENT_STATE, TENANT, TestApp, start};

const BOTH: Channels = Channels { calls: true, subscriptions: true };

fn scenarios(names: &[&str]) -> Vec<Scenario> {
    names.iter().map(|name| Scenario::find(name).unwrap().unwrap()).collect()
}

/// Plays scenarios through a recorder in front of a server.
async fn recorded(app: &TestApp, file: &Path, names: &[&str]) {
    let receiver = Client::new(&format!("http://{}", app.public)).unwrap();
    let (recorder, server) = Recorder::start("127.0.0.1:0".parse().unwrap(), receiver, file).unwrap();
    start(server);
    let graph = Graph {
        client: Client::new(&format!("http://{}", recorder.address)).unwrap(),
        identity: app.provider.identity().clone(),
        app_id: APP_ID.into(),
        tenant: TENANT.into(),
        client_state: Some(CLIENT_STATE.into()),
        certificate: Some(Certificate::in_file(CERTIFICATE_ID, &app.folder.path().join("key.pem")).unwrap()),
        paths: reelhook::simulator::Paths::default(),
    };
    let scenarios = scenarios(names);
    let all_well = play(&graph, Play { scenarios: &scenarios, channels: BOTH, seed: 5 }, |_| {}).await.unwrap();
    assert!(all_well, "the answers come back as they were");
    recorder.stop().await.unwrap();
}

/// What reached the sink, in the order of the store.
async fn events(app: &TestApp) -> Vec<String> {
    while app.store.backlog().await.unwrap().values().any(|backlog| backlog.n_open > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut events: Vec<Arc<Event>> = app.first.delivered().into_iter().map(|delivery| delivery.event).collect();
    events.sort_by_key(|event| event.number);
    let told = |event: &Arc<Event>| {
        let carried = &event.envelope.carried;
        let context = event.client_context.as_ref().map_or("", |it| it.as_str());
        format!("{} {context} {:?} {:?} {:?}", event.kind, carried.call_id, carried.operation_id, event.order)
    };
    events.iter().map(told).collect()
}

/// Plays a record. Returns whether all was as recorded, how many were sent, and why others were not.
async fn replayed(app: &TestApp, text: &str) -> (bool, usize, Vec<String>) {
    let (mut n_sent, mut skipped) = (0, Vec::new());
    let record = Replay::read("record", text).unwrap();
    let played = record.play(&app.graph, Duration::ZERO, |played| match played {
        Played::Sent(_) | Played::Unjudged(_) => n_sent += 1,
        Played::Skipped(why) => skipped.push(why.clone()),
    });
    (played.await.unwrap(), n_sent, skipped)
}

#[tokio::test]
async fn a_record_that_is_played_gives_the_same_events() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.jsonl");
    let app = TestApp::start().await;
    let names = ["handshake", "plain", "several-calls", "meeting", "repeats", "changes", "lifecycle"];
    recorded(&app, &file, &names).await;
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in [CLIENT_STATE, TENANT, "Adele", "12345678", "recording-token-", "join-token-", "eyJ", "19:8d9d"] {
        assert!(!text.contains(secret), "{secret} is in the record:\n{text}");
    }
    assert!(text.contains("support-1001") && text.contains(r#""after_ms":"#));
    let first = events(&app).await;
    assert!(first.len() > 30, "{first:#?}");
    app.stop().await;

    let other = TestApp::start().await;
    let (all_well, n_sent, skipped) = replayed(&other, &text).await;
    assert_eq!((all_well, n_sent, skipped), (true, text.lines().count(), Vec::<String>::new()));
    assert_eq!(events(&other).await, first);
    other.stop().await;
}

#[tokio::test]
async fn encrypted_contents_are_neither_recorded_nor_played_and_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.jsonl");
    let app = TestApp::start().await;
    recorded(&app, &file, &["encrypted", "changes"]).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""data":"""#) && text.contains("<validation token 1.0 of "), "{text}");
    let (all_well, n_sent, skipped) = replayed(&app, &text).await;
    assert_eq!((all_well, n_sent, skipped.len()), (true, 2, 3));
    assert!(skipped[0].starts_with("request 1: it has encrypted content"), "{skipped:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_record_is_never_overwritten_and_a_wrong_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.jsonl");
    std::fs::write(&file, "mine").unwrap();
    let receiver = Client::new("http://127.0.0.1:1").unwrap();
    let error = Recorder::start("127.0.0.1:0".parse().unwrap(), receiver, &file).err().unwrap().to_string();
    assert!(error.contains("record.jsonl") && error.contains("exists"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let error = Replay::read("a.jsonl", "\n{\"after_ms\": 1}\n").unwrap_err().to_string();
    assert!(error.starts_with("a.jsonl:2: found missing field `method`"), "{error}");
    assert!(error.contains("(column 15), expected a request") && !error.contains("line 1"), "{error}");
    let error = Replay::read("a.jsonl", "{\"after_ms\": 1, \"meth").unwrap_err().to_string();
    assert!(error.starts_with("a.jsonl:1: found a line that is not whole"), "{error}");
    let error = Replay::read("a.jsonl", "\n").unwrap_err().to_string();
    assert!(error.starts_with("a.jsonl: found nothing to send"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_not_answered_2xx_may_be_answered_in_any_way_and_is_told_apart() {
    let app = TestApp::start().await;
    let line = |method: &str, answer: u16| {
        format!(
            r#"{{"after_ms":0,"method":"{method}","path":"/graph/calls","heads":[],"body":{{}},"answer":{answer}}}"#
        )
    };
    let record = Replay::read("record", &[line("POST", 0), line("GET", 401), line("POST", 202)].join("\n")).unwrap();
    assert!(!record.has_only_posts());
    let mut told = Vec::new();
    let played = record.play(&app.graph, Duration::ZERO, |played| match played {
        Played::Sent(step) => told.push(("sent", step.fault().is_some())),
        Played::Unjudged(step) => told.push(("unjudged", step.fault().is_some())),
        Played::Skipped(why) => panic!("{why}"),
    });
    assert!(!played.await.unwrap(), "the last one was answered 202, and is refused now");
    assert_eq!(told, [("unjudged", false), ("unjudged", false), ("sent", true)]);
    app.stop().await;
}
