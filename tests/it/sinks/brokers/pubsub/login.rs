//! Who the sink is, and what it makes of refusals: against a server that answers what a test wants.

use std::io::Write;
use std::sync::{Arc, Mutex};

use reelhook::sinks::DeliveryError;
use serde_json::{Value, json};

use super::KIND;
use crate::sinks::answering::{Answering, Request};
use crate::sinks::brokers::service_account::{account, scope_of, write};
use crate::sinks::samples::{build, delivery, mistakes, retried};

/// A service that knows which token it takes, and gives one for an assertion or to a machine.
struct Google {
    service: Arc<Answering>,
    /// The token that it gives and takes, and how long it says that it lasts.
    token: Arc<Mutex<(String, i64)>>,
}

fn answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

impl Google {
    fn start() -> Self {
        let (service, token) = (Arc::new(Answering::with("")), Arc::new(Mutex::new(("one".to_owned(), 3600))));
        let (asked, current) = (Arc::clone(&service), Arc::clone(&token));
        service.behave(move |stream| {
            let request = asked.requests().pop().unwrap();
            let (token, expires_in) = current.lock().unwrap().clone();
            let is_known = request.header("authorization") == Some(&format!("Bearer {token}"));
            let answered = if request.head.starts_with("POST /token")
                || request.head.starts_with("GET /computeMetadata/")
            {
                answer("200 OK", &json!({ "access_token": token, "expires_in": expires_in, "token_type": "Bearer" }))
            } else if is_known {
                answer("200 OK", &json!({ "messageIds": ["1"] }))
            } else {
                answer("401 No", &json!({ "error": { "message": "canary", "status": "UNAUTHENTICATED" } }))
            };
            let _ = stream.write_all(answered.as_bytes());
        });
        Self { service, token }
    }

    fn keys(&self, auth: &str) -> String {
        format!("project = 'reelhook'\ntopic = 'events'\nendpoint = 'http://{}'\n{auth}\n", self.service.address)
    }

    /// The requests to a path.
    fn requests(&self, path: &str) -> Vec<Request> {
        let all = self.service.requests().into_iter();
        all.filter(|it| it.head.split(' ').nth(1).unwrap().starts_with(path)).collect()
    }
}

