//! The changes of each resource that the simulator knows, played against a server: which events they become.

use reelhook::simulator::payload::{Dialect, Resource};
use reelhook::simulator::scenario::{Channels, Play, Scenario, play};
use serde_json::Value;

use crate::test_app::TestApp;

/// Each resource; its event without encryption, and with it.
const EVENTS: [(&str, &str, Option<&str>); 12] = [
    ("chatMessage", "chatMessage.created", Some("chatMessage.created")),
    // The captures spell the type in lower case; so does the event.
    ("callRecord", "callrecord.created", None),
    ("presence", "presence.updated", Some("presence.updated")),
    // No resourceData: the path tells the type.
    ("driveItem", "driveItem.updated", None),
    ("onlineMeeting", "onlineMeeting.updated", Some("onlineMeeting.updated")),
    ("event", "event.updated", Some("event.updated")),
    ("message", "message.created", Some("message.created")),
    // The notification names the type of an item, and the path of the list.
    ("list", "listItem.updated", None),
    ("user", "user.updated", None),
    ("group", "group.updated", None),
    ("callRecording", "callRecording.created", Some("callRecording.created")),
    ("callTranscript", "callTranscript.created", Some("callTranscript.created")),
];

/// Plays a scenario on a server of its own. Returns the events, in their order: type, subject and data.
async fn played(name: &str) -> Vec<(String, String, Value)> {
    let app = TestApp::start().await;
    let scenarios = [Scenario::find(name).unwrap().unwrap()];
    let channels = Channels { calls: true, subscriptions: true };
    let mut n_posts = 0;
    let all_well = play(&app.graph, Play { scenarios: &scenarios, channels, seed: 1 }, |_| n_posts += 1);
    assert!(all_well.await.unwrap(), "{name}");
    let mut delivered = app.first.wait_for(n_posts).await;
    assert_eq!(app.quarantine().await, Vec::<&str>::new(), "{name}");
    delivered.sort_by_key(|it| it.event.number);
    let events = delivered.iter().map(|it| {
        let data: Value = serde_json::from_str(&it.event.data).unwrap_or_default();
        (it.event.kind.clone(), it.event.subject.clone().unwrap_or_default().to_string(), data)
    });
    let events = events.collect();
    app.stop().await;
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_becomes_its_event_basic_and_encrypted() {
    let events = played("resources").await;
    let kinds: Vec<&str> = events.iter().map(|(kind, _, _)| kind.as_str()).collect();
    let expected: Vec<&str> =
        EVENTS.iter().flat_map(|(_, basic, rich)| [Some(*basic), *rich].into_iter().flatten()).collect();
    assert_eq!(kinds, expected);
    for (kind, subject, data) in &events {
        assert!(!subject.is_empty(), "{kind}");
        assert!(data.is_null() == (kind == "driveItem.updated"), "{kind}: {data}");
    }
    let of = |kind: &str| -> Vec<&Value> { events.iter().filter(|it| it.0 == kind).map(|it| &it.2).collect() };
    // Encrypted content takes the place of resourceData.
    assert_eq!(of("presence.updated")[1]["availability"], "Busy");
    assert_eq!(of("message.created")[1]["from"]["emailAddress"]["name"], "Adele Vance");
    assert!(of("callRecording.created")[1]["recordingContentUrl"].is_string());
    assert!(of("callTranscript.created")[1]["transcriptContentUrl"].is_string());
    assert_eq!(of("onlineMeeting.updated")[0]["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_can_be_played_by_its_name() {
    let names: Vec<&str> = Resource::all().map(Resource::name).collect();
    assert_eq!(names, EVENTS.map(|(name, _, _)| name));
    for (name, basic, rich) in [EVENTS[3], EVENTS[10]] {
        let kinds: Vec<String> = played(name).await.into_iter().map(|(kind, _, _)| kind).collect();
        let expected: Vec<&str> = [Some(basic), rich].into_iter().flatten().collect();
        assert_eq!(kinds, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_without_a_signature_is_answered_202_and_believed_by_nobody() {
    let mut app = TestApp::start().await;
    let change =
        app.graph.change(&mut app.seed).dialect(Dialect::EncryptedContentCase).dialect(Dialect::NoDataSignature);
    let item = change.rich(app.graph.certificate.as_ref().unwrap()).unwrap();
    assert_eq!(app.post_changes(&[item], true).await.status, 202);
    app.until_metric("reelhook_ingest_rejected_total{path=\"notifications\",reason=\"enc_invalid\"}", 1.0).await;
    assert_eq!(app.quarantine().await, ["enc_invalid"]);
    assert!(app.first.delivered().is_empty());
    app.stop().await;
}
