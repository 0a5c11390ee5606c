//! Every notification of the corpus that `GRAPH_CORPUS` points to, judged as Microsoft's documentation says. A file
//! that this table does not know fails the test: whoever adds one says what is expected of it.

#[allow(dead_code, reason = "shared with the receiver's own tests, which use all of it")]
#[path = "../../src/graph/testing/identity.rs"]
mod identity;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use jiff::Timestamp;
use proptest::prelude::*;
use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::{Channel, Content, Notification, Raw, Reason};
use reelhook::graph::keys::Keys;
use reelhook::graph::{Calls, Limits, Reading, Refusal, Subscriptions};
use reelhook::telemetry::Metrics;
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::identity::{Identity, Provider};

const APP: &str = "0efc74f7-41c3-47a4-8775-7259bfef4241";
const TENANT: &str = "1fdd12d0-4620-44ed-baec-459b611f84b2";
/// The `clientState`s of the samples.
const STATES: &[&str] = &[
    "secretClientValue",
    "<secretClientState>",
    "{secret client state}",
    "client state provided when creating subscription",
];

/// What is expected of a file.
#[derive(Debug)]
enum Expected {
    /// A record operation with this status.
    Recording(&'static str),
    /// Another resource of this type with this change type.
    Resource(&'static str, &'static str),
    /// This lifecycle event.
    Lifecycle(&'static str),
    /// The items are quarantined.
    Quarantined(Reason),
    /// A POST without items.
    Empty,
    /// The POST is refused.
    Refused(Reason),
    /// No notification: a request or an answer of the API, claims, metadata.
    NoNotification,
}

/// By folder and the start of the file's name; the first that fits.
const EXPECTED: &[(&str, &str, Expected)] = &[
    // The documentation's own mistakes: trailing commas, comments, an array of pairs.
    ("comms", "call-redirect-01", Expected::Refused(Reason::JsonInvalid)),
    ("comms", "call-redirect-02", Expected::Refused(Reason::JsonInvalid)),
    ("comms", "call-unmute-01", Expected::Refused(Reason::JsonInvalid)),
    ("comms", "calling-notifications-callback", Expected::Refused(Reason::JsonInvalid)),
    ("comms", "call-record-01", Expected::Recording("completed")),
    ("comms", "call-playprompt-01", Expected::Resource("playPromptOperation", "deleted")),
    ("comms", "call-redirect-04", Expected::Resource("call", "deleted")),
    ("comms", "call-redirect-03", Expected::Resource("call", "created")),
    ("comms", "call-answer-", Expected::Resource("call", "created")),
    ("comms", "call-reject-01", Expected::Resource("call", "created")),
    ("comms", "call-transfer-01", Expected::Resource("call", "updated")),
    ("comms", "application-post-calls-", Expected::Resource("call", "updated")),
    ("comms", "participant-invite-01", Expected::Resource("inviteParticipantsOperation", "deleted")),
    ("comms", "participant-invite-03", Expected::Resource("inviteParticipantsOperation", "deleted")),
    ("comms", "participant-invite-05", Expected::Resource("inviteParticipantsOperation", "deleted")),
    ("comms", "participant-invite-", Expected::Resource("participant", "updated")),
    ("record", "v1.0-notification-playPrompt", Expected::Resource("playPromptOperation", "deleted")),
    ("record", "beta-notification-playPrompt", Expected::Resource("playPromptOperation", "deleted")),
    ("record", "v1.0-notification-completed", Expected::Recording("completed")),
    ("record", "beta-notification-completed", Expected::Recording("completed")),
    ("record", "v1.0-notification-failed", Expected::Recording("failed")),
    ("record", "beta-notification-failed", Expected::Recording("failed")),
    ("record", "", Expected::NoNotification),
    ("change-notifications", "webhooks-01", Expected::Resource("message", "created")),
    ("change-notifications", "webhooks-lifecycle-01", Expected::Lifecycle("subscriptionRemoved")),
    ("change-notifications", "webhooks-lifecycle-02", Expected::Lifecycle("missed")),
    ("change-notifications", "webhooks-lifecycle-03", Expected::Lifecycle("reauthorizationRequired")),
    ("change-notifications", "changenotificationcollection-01", Expected::Empty),
    // A single item and a single item's content, without the collection around them.
    ("change-notifications", "changenotification-01", Expected::Refused(Reason::Shape)),
    ("change-notifications", "changenotificationencryptedcontent-01", Expected::Refused(Reason::Shape)),
    // Event Hubs' own validation message: no subscription of ours.
    ("change-notifications", "change-notifications-delivery-01", Expected::Quarantined(Reason::ClientState)),
    ("change-notifications", "validation-message-eventhub", Expected::Quarantined(Reason::ClientState)),
    // Comments and ellipses: no JSON.
    ("change-notifications", "webhooks-with-resource-data-", Expected::Refused(Reason::JsonInvalid)),
    ("subscriptions", "", Expected::NoNotification),
    ("tokens", "", Expected::NoNotification),
    ("errors", "", Expected::NoNotification),
    ("metadata", "", Expected::NoNotification),
];

/// Both channels, with a provider of their own.
struct Receiver {
    calls: Calls,
    subscriptions: Subscriptions,
    bearer: String,
    _stop: tokio_util::sync::DropGuard,
}

impl Receiver {
    fn start() -> Self {
        let identity = Identity::shared("key-1");
        let provider = Provider::start(&[identity.jwk(json!({}))]);
        let (clock, metrics) =
            (Clock::manual(Timestamp::from_second(1_466_741_440).unwrap()), Arc::new(Metrics::new()));
        let keys = Keys::new(Channel::Calls, provider.url.clone(), Arc::clone(&metrics), clock.clone()).unwrap();
        let stop = CancellationToken::new();
        actix_web::rt::spawn(Arc::clone(&keys).keep_fresh(stop.clone()));
        let limits = Limits { max_items: 1000 };
        let claims = json!({
            "aud": APP, "iss": "https://api.botframework.com", "iat": 1_466_741_440, "nbf": 1_466_741_440,
            "exp": 1_466_745_340, "tid": TENANT,
        });
        let subscriptions = Subscriptions::new(&subscriptions(&provider), Arc::clone(&keys), limits, clock.clone());
        Self {
            calls: Calls::new(&calls(&provider), keys, limits, clock),
            subscriptions: subscriptions.unwrap(),
            bearer: format!("Bearer {}", identity.token(&claims)),
            _stop: stop.drop_guard(),
        }
    }

    async fn read(&self, folder: &str, body: Bytes) -> Result<Reading, Refusal> {
        if folder == "change-notifications" {
            self.subscriptions.read(body, Channel::Subscriptions).await
        } else {
            let sender = self.calls.prove(&[self.bearer.as_bytes()]).await?;
            self.calls.read(&sender, body).await
        }
    }
}

fn calls(provider: &Provider) -> config::Calls {
    config::Calls {
        path: "/graph/calls".into(),
        subpaths: false,
        app_ids: vec![APP.into()],
        tenants: vec![TENANT.into()],
        issuers: vec!["https://api.botframework.com".into()],
        openid_configuration: provider.url.clone(),
    }
}

fn subscriptions(provider: &Provider) -> config::Subscriptions {
    config::Subscriptions {
        path: "/graph/notifications".into(),
        lifecycle_path: "/graph/lifecycle".into(),
        app_ids: vec![APP.into()],
        tenants: vec![],
        openid_configuration: provider.url.clone(),
        issuers: vec!["https://sts.windows.net/{tenantid}/".into()],
        publisher: "0bf30f3b-4a52-48df-9a82-234910c4a086".into(),
        client_states: STATES.iter().map(|state| SecretString::from(*state)).collect(),
        certificates: vec![],
        encrypted: vec![],
        max_pending_decryptions: 1,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The body of a file: what follows the headers, where it is a captured request.
fn body(path: &Path) -> Bytes {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|it| it == "http") {
        let at = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        return Bytes::from(bytes[at + 2..].to_vec());
    }
    Bytes::from(bytes)
}

fn check(expected: &Expected, judged: Result<Reading, Refusal>, sent: &Bytes) {
    match (expected, judged) {
        (Expected::Refused(reason), Err(refusal)) => assert_eq!(refusal, Refusal::Malformed(*reason)),
        (Expected::Empty, Ok(reading)) => assert!(reading.verified.is_empty() && reading.quarantined.is_empty()),
        (Expected::Quarantined(reason), Ok(reading)) => {
            assert!(reading.verified.is_empty());
            assert!(!reading.quarantined.is_empty() && reading.quarantined.iter().all(|item| item.reason == *reason));
        }
        (expected, Ok(reading)) => {
            assert!(reading.quarantined.is_empty(), "{:?}", reading.quarantined);
            let [verified] = reading.verified.as_slice() else { panic!("{} items", reading.verified.len()) };
            check_content(expected, verified.notification());
            let raw = &verified.notification().raw.0;
            assert!(sent.windows(raw.len()).any(|part| part == raw), "the item is not kept byte for byte");
        }
        (expected, Err(refusal)) => panic!("expected {expected:?}, was refused: {refusal:?}"),
    }
}

fn check_content(expected: &Expected, notification: &Notification) {
    let (kind, change) = (notification.resource_type.as_str(), notification.change_type.as_str());
    match (expected, &notification.content) {
        (Expected::Recording(status), Content::Operation(operation)) => {
            assert_eq!(operation.status.as_str(), *status);
            assert_eq!(operation.id.as_str(), "0fe0623f-d628-42ed-b4bd-8ac290072cc5");
            assert_eq!(operation.call_id.as_ref().unwrap().as_str(), "57dab8b1-894c-409a-b240-bd8beae78896");
            assert_eq!(notification.client_context.as_ref().unwrap().as_str(), "d45324c1-fcb5-430a-902c-f20af696537c");
            assert_eq!(operation.recording_location.is_some(), *status == "completed");
            assert_eq!(operation.recording_access_token.is_some(), *status == "completed");
            assert_eq!((kind, change), ("recordOperation", "deleted"));
        }
        (Expected::Resource(expected_kind, expected_change), Content::Resource(_)) => {
            assert_eq!((kind, change), (*expected_kind, *expected_change));
        }
        (Expected::Lifecycle(event), Content::Lifecycle(text)) => {
            assert_eq!((kind, change), ("subscription", *event));
            assert!(!text.contains("clientState"), "{text}");
        }
        (expected, content) => panic!("expected {expected:?}, found {content:?}"),
    }
}

fn corpus() -> Option<PathBuf> {
    std::env::var_os("GRAPH_CORPUS").map(PathBuf::from)
}

#[actix_web::test]
async fn every_notification_of_the_corpus_is_judged_as_documented() {
    let Some(corpus) = corpus() else { return };
    let receiver = Receiver::start();
    let mut n_judged = 0;
    for path in files(&corpus).into_iter().filter(|path| !path.ends_with("SOURCES.md")) {
        let inside = path.strip_prefix(&corpus).unwrap();
        let folder = inside.iter().next().unwrap().to_str().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let known = EXPECTED.iter().find(|(in_folder, start, _)| *in_folder == folder && name.starts_with(start));
        let Some((.., expected)) = known else { panic!("{}: say here what is expected of it", path.display()) };
        if matches!(expected, Expected::NoNotification) {
            continue;
        }
        println!("{}: {expected:?}", inside.display());
        let sent = body(&path);
        check(expected, receiver.read(folder, sent.clone()).await, &sent);
        n_judged += 1;
    }
    assert!(n_judged >= 30, "only {n_judged} notifications under {}", corpus.display());
}

#[actix_web::test]
async fn no_mutation_of_the_corpus_makes_it_panic() {
    let Some(corpus) = corpus() else { return };
    let receiver = Receiver::start();
    let bodies: Vec<Bytes> = files(&corpus)
        .iter()
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| body(path))
        .collect();
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 1..6);
    proptest!(|(which in any::<prop::sample::Index>(), changes in changes)| {
        let mut mutated = bodies[which.index(bodies.len())].to_vec();
        for (at, byte) in changes {
            let at = at.index(mutated.len());
            mutated[at] = byte;
        }
        let mutated = Bytes::from(mutated);
        let _ = receiver.calls.judge_again(Raw(mutated.clone()), None, true);
        let read = receiver.subscriptions.read(mutated, Channel::Subscriptions);
        prop_assert!(read.now_or_never().is_some(), "nothing here waits");
    });
}