#[tokio::test]
async fn a_service_account_signs_an_assertion_and_its_token_is_used_until_it_expires() {
    let google = Google::start();
    let uri = format!("http://{}/token", google.service.address);
    let (_folder, file, public) = account(&uri);
    let sink = build(KIND, &google.keys(&format!("auth = {{ service_account = {{ file = {file:?} }} }}"))).unwrap();
    for n in 0..3 {
        sink.deliver(&delivery(n)).await.unwrap();
    }
    let [asked] = &google.requests("/token")[..] else { panic!("one token for three requests") };
    assert_eq!(scope_of(asked, &public, &uri), "https://www.googleapis.com/auth/pubsub");
    let published = google.requests("/v1/projects/reelhook/topics/events:publish");
    assert!(published.len() == 3 && published.iter().all(|it| it.header("authorization") == Some("Bearer one")));
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_not_used_and_one_that_was_revoked_costs_one_attempt() {
    let google = Google::start();
    let (_folder, file, _public) = account(&format!("http://{}/token", google.service.address));
    let sink = build(KIND, &google.keys(&format!("auth = {{ service_account = {{ file = {file:?} }} }}"))).unwrap();
    google.token.lock().unwrap().1 = 59;
    sink.deliver(&delivery(1)).await.unwrap();
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!(google.requests("/token").len(), 2);
    *google.token.lock().unwrap() = ("two".to_owned(), 3600);
    sink.deliver(&delivery(3)).await.unwrap();
    // The service takes another one now.
    "three".clone_into(&mut google.token.lock().unwrap().0);
    let (reason, pauses, _) = retried(sink.deliver(&delivery(4)).await);
    assert!(pauses && reason == "the service refused the login: the token is not valid", "{reason}");
    sink.deliver(&delivery(4)).await.unwrap();
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_and_a_machine_gives_its_own() {
    let google = Google::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write(&file, "canary-wrong");
    let sink = build(KIND, &google.keys(&format!("auth = {{ token = {{ file = {file:?} }} }}"))).unwrap();
    for result in [sink.deliver(&delivery(1)).await, sink.probe().await.map(drop)] {
        let (reason, pauses, _) = retried(result);
        assert!(pauses && !reason.contains("canary"), "{reason}");
    }
    write(&file, "one");
    sink.deliver(&delivery(1)).await.unwrap();
    let machine = format!("metadata_server = 'http://{}'", google.service.address);
    build(KIND, &google.keys(&machine)).unwrap().deliver(&delivery(2)).await.unwrap();
    let [asked] = &google.requests("/computeMetadata/v1/instance/service-accounts/default/token")[..] else { panic!() };
    assert_eq!(asked.header("metadata-flavor"), Some("Google"));
}

#[tokio::test]
async fn a_refused_assertion_is_told_without_it_and_a_token_is_asked_for_over_tls_only() {
    let google = Google::start();
    let (_folder, file, _public) = account(&format!("http://{}/token", google.service.address));
    let auth = format!("auth = {{ service_account = {{ file = {file:?} }} }}");
    let plain = format!("project = 'reelhook'\ntopic = 'events'\nendpoint = 'https://127.0.0.1:1'\n{auth}\n");
    let (reason, pauses, _) = retried(build(KIND, &plain).unwrap().deliver(&delivery(1)).await);
    assert!(pauses && reason.contains("found no token_uri of \"https\""), "{reason}");
    assert!(google.service.requests().is_empty());
    let sink = build(KIND, &google.keys(&auth)).unwrap();
    for (answered, words) in [
        (
            answer("400 No", &json!({ "error": "invalid_grant", "error_description": "Invalid JWT" })),
            "invalid_grant: Invalid JWT",
        ),
        (answer("200 OK", &json!({ "access_token": 7 })), "not one of a token endpoint"),
    ] {
        google.service.answer(&answered);
        let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
        assert!(pauses && reason.contains(words) && !reason.contains("eyJ"), "{reason}");
    }
}

#[tokio::test]
async fn a_refusal_pauses_the_sink_or_costs_one_delivery() {
    let service = Answering::with("");
    let keys = format!("project = 'reelhook'\ntopic = 'events'\nendpoint = 'http://{}'\n", service.address);
    let sink = build(KIND, &keys).unwrap();
    let error = |status: &str| json!({ "error": { "code": 1, "message": "why", "status": status } });
    for (answered, all, words) in [
        (answer("403 No", &error("PERMISSION_DENIED")), true, "the login may not do this: PERMISSION_DENIED: why"),
        (answer("404 No", &error("NOT_FOUND")), true, "the topic is not there: NOT_FOUND: why"),
        (answer("429 No", &error("RESOURCE_EXHAUSTED")), true, "the service answered 429: RESOURCE_EXHAUSTED: why"),
        (answer("400 No", &error("INVALID_ARGUMENT")), false, "the service answered 400: INVALID_ARGUMENT: why"),
        (answer("200 OK", &json!({})), false, "the service did not tell whether it has the message"),
    ] {
        service.answer(&answered);
        let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
        assert_eq!((pauses, reason.as_str()), (all, words));
    }
    // Of a login that may only publish, a probe says what it did not see.
    service.answer(&answer("403 No", &error("PERMISSION_DENIED")));
    assert!(sink.probe().await.unwrap()[0].contains("pubsub.topics.get"));
}

#[tokio::test]
async fn a_request_that_is_refused_for_one_message_is_made_again_for_each() {
    let service = Arc::new(Answering::with(""));
    let asked = Arc::clone(&service);
    service.behave(move |stream| {
        let body = asked.requests().pop().unwrap().body;
        let is_refused = String::from_utf8(body).unwrap().contains("\"call-1\"");
        let answered =
            if is_refused { answer("400 No", &json!({})) } else { answer("200 OK", &json!({ "messageIds": ["1"] })) };
        let _ = stream.write_all(answered.as_bytes());
    });
    let keys = format!("project = 'reelhook'\ntopic = 'events'\nendpoint = 'http://{}'\n", service.address);
    let deliveries = [0, 1, 2].map(delivery);
    let results = build(KIND, &keys).unwrap().deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    assert!(matches!(&results[..], [Ok(()), Err(_), Ok(())]), "{results:?}");
    let (reason, pauses, _) = retried(results[1].clone());
    assert!(!pauses && reason.starts_with("the service answered 400"), "{reason}");
    assert_eq!(service.requests().len(), 4);
}

#[tokio::test]
async fn an_attribute_that_is_too_long_for_binary_mode_is_refused_by_its_name() {
    let keys = "project = 'reelhook'\ntopic = 'events'\nendpoint = 'http://127.0.0.1:1'\nformat = 'cloudevents-binary'";
    let mut long = delivery(1);
    Arc::make_mut(&mut long.event).subject = Some("x".repeat(1025));
    let result = build(KIND, keys).unwrap().deliver(&long).await;
    let Err(DeliveryError::Reject { reason }) = result else { panic!("{result:?}") };
    assert!(reason.starts_with("the attribute ce-subject has 1025 bytes, and Pub/Sub takes 1024"), "{reason}");
}

#[test]
fn a_key_that_is_none_is_a_mistake_that_does_not_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    write(&file, &json!({ "client_email": "a", "private_key": "canary", "token_uri": "https://a" }).to_string());
    let base = "project = 'reelhook'\ntopic = 'events'\n";
    let account = format!("auth = {{ service_account = {{ file = {file:?} }} }}\n");
    for (keys, told) in [
        (base.to_owned() + &account, "sinks.crm.auth.service_account: found no RSA key"),
        (
            base.to_owned() + &account + "metadata_server = 'http://a'",
            "sinks.crm.metadata_server: found it beside auth",
        ),
        (base.to_owned() + "ordering = false\nordering_key = 'a'", "sinks.crm.ordering_key: found it beside ordering"),
        (base.to_owned() + "endpoint = 'http://a'\ntls = {}", "sinks.crm.tls: found it beside an endpoint of \"http\""),
        ("project = 'a/b'\ntopic = 'events'".to_owned(), "sinks.crm.project: found \"a/b\""),
        ("project = 'reelhook'\ntopic = 'projects/a/topics/b'".to_owned(), "sinks.crm.topic: found \"projects/"),
        ("project = 'reelhook'\ntopic = 'a'".to_owned(), "sinks.crm.topic: found \"a\""),
    ] {
        let found = mistakes(KIND, &keys);
        assert!(found.contains(told) && !found.contains("canary"), "{keys}: {found}");
    }
}
