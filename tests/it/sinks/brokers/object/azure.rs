//! Azure Blob Storage: Azurite, Microsoft's emulator, which verifies signatures.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reelhook::sinks::DeliveryError;
use sha2::Sha256;
use tempfile::TempDir;

use super::batched::Service;
use super::{KIND, arrived, client, elements, in_address};
use crate::sinks::brokers::process::{Process, free_address};
use crate::sinks::brokers::{Arrived, Broker, secret, suite};
use crate::sinks::samples::{build, delivery, retried, with_client_context};

const ACCOUNT: &str = "reelhook";
const KEY: &[u8] = b"canary-key-of-the-account-0001";

pub struct Azure {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

/// A shared access signature of the account with these rights.
fn sas(rights: &str) -> String {
    let (version, until) = ("2018-11-09", "2099-01-01T00:00:00Z");
    let text = format!("{ACCOUNT}\n{rights}\nb\nsco\n\n{until}\n\n\n{version}\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(text.as_bytes());
    let signature = in_address(&STANDARD.encode(mac.finalize().into_bytes())).replace('/', "%2F");
    format!("sv={version}&ss=b&srt=sco&sp={rights}&se={until}&sig={signature}")
}

fn keys_with(auth: &str, address: SocketAddr, place: &str) -> String {
    format!(
        "url = 'az://{place}/kept'\naccount = '{ACCOUNT}'\nendpoint = 'http://{address}/{ACCOUNT}'\nauth = {auth}\n"
    )
}

impl Azure {
    fn command(folder: &TempDir, address: SocketAddr) -> Command {
        let mut command = Command::new("azurite-blob");
        command.args(["--silent", "--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort"]);
        command.arg(address.port().to_string()).arg("--location").arg(folder.path());
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", STANDARD.encode(KEY)));
        command
    }

    fn of(&self, place: &str, query: &str) -> String {
        format!("http://{}/{ACCOUNT}/{place}?{}{query}", self.address, sas("rwdlac"))
    }

    async fn get(&self, place: &str, query: &str) -> String {
        let answer = client().get(self.of(place, query)).send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// The names of the blobs in a container.
    async fn names(&self, place: &str) -> Vec<String> {
        elements(&self.get(place, "&restype=container&comp=list").await, "Name")
    }
}

#[async_trait]
impl Broker for Azure {
    const KIND: &'static str = KIND;
    const TOO_LARGE: (usize, &'static str) = (0, "");
    const MAKES_PLACES: bool = false;

    async fn start(_login: Option<(&str, &str)>) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let process = Process::start(&mut Self::command(&folder, address), address).await;
        Self { process, address, folder }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make(&self, place: &str) {
        let made = client().put(self.of(place, "&restype=container")).send().await.unwrap();
        assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        let key = secret("azurite-key", &STANDARD.encode(KEY));
        keys_with(&format!("{{ account_key = {{ file = {key:?} }} }}"), address, place)
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
        self.process = Process::start(&mut Self::command(&self.folder, self.address), self.address).await;
    }
}

#[async_trait]
impl Service for Azure {
    async fn texts(&self, place: &str) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for name in self.names(place).await {
            let text = self.get(&format!("{place}/{}", in_address(&name)), "").await;
            texts.push((name, text));
        }
        texts
    }
}

// A container has no order, and no limit that an event could reach.
suite::of_any_kind!(Azure);

#[tokio::test]
async fn a_wrong_signature_is_refused_without_being_told_and_the_right_one_needs_no_restart() {
    let server = Azure::start(None).await;
    server.make("login").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let write = |secret: &str| {
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let wrong = STANDARD.encode("canary-wrong");
    for (key, wrong, right) in [
        ("account_key", wrong.clone(), STANDARD.encode(KEY)),
        ("sas", format!("{}A{wrong}", sas("rw").split_once("sig=").unwrap().0.to_owned() + "sig="), sas("rw")),
    ] {
        write(&wrong);
        let auth = format!("{{ {key} = {{ file = {file:?} }} }}");
        let sink = build(KIND, &keys_with(&auth, server.address, "login")).unwrap();
        let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
        assert!(pauses && reason.contains("refused the login"), "{reason}");
        assert!(
            reason.len() < 200
                && !reason.contains("RequestId")
                && !reason.contains("sig=")
                && !reason.contains(&STANDARD.encode("canary-wrong")),
            "{reason}"
        );
        assert!(sink.probe().await.is_err());
        write(&right);
        sink.deliver(&delivery(1)).await.unwrap();
    }
    assert_eq!(server.arrived("login").await.len(), 1, "the second found the object of the first");
}

#[tokio::test]
async fn a_signature_that_may_not_read_is_told_so_by_a_probe_and_cannot_repeat() {
    let server = Azure::start(None).await;
    server.make("writes").await;
    let sas = secret("azurite-sas-to-write", &sas("w"));
    let sink = build(KIND, &keys_with(&format!("{{ sas = {{ file = {sas:?} }} }}"), server.address, "writes")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(!pauses && reason.contains("could not read it"), "{reason}");
    let remarks = sink.probe().await.unwrap();
    assert!(remarks.len() == 1 && remarks[0].contains("may not read objects"), "{remarks:?}");
}

#[tokio::test]
async fn a_blob_is_never_overwritten_and_the_other_delivery_is_refused() {
    let server = Azure::start(None).await;
    server.make("events").await;
    let keys = Azure::keys(server.address, "events") + "path = '{client_context}.json'";
    let sink = build(KIND, &keys).unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    let result = sink.deliver(&with_client_context(2, "same")).await;
    assert!(
        matches!(&result, Err(DeliveryError::Reject { reason }) if reason.contains("found another object") && reason.ends_with("kept/same.json")),
        "{result:?}"
    );
    assert_eq!(server.names("events").await, ["kept/same.json"]);
}
