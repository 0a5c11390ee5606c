//! Redis: Debian's `redis-server`.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, Value};
use reelhook::sinks::DeliveryError;
use serde_json::json;
use tempfile::TempDir;

use super::certificates::{Certificates, SERVER_NAME};
use super::process::{Process, free_address};
use super::{Arrived, Broker};
use crate::sinks::samples::{build, delivery, mistakes, retried, with_client_context};

pub struct Redis {
    process: Process,
    address: SocketAddr,
    login: Option<(String, String)>,
    folder: TempDir,
}

/// The fields of an entry.
type Entry = (String, Vec<(String, String)>);

impl Redis {
    /// A server with these lines in its config.
    async fn with(config: &str) -> Self {
        Self::at(free_address(), tempfile::tempdir().unwrap(), config).await
    }

    async fn at(address: SocketAddr, folder: TempDir, config: &str) -> Self {
        let config = format!(
            "bind 127.0.0.1\nport {}\ndir {:?}\nappendonly yes\nproto-max-bulk-len 1mb\n{config}",
            address.port(),
            folder.path(),
        );
        fs::write(folder.path().join("redis.conf"), config).unwrap();
        let process = Process::start(&mut Self::command(&folder), address).await;
        Self { process, address, login: None, folder }
    }

    fn command(folder: &TempDir) -> Command {
        let mut command = Command::new("redis-server");
        command.arg(folder.path().join("redis.conf"));
        command
    }

    async fn connection(&self) -> MultiplexedConnection {
        let login = self.login.as_ref().map_or(String::new(), |(user, password)| format!("{user}:{password}@"));
        let client = Client::open(format!("redis://{login}{}", self.address)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// What the server answers to a command, as an operator writes it.
    async fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = command.arg(word));
        command.query_async(&mut self.connection().await).await.unwrap()
    }

    async fn entries(&self, key: &str) -> Vec<Entry> {
        let mut command = redis::cmd("XRANGE");
        command.arg(key).arg("-").arg("+").query_async(&mut self.connection().await).await.unwrap()
    }

    fn sink(&self, more: &str) -> std::sync::Arc<dyn reelhook::sinks::Sink> {
        build("redis", &format!("{}{more}", Self::keys(self.address, "events"))).unwrap()
    }
}

fn field<'a>((_, fields): &'a Entry, name: &str) -> &'a str {
    &fields.iter().find(|(found, _)| found == name).unwrap().1
}

