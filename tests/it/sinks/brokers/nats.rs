//! NATS: Debian's `nats-server` with JetStream.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, consumer, stream};
use async_trait::async_trait;
use futures_util::StreamExt;
use tempfile::TempDir;

use super::certificates::Certificates;
use super::process::{Process, free_address};
use super::{Arrived, Broker};
use crate::sinks::samples::{build, delivery};

pub struct Nats {
    process: Process,
    address: SocketAddr,
    login: Option<(String, String)>,
    folder: TempDir,
}

impl Nats {
    fn command(folder: &TempDir, address: SocketAddr, login: Option<(&str, &str)>) -> Command {
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &address.port().to_string(), "--jetstream", "--store_dir"]);
        command.arg(folder.path());
        if let Some((user, password)) = login {
            command.args(["--user", user, "--pass", password]);
        }
        command
    }

    async fn jetstream(&self) -> jetstream::Context {
        let mut options = ConnectOptions::new();
        if let Some((user, password)) = self.login.clone() {
            options = options.user_and_password(user, password);
        }
        jetstream::new(options.connect(self.address.to_string()).await.unwrap())
    }

    async fn make_stream(&self, config: stream::Config) {
        self.jetstream().await.create_stream(config).await.unwrap();
    }
}

#[async_trait]
impl Broker for Nats {
    const KIND: &'static str = "nats";
    const TOO_LARGE: (usize, &'static str) = (1 << 20, "1048576");
    const MAKES_PLACES: bool = false;

    async fn start(login: Option<(&str, &str)>) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let process = Process::start(&mut Self::command(&folder, address, login), address).await;
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Self { process, address, login, folder }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make(&self, place: &str) {
        let subjects = vec![place.to_owned(), format!("{place}.>")];
        self.make_stream(stream::Config { name: place.into(), subjects, ..stream::Config::default() }).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 'nats://{address}'\nsubject = '{place}'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        format!("url = 'nats://{address}'\nsubject = '{place}.of.{{client_context}}'\n")
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let stream = self.jetstream().await.get_stream(place).await.unwrap();
        let n = stream.cached_info().state.messages;
        let config = consumer::pull::OrderedConfig::default();
        let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        let messages = messages.take(usize::try_from(n).unwrap()).map(Result::unwrap);
        let arrived = messages.map(|it| Arrived {
            id: it.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().to_string(),
            event: serde_json::from_slice(&it.payload).unwrap(),
        });
        arrived.collect().await
    }

    async fn stop(&mut self) {
        self.process.stop().await;
    }

    async fn restart(&mut self) {
        let login = self.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        self.process = Process::start(&mut Self::command(&self.folder, self.address, login), self.address).await;
    }
}

super::suite::suite!(Nats);

#[tokio::test]
async fn a_stream_drops_a_repeat() {
    let server = Nats::start(None).await;
    server.make("events").await;
    let sink = build("nats", &Nats::keys(server.address, "events")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.arrived("events").await.len(), 1);
}

#[tokio::test]
async fn in_binary_mode_the_attributes_are_percent_encoded_headers() {
    let server = Nats::start(None).await;
    server.make("events").await;
    let keys = format!("{}format = 'cloudevents-binary'", Nats::keys(server.address, "events"));
    build("nats", &keys).unwrap().deliver(&crate::sinks::samples::with_client_context(1, "a é")).await.unwrap();
    let stream = server.jetstream().await.get_stream("events").await.unwrap();
    let message = stream.get_raw_message(1).await.unwrap();
    let header = |name: &str| message.headers.get(name).map(ToString::to_string);
    assert_eq!(header("Content-Type").as_deref(), Some("application/json"));
    assert_eq!(header("ce-clientcontext").as_deref(), Some("a%20%C3%A9"));
    assert_eq!(header("ce-type").as_deref(), Some("recordOperation.completed"));
    assert!(!String::from_utf8(message.payload.to_vec()).unwrap().contains("specversion"));
}

#[tokio::test]
async fn a_probe_tells_what_a_confirmation_is_worth() {
    let server = Nats::start(None).await;
    let subjects = vec!["memory".to_owned()];
    let storage = stream::StorageType::Memory;
    server.make_stream(stream::Config { name: "memory".into(), subjects, storage, ..stream::Config::default() }).await;
    server.make("file").await;
    for (place, words) in [("memory", "is kept in memory"), ("file", "sync_interval: always")] {
        let warnings = build("nats", &Nats::keys(server.address, place)).unwrap().probe().await.unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_message_that_the_stream_refuses_for_its_size_is_refused_for_good() {
    let server = Nats::start(None).await;
    let (subjects, max_message_size) = (vec!["small".to_owned()], 100);
    server
        .make_stream(stream::Config { name: "small".into(), subjects, max_message_size, ..stream::Config::default() })
        .await;
    let result = build("nats", &Nats::keys(server.address, "small")).unwrap().deliver(&delivery(1)).await;
    assert!(matches!(&result, Err(reelhook::sinks::DeliveryError::Reject { .. })), "{result:?}");
}

#[tokio::test]
async fn a_stream_that_is_full_is_a_retry_because_it_may_be_emptied() {
    let server = Nats::start(None).await;
    let full = stream::Config { max_messages: 1, discard: stream::DiscardPolicy::New, ..stream::Config::default() };
    server.make_stream(stream::Config { name: "full".into(), subjects: vec!["full".to_owned()], ..full }).await;
    let sink = build("nats", &Nats::keys(server.address, "full")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    let (reason, ..) = super::super::samples::retried(sink.deliver(&delivery(2)).await);
    assert!(reason.contains("maximum messages exceeded"), "{reason}");
}

#[tokio::test]
async fn a_subject_that_may_not_be_published_is_told_at_once() {
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let config = folder.path().join("nats.conf");
    std::fs::write(
        &config,
        "authorization { users = [{ user: a, password: b, permissions: { publish: { deny: [\"secret.>\"] } } }] }",
    )
    .unwrap();
    let mut command = Nats::command(&folder, address, None);
    let process = Process::start(command.arg("--config").arg(&config), address).await;
    let server = Nats { process, address, login: Some(("a".into(), "b".into())), folder };
    server.make("secret").await;
    let password = server.folder.path().join("password");
    std::fs::write(&password, "b").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let keys = format!(
        "url = 'nats://{address}'\nsubject = 'secret.x'\nauth = {{ user = 'a', password = {{ file = {password:?} }} }}"
    );
    let sink = build("nats", &keys).unwrap();
    let result = tokio::time::timeout(Duration::from_secs(10), sink.deliver(&delivery(1))).await.unwrap();
    let (reason, ..) = super::super::samples::retried(result);
    assert!(reason.to_lowercase().contains("permissions violation"), "{reason}");
}

#[test]
fn a_subject_that_is_none_is_a_mistake() {
    for subject in ["a..b", ".a", "a.", "a.*", "a.>", "a b"] {
        let told = crate::sinks::samples::mistakes("nats", &format!("url = 'nats://h'\nsubject = '{subject}'"));
        assert!(told.starts_with("sinks.crm.subject: found "), "{told}");
    }
    let told = crate::sinks::samples::mistakes("nats", "url = 'nats://user:canary@h'\nsubject = 'a'");
    assert!(told.starts_with("sinks.crm.url: found a user or a password") && !told.contains("canary"), "{told}");
}

#[tokio::test]
async fn over_tls_only_the_named_authority_is_trusted_and_reelhook_shows_its_certificate() {
    let (folder, address, certificates) = (tempfile::tempdir().unwrap(), free_address(), Certificates::make());
    let mut command = Nats::command(&folder, address, None);
    command.args(["--tls", "--tlsverify", "--tlscert"]).arg(certificates.path("server.pem"));
    command
        .arg("--tlskey")
        .arg(certificates.path("server.key"))
        .arg("--tlscacert")
        .arg(certificates.path("authority.pem"));
    let _process = Process::start(&mut command, address).await;
    let keys = format!("url = 'tls://{address}'\nsubject = 'nobody'\n");
    // With everything in place the server answers: no stream takes the subject.
    let sink = certificates.tried("nats", &keys, "certificate").await;
    let (reason, ..) = super::super::samples::retried(sink.deliver(&delivery(1)).await);
    assert_eq!(reason, "no stream takes this subject");
}
