//! S3: `weed` of SeaweedFS, which verifies signatures.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reelhook::sinks::DeliveryError;
use serde_json::json;
use tempfile::TempDir;

use super::batched::Service;
use super::{KIND, arrived, client, elements, in_address};
use crate::sinks::answering::Answering;
use crate::sinks::brokers::process::{Process, below_the_chosen};
use crate::sinks::brokers::{Arrived, Broker, LOGIN, suite};
use crate::sinks::samples::{build, delivery, retried, with_client_context};

/// Where its parts listen, beside S3 itself.
const PORTS: [&str; 7] = [
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port.grpc",
];

pub struct S3 {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
    ports: Vec<String>,
}

impl S3 {
    fn command(folder: &TempDir, ports: &[String]) -> Command {
        let mut command = Command::new("weed");
        command.current_dir(folder.path()).args([
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-dir=.",
            "-filer",
            "-s3",
        ]);
        command.args([
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=0",
            "-volume.preStopSeconds=0",
        ]);
        command.args(["-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"]).args(ports);
        // Else they listen at ports that all servers would share.
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json", "-s3.autoCreateBucket=false"]);
        command
    }

    /// Waits until it stores objects: it listens before that.
    async fn ready(&self) {
        let began = Instant::now();
        loop {
            let answer = client().get(format!("http://{}/", self.address)).send().await;
            if answer.as_ref().is_ok_and(|it| it.status().as_u16() < 500) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it does not answer: {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn get(&self, path: &str) -> String {
        let answer = client().get(format!("http://{}/{path}", self.address)).send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// The names of the objects in a bucket.
    async fn names(&self, bucket: &str) -> Vec<String> {
        let list = self.get(&format!("{bucket}?list-type=2")).await;
        elements(&list, "Key")
    }
}

impl Drop for S3 {
    /// Some of its sockets have a fixed place, and stay when it is killed.
    fn drop(&mut self) {
        for flag in &self.ports {
            let (name, port) = flag.trim_start_matches('-').split_once('=').unwrap();
            if let Some(part) = name.strip_suffix(".port.grpc") {
                drop(fs::remove_file(format!("/tmp/seaweedfs-{part}-grpc-{port}.sock")));
            }
        }
    }
}

#[async_trait]
impl Broker for S3 {
    const KIND: &'static str = KIND;
    const TOO_LARGE: (usize, &'static str) = (0, "");
    const MAKES_PLACES: bool = false;

    async fn start(login: Option<(&str, &str)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let anonymous = json!({ "name": "anonymous", "actions": ["Admin", "Read", "List", "Write"] });
        let identity = match login {
            Some((key, secret)) => json!({
                "name": "one", "actions": ["Admin", "Read", "List", "Write"],
                "credentials": [{ "accessKey": key, "secretKey": secret }],
            }),
            None => anonymous,
        };
        fs::write(folder.path().join("s3.json"), json!({ "identities": [identity] }).to_string()).unwrap();
        let address = below_the_chosen();
        let mut ports = vec![format!("-s3.port={}", address.port())];
        for name in PORTS {
            ports.push(format!("-{name}={}", below_the_chosen().port()));
        }
        let process = Process::start(&mut Self::command(&folder, &ports), address).await;
        let server = Self { process, address, folder, ports };
        server.ready().await;
        server
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make(&self, place: &str) {
        let began = Instant::now();
        // The first volumes may not be there yet.
        loop {
            // It may close a connection while it starts.
            let put = |path: String| client().put(format!("http://{}/{path}", self.address)).body("x").send();
            let made = put(place.to_owned()).await;
            let first = put(format!("{place}/first")).await;
            if first.as_ref().is_ok_and(|it| it.status().is_success()) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{made:?} {first:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        client().delete(format!("http://{}/{place}/first", self.address)).send().await.unwrap();
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 's3://{place}/kept'\nendpoint = 'http://{address}'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        Self::keys(address, place) + "path = 'of/{client_context}/{delivery_id}.json'\n"
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        self.texts(place).await.into_iter().map(arrived).collect()
    }

    async fn stop(&mut self) {
        self.process.stop().await;
    }

    async fn restart(&mut self) {
        self.process = Process::start(&mut Self::command(&self.folder, &self.ports), self.address).await;
        self.ready().await;
    }
}

#[async_trait]
impl Service for S3 {
    async fn texts(&self, place: &str) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for name in self.names(place).await {
            let text = self.get(&format!("{place}/{}", in_address(&name))).await;
            texts.push((name, text));
        }
        texts
    }
}

// An object store has no order, and no limit that an event could reach.
suite::of_any_kind!(S3);

#[tokio::test]
async fn a_wrong_key_is_refused_without_being_told_and_the_right_one_needs_no_restart() {
    let server = S3::start(Some(LOGIN)).await;
    let (folder, file) = (tempfile::tempdir().unwrap(), "secret");
    let file = folder.path().join(file);
    let write = |secret: &str| {
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("canary-wrong");
    let auth = format!("auth = {{ access_key_id = '{}', secret_access_key = {{ file = {file:?} }} }}\n", LOGIN.0);
    let sink = build(KIND, &(auth + &S3::keys(server.address, "login"))).unwrap();
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(pauses && reason.contains("SignatureDoesNotMatch") && !reason.contains("canary"), "{reason}");
    assert!(retried(sink.probe().await).0.contains("SignatureDoesNotMatch"));
    write(LOGIN.1);
    // Signed rightly, it is told that the bucket is not there.
    let (reason, ..) = retried(sink.deliver(&delivery(1)).await);
    assert!(reason.contains("NoSuchBucket"), "{reason}");
}

#[tokio::test]
async fn a_session_s_token_and_the_media_type_are_sent_and_an_object_is_only_created() {
    let service = Answering::with("HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        format!("{{ file = {file:?} }}")
    };
    let keys = S3::keys(service.address, "events")
        + &format!(
            "region = 'eu-north-1'\nauth = {{ access_key_id = 'one', secret_access_key = {} }}\n",
            secret("key", "x")
        )
        + &format!("session_token = {}", secret("token", "of-the-session"));
    build(KIND, &keys).unwrap().deliver(&delivery(1)).await.unwrap();
    let [request] = &service.requests()[..] else { panic!("one request") };
    assert!(request.head.starts_with(&format!("PUT /events/kept/2026-11-24/{}.json ", delivery(1).id)), "{request:?}");
    assert_eq!(request.header("x-amz-security-token"), Some("of-the-session"));
    assert_eq!(request.header("if-none-match"), Some("*"));
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
    let signed = request.header("authorization").unwrap();
    assert!(signed.contains("Credential=one/") && signed.contains("/eu-north-1/s3/aws4_request"), "{signed}");
    assert!(signed.contains("x-amz-security-token"), "the token is signed too: {signed}");
}

#[tokio::test]
async fn a_service_that_ignores_conditions_is_told_by_a_probe_and_what_it_made_is_removed_or_named() {
    let service = Answering::with("HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let remarks = build(KIND, &S3::keys(service.address, "events")).unwrap().probe().await;
    let requests = service.requests();
    assert!(
        requests[0].head.starts_with("PUT ") && requests[1].head.starts_with("POST /events?delete"),
        "{requests:?}"
    );
    assert!(String::from_utf8_lossy(&requests[1].body).contains("<Key>kept/.reelhook-probe</Key>"));
    // This answer does not say that it is gone.
    let remarks = remarks.unwrap();
    assert!(
        remarks[0].contains("does not heed conditions") && remarks[0].contains("could not remove it"),
        "{remarks:?}"
    );
}

#[tokio::test]
async fn an_object_is_never_overwritten_and_the_other_delivery_is_refused() {
    let server = S3::start(None).await;
    server.make("events").await;
    let keys = S3::keys(server.address, "events") + "path = '{client_context}.json'";
    let sink = build(KIND, &keys).unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    let result = sink.deliver(&with_client_context(2, "same")).await;
    assert!(
        matches!(&result, Err(DeliveryError::Reject { reason }) if reason.contains("found another object") && reason.ends_with("kept/same.json")),
        "{result:?}"
    );
    assert_eq!(server.names("events").await, ["kept/same.json"]);
    assert_eq!(server.arrived("events").await[0].event["id"], with_client_context(1, "same").event.id.to_string());
}