#[async_trait]
impl Broker for Redis {
    const KIND: &'static str = "redis";
    const TOO_LARGE: (usize, &'static str) = (1 << 20, "1048576");
    const MAKES_PLACES: bool = true;

    async fn start(login: Option<(&str, &str)>) -> Self {
        let Some((user, password)) = login else { return Self::with("").await };
        let mut server = Self::with(&format!("user default off\nuser {user} on >{password} ~* &* +@all\n")).await;
        server.login = Some((user.to_owned(), password.to_owned()));
        server
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make(&self, _place: &str) {}

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 'redis://{address}'\nstream = '{place}'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        format!("url = 'redis://{address}'\nstream = '{place}:of:{{client_context}}'\n")
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        for key in self.ask::<Vec<String>>(&format!("KEYS {place}*")).await {
            assert!(key == place || key[place.len()..].starts_with(":of:") && key.matches(':').count() == 2, "{key:?}");
            arrived.extend(self.entries(&key).await.iter().map(|entry| Arrived {
                id: field(entry, "id").to_owned(),
                event: serde_json::from_str(field(entry, "event")).unwrap(),
            }));
        }
        arrived
    }

    async fn stop(&mut self) {
        self.process.stop().await;
    }

    async fn restart(&mut self) {
        self.process = Process::start(&mut Self::command(&self.folder), self.address).await;
    }
}

super::suite::suite!(Redis);

#[tokio::test]
async fn an_entry_has_the_fields_that_the_page_lists() {
    let server = Redis::start(None).await;
    server.sink("").deliver(&delivery(1)).await.unwrap();
    server.sink("format = 'cloudevents-binary'").deliver(&with_client_context(2, "a é%")).await.unwrap();
    let [plain, binary] = server.entries("events").await.try_into().unwrap();
    let names: Vec<&str> = plain.1.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["id", "content-type", "event"]);
    assert_eq!(field(&plain, "content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(field(&binary, "content-type"), "application/json");
    assert_eq!(field(&binary, "ce_clientcontext"), "a é%");
    assert_eq!(field(&binary, "ce_type"), "recordOperation.completed");
    assert!(!field(&binary, "event").contains("specversion"));
}

#[tokio::test]
async fn a_stream_is_cut_to_about_its_length() {
    let server = Redis::with("stream-node-max-entries 10\n").await;
    let deliveries: Vec<_> = (0..200).map(delivery).collect();
    let results = server.sink("max_length = 20").deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    assert_eq!(results, vec![Ok(()); 200]);
    let length: usize = server.ask("XLEN events").await;
    assert!((20..40).contains(&length), "{length}");
    assert_eq!(field(server.entries("events").await.last().unwrap(), "id"), delivery(199).id.to_string());
}

#[tokio::test]
async fn a_database_is_chosen_by_the_address() {
    let server = Redis::start(None).await;
    let keys = format!("url = 'redis://{}/3'\nstream = 'events'", server.address);
    build("redis", &keys).unwrap().deliver(&delivery(1)).await.unwrap();
    let lengths: (usize, usize) = (server.ask("XLEN events").await, {
        let mut connection = server.connection().await;
        redis::cmd("SELECT").arg(3).exec_async(&mut connection).await.unwrap();
        redis::cmd("XLEN").arg("events").query_async(&mut connection).await.unwrap()
    });
    assert_eq!(lengths, (0, 1));
}

#[tokio::test]
async fn a_wait_for_the_disks_is_kept_or_is_refused_before_anything_is_added() {
    let server = Redis::start(None).await;
    let knows: bool = server.ask::<Vec<Value>>("COMMAND INFO WAITAOF").await != [Value::Nil];
    let result = server.sink("wait_aof = 0").deliver(&delivery(1)).await;
    if knows {
        assert_eq!((result, server.entries("events").await.len()), (Ok(()), 1));
        let (reason, pauses, _) = retried(server.sink("wait_aof = 1").deliver(&delivery(2)).await);
        assert!(pauses && reason.contains("after 10 s 0 have synced it"), "{reason}");
        let _: Value = server.ask("CONFIG SET appendonly no").await;
        let (reason, ..) = retried(server.sink("wait_aof = 0").deliver(&delivery(3)).await);
        assert_eq!(reason, "wait_aof: found appendonly no, expected a server with appendonly yes");
    } else {
        let (reason, pauses, _) = retried(result);
        assert_eq!(reason, "wait_aof: found a server without WAITAOF, expected Redis 7.2 or newer");
        assert!(pauses && server.entries("events").await.is_empty());
    }
}

#[tokio::test]
async fn a_key_of_another_type_holds_up_no_neighbour() {
    let server = Redis::start(None).await;
    let _: Value = server.ask("SET of:support-2 text").await;
    let keys = format!("url = 'redis://{}'\nstream = 'of:{{client_context}}'", server.address);
    let deliveries = [1, 2, 3].map(delivery);
    let results = build("redis", &keys).unwrap().deliver_batch(&deliveries.each_ref()).await;
    let [Ok(()), wrong, Ok(())] = <[_; 3]>::try_from(results).unwrap() else { panic!("expected one failure") };
    let (reason, pauses, _) = retried(wrong);
    assert!(reason.starts_with("WRONGTYPE") && !pauses, "{reason}");
    let probed = build("redis", &keys.replace("{client_context}", "support-2")).unwrap().probe().await;
    assert_eq!(retried(probed).0, "the key belongs to a string, expected a stream or nothing");
}

#[tokio::test]
async fn a_server_that_takes_nothing_pauses_the_sink_until_it_takes_events_again() {
    let server = Redis::start(None).await;
    let sink = server.sink("");
    for (bad, good, code) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"),
    ] {
        let _: Value = server.ask(bad).await;
        let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
        assert!(reason.starts_with(code) && pauses, "{reason}");
        if code == "READONLY" {
            assert_eq!(retried(sink.probe().await).0, "the server is a replica, expected one that takes writes");
        }
        let _: Value = server.ask(good).await;
        sink.deliver(&delivery(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_pauses_the_sink() {
    let server = Redis::with("save 3600 1000000\nappendonly no\ndbfilename folder\n").await;
    // It answers when it has looked for a dump.
    let _: Value = server.ask("PING").await;
    fs::create_dir(server.folder.path().join("folder")).unwrap();
    let _: Value = server.ask("BGSAVE").await;
    let began = std::time::Instant::now();
    while !server.ask::<String>("INFO persistence").await.contains("rdb_last_bgsave_status:err") {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "the dump does not fail");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let (reason, pauses, _) = retried(server.sink("").deliver(&delivery(1)).await);
    assert!(reason.starts_with("MISCONF") && pauses, "{reason}");
}

#[tokio::test]
async fn a_login_that_is_missing_or_has_no_right_is_told_and_a_password_alone_is_one() {
    let server = Redis::with("requirepass canary-alone\nuser little on >canary-little ~other +xadd\n").await;
    let (reason, pauses, _) = retried(server.sink("").deliver(&delivery(1)).await);
    assert!(reason.starts_with("NOAUTH") && pauses, "{reason}");
    assert!(retried(server.sink("").probe().await).0.starts_with("NOAUTH"));
    let secret = |name: &str| {
        let file = server.folder.path().join(name);
        fs::write(&file, name).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        format!("{{ file = {file:?} }}")
    };
    let alone = server.sink(&format!("auth = {{ password = {} }}", secret("canary-alone")));
    alone.deliver(&delivery(1)).await.unwrap();
    assert_eq!(alone.probe().await.unwrap().len(), 1);
    let little = format!("auth = {{ user = 'little', password = {} }}\n", secret("canary-little"));
    let (reason, pauses, _) = retried(server.sink(&little).deliver(&delivery(2)).await);
    assert!(reason.starts_with("NOPERM") && !pauses, "{reason}");
    let other = build("redis", &(little + &Redis::keys(server.address, "other"))).unwrap();
    other.deliver(&delivery(2)).await.unwrap();
    let warnings = other.probe().await.unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("does not tell"), "{warnings:?}");
}

#[tokio::test]
async fn a_probe_tells_what_a_confirmation_is_worth() {
    let server = Redis::start(None).await;
    for (setting, words) in [
        ("appendfsync everysec", Some("the last second")),
        ("appendfsync no", Some("the system decides")),
        ("appendfsync always", None),
        ("appendonly no", Some("in its memory only")),
    ] {
        let _: Value = server.ask(&format!("CONFIG SET {setting}")).await;
        let warnings = server.sink("").probe().await.unwrap();
        assert_eq!(warnings.len(), usize::from(words.is_some()), "{setting}: {warnings:?}");
        assert!(warnings.iter().zip(words).all(|(warning, words)| warning.contains(words)), "{warnings:?}");
    }
}

#[tokio::test]
async fn an_encrypted_server_is_reached_with_its_authority_and_a_certificate() {
    let (made, address) = (Certificates::make(), free_address());
    let [ca, certificate, key] = ["authority.pem", "server.pem", "server.key"].map(|file| made.path(file));
    let config = format!(
        "bind 127.0.0.1\nport 0\ntls-port {}\ntls-ca-cert-file {ca:?}\ntls-cert-file {certificate:?}\ntls-key-file {key:?}\n",
        address.port(),
    );
    let file = made.path("redis.conf");
    fs::write(&file, config).unwrap();
    let _server = Process::start(Command::new("redis-server").arg(&file), address).await;
    let sink = |tls: &str| build("redis", &format!("url = 'rediss://{address}'\nstream = 'a'\n{tls}")).unwrap();
    sink(&made.table()).deliver(&delivery(1)).await.unwrap();
    for (tls, words) in [
        (String::new(), "UnknownIssuer"),
        (format!("tls = {{ ca = {ca:?} }}"), "not valid for name"),
        (format!("tls = {{ ca = {ca:?}, server_name = '{SERVER_NAME}' }}"), "connection failed"),
    ] {
        let (reason, pauses, _) = retried(sink(&tls).deliver(&delivery(2)).await);
        assert!(pauses && reason.contains(words), "{tls}: {reason}");
    }
}

#[tokio::test]
async fn a_key_that_would_be_too_long_is_refused() {
    let server = Redis::start(None).await;
    let keys = format!(
        "url = 'redis://{}'\nstream = '{{client_context}}{{client_context}}{{client_context}}'",
        server.address
    );
    let result = build("redis", &keys).unwrap().deliver(&with_client_context(1, &"\n".repeat(256))).await;
    let expected = "the key of the stream would have 2304 bytes, and may have 2048".to_owned();
    assert_eq!(result, Err(DeliveryError::Reject { reason: expected }));
}

#[test]
fn an_address_that_is_none_is_a_mistake() {
    for url in ["redis://h/x", "redis://h/-1", "http://h", "redis://"] {
        let told = mistakes("redis", &format!("url = '{url}'\nstream = 'a'"));
        assert!(told.starts_with("sinks.crm.url: found "), "{told}");
    }
    let told = mistakes("redis", "url = 'redis://:canary@h'\nstream = 'a'");
    assert!(told.starts_with("sinks.crm.url: found a user or a password") && !told.contains("canary"), "{told}");
    let told = mistakes("redis", &format!("url = 'redis://h'\nstream = 'a'\nauth = {}", json!({})));
    assert_eq!(told, "sinks.crm.auth: found nothing, expected user and password, or password");
}
