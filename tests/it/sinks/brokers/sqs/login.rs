//! Who the sink is. moto verifies each signature with `botocore`, the signer of Amazon's own client.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::KIND;
use super::server::{Server, keys, queue_url};
use crate::sinks::answering::Answering;
use crate::sinks::brokers::object::elements;
use crate::sinks::samples::{build, delivery, retried};

const QUEUE: &str = "events.fifo";
/// The requests of [`with_a_user`], and one.
const N_UNSIGNED: usize = 5;

fn write(file: &Path, secret: &str) {
    fs::write(file, secret).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A server with a queue, and the key and the secret of a user who may do `actions`.
async fn with_a_user(actions: Value) -> (Server, String, String) {
    let server = Server::start(Some(N_UNSIGNED), None).await;
    server.make(QUEUE, json!({})).await;
    let (user, version) = (("UserName", "one"), ("Version", "2010-05-08"));
    server.ask_iam(&[("Action", "CreateUser"), user, version]).await;
    let key = server.ask_iam(&[("Action", "CreateAccessKey"), user, version]).await;
    let statement = json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }]);
    let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let put = [("Action", "PutUserPolicy"), user, version, ("PolicyName", "all"), ("PolicyDocument", &policy)];
    server.ask_iam(&put).await;
    server.want_signatures_after(0).await;
    let of = |name: &str| elements(&key, name).remove(0);
    (server, of("AccessKeyId"), of("SecretAccessKey"))
}

fn keys_with(server: &Server, key: &str, file: &Path) -> String {
    let url = queue_url(server.address(), QUEUE);
    let auth = format!("auth = {{ access_key_id = '{key}', secret_access_key = {{ file = {file:?} }} }}");
    format!("queue_url = '{url}'\nregion = 'eu-north-1'\n{auth}\n")
}

#[tokio::test]
async fn a_wrong_signature_is_refused_without_being_told_and_the_right_one_needs_no_restart() {
    let (server, key, secret) = with_a_user(json!("sqs:*")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    write(&file, "canary-wrong");
    let sink = build(KIND, &keys_with(&server, &key, &file)).unwrap();
    for reason in [retried(sink.deliver(&delivery(1)).await), retried(sink.probe().await.map(drop))] {
        let (reason, pauses, _) = reason;
        assert!(pauses && reason == "the service refused the login: SignatureDoesNotMatch", "{reason}");
    }
    write(&file, &secret);
    sink.deliver(&delivery(1)).await.unwrap();
    sink.probe().await.unwrap();
    let unknown = build(KIND, &keys_with(&server, "AKIAOTHER", &file)).unwrap();
    let (reason, ..) = retried(unknown.deliver(&delivery(2)).await);
    assert_eq!(reason, "the service refused the login: InvalidClientTokenId");
    server.want_signatures_after(usize::MAX).await;
    assert_eq!(server.arrived(QUEUE).await.len(), 1);
}

#[tokio::test]
async fn a_login_that_may_only_send_sends_and_a_probe_says_what_it_did_not_see() {
    let (server, key, secret) = with_a_user(json!("sqs:SendMessageBatch")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    write(&file, &secret);
    let sink = build(KIND, &keys_with(&server, &key, &file)).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    let remarks = sink.probe().await.unwrap();
    assert!(remarks.len() == 1 && remarks[0].contains("sqs:GetQueueAttributes"), "{remarks:?}");
}

#[tokio::test]
async fn a_session_s_token_is_sent_and_signed() {
    let body = r#"{"Successful":[{"Id":"0"}]}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let service = Answering::with(&answer);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write(&file, "of-the-session");
    let keys = keys("sqs.example.com", QUEUE)
        + &format!("endpoint = 'http://{}'\nsession_token = {{ file = {file:?} }}\n", service.address);
    build(KIND, &keys).unwrap().deliver(&delivery(1)).await.unwrap();
    let [request] = &service.requests()[..] else { panic!("one request") };
    assert!(request.head.starts_with("POST / HTTP/1.1"), "{request:?}");
    assert_eq!(request.header("x-amz-security-token"), Some("of-the-session"));
    assert_eq!(request.header("x-amz-target"), Some("AmazonSQS.SendMessageBatch"));
    assert_eq!(request.header("content-type"), Some("application/x-amz-json-1.0"));
    let signed = request.header("authorization").unwrap();
    let headers = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    assert!(signed.contains("Credential=reelhook/") && signed.contains("/eu-north-1/sqs/aws4_request"), "{signed}");
    assert!(signed.contains(headers), "{signed}");
    // The queue is named as it is configured, wherever the request is sent.
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["QueueUrl"], queue_url("sqs.example.com", QUEUE));
}
