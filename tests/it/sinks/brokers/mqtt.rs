//! MQTT: Debian's `mosquitto`.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rumqttc::{AsyncClient, Broker as At, Event, Incoming, MqttOptions, Publish, PublishOptions, QoS};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::certificates::Certificates;
use super::process::{Process, free_address};
use super::{Arrived, Broker};
use crate::sinks::samples::{build, delivery, mistakes, retried, with_client_context};

const PATIENCE: Duration = Duration::from_secs(30);
/// What the name of a topic begins with when the test asks whether everything before has arrived.
const MARK: &str = "mark/";

pub struct Mqtt {
    process: Process,
    address: SocketAddr,
    login: Option<(String, String)>,
    folder: TempDir,
    subscribers: Mutex<HashMap<String, Subscriber>>,
}

/// Who subscribes to a place, as long as the test runs.
struct Subscriber {
    client: AsyncClient,
    got: Arc<Mutex<Vec<Publish>>>,
    _driver: JoinSet<()>,
}

impl Mqtt {
    /// A broker with these lines in its config.
    async fn with(config: &str, login: Option<(&str, &str)>) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let access = match login {
            Some((user, password)) => {
                let file = folder.path().join("passwords");
                let made =
                    Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(&file).args([user, password]).status();
                assert!(made.unwrap().success());
                format!("password_file {}\nallow_anonymous false\n", file.display())
            }
            None => "allow_anonymous true\n".to_owned(),
        };
        let (port, home) = (address.port(), folder.path().display());
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let text = format!(
            "user {user}\nmax_packet_size 1048576\nmax_queued_messages 0\npersistence true\npersistence_location {home}/\n\
             {access}listener {port} 127.0.0.1\n{config}"
        );
        fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        let process = Process::start(&mut Self::command(&folder), address).await;
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Self { process, address, login, folder, subscribers: Mutex::default() }
    }

    fn command(folder: &TempDir) -> Command {
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(folder.path().join("mosquitto.conf"));
        command
    }

    /// What a place has got, once everything that was published before has come.
    async fn messages(&self, place: &str) -> Vec<Publish> {
        if !self.subscribers.lock().unwrap().contains_key(place) {
            return Vec::new();
        }
        let mark = format!("{place}/{MARK}{}", Uuid::new_v4());
        let (client, got) = {
            let subscribers = self.subscribers.lock().unwrap();
            (subscribers[place].client.clone(), subscribers[place].got.clone())
        };
        client.publish(mark.clone(), "", PublishOptions::at_least_once()).await.unwrap();
        let is_here = || got.lock().unwrap().iter().any(|it| it.topic == mark);
        wait(is_here).await;
        let marks = format!("{place}/{MARK}");
        got.lock().unwrap().iter().filter(|it| !it.topic.starts_with(marks.as_bytes())).cloned().collect()
    }
}

async fn wait(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn property(message: &Publish, name: &str) -> Option<String> {
    let properties = &message.properties.as_ref().unwrap().user_properties;
    properties.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

#[async_trait]
impl Broker for Mqtt {
    const KIND: &'static str = "mqtt";
    const TOO_LARGE: (usize, &'static str) = (1 << 20, "1048576");
    const MAKES_PLACES: bool = false;
    const PROBES_PLACES: bool = false;

    async fn start(login: Option<(&str, &str)>) -> Self {
        Self::with("", login).await
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make(&self, place: &str) {
        let at = At::tcp(self.address.ip().to_string(), self.address.port());
        let mut options = MqttOptions::new(format!("of-{place}"), at);
        options.set_clean_start(false).set_session_expiry_interval(Some(u32::MAX)).set_keep_alive(5);
        options.set_broker_session_resume_policy(rumqttc::BrokerSessionResumePolicy::AllowBrokerOnly);
        options.set_max_packet_size(Some(u32::MAX));
        if let Some((user, password)) = self.login.clone() {
            options.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::builder(options).capacity(100).build();
        let got: Arc<Mutex<Vec<Publish>>> = Arc::default();
        let (noted, is_subscribed) = (got.clone(), Arc::new(Mutex::new(false)));
        let (subscribed, mut driver) = (is_subscribed.clone(), JoinSet::new());
        driver.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Incoming::Publish(message))) => noted.lock().unwrap().push(message),
                    Ok(Event::Incoming(Incoming::SubAck(_))) => *subscribed.lock().unwrap() = true,
                    Ok(_) => {}
                    // The broker is away: the client connects again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        client.subscribe(format!("{place}/#"), QoS::AtLeastOnce).await.unwrap();
        wait(|| *is_subscribed.lock().unwrap()).await;
        self.subscribers.lock().unwrap().insert(place.to_owned(), Subscriber { client, got, _driver: driver });
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 'mqtt://{address}'\ntopic = '{place}'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        format!("url = 'mqtt://{address}'\ntopic = '{place}/of/{{client_context}}'\n")
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let messages = self.messages(place).await;
        for topic in messages.iter().map(|it| std::str::from_utf8(&it.topic).unwrap()) {
            let is_there =
                topic == place || (topic.starts_with(&format!("{place}/of/")) && topic.matches('/').count() == 2);
            assert!(is_there, "{topic:?}");
        }
        let arrived = messages.iter().map(|it| Arrived {
            id: property(it, "delivery-id").unwrap(),
            event: serde_json::from_slice(&it.payload).unwrap(),
        });
        arrived.collect()
    }

    async fn stop(&mut self) {
        self.process.stop().await;
    }

    async fn restart(&mut self) {
        self.process = Process::start(&mut Self::command(&self.folder), self.address).await;
    }
}

super::suite::suite!(Mqtt);

#[tokio::test]
async fn an_event_that_nobody_subscribes_to_is_a_retry_although_the_broker_acknowledges_it() {
    let server = Mqtt::start(None).await;
    server.make("some").await;
    let sink = build("mqtt", &Mqtt::keys_by_client_context(server.address, "some/of/{client_context}/or")).unwrap();
    sink.deliver(&with_client_context(1, "a")).await.unwrap();
    let nobody = build("mqtt", &Mqtt::keys(server.address, "none")).unwrap();
    let (reason, pauses, _) = retried(nobody.deliver(&delivery(1)).await);
    assert!(!pauses && reason.contains("nobody subscribes"), "{reason}");
}

#[tokio::test]
async fn in_binary_mode_the_attributes_are_user_properties() {
    let server = Mqtt::start(None).await;
    server.make("events").await;
    let keys = Mqtt::keys(server.address, "events");
    build("mqtt", &keys).unwrap().deliver(&delivery(1)).await.unwrap();
    let binary = build("mqtt", &(keys + "format = 'cloudevents-binary'")).unwrap();
    binary.deliver(&with_client_context(2, "a é")).await.unwrap();
    let messages = server.messages("events").await;
    let types: Vec<_> =
        messages.iter().map(|it| it.properties.as_ref().unwrap().content_type.clone().unwrap()).collect();
    assert_eq!(types, ["application/cloudevents+json; charset=utf-8", "application/json"]);
    assert_eq!(property(&messages[1], "clientcontext").as_deref(), Some("a é"));
    assert_eq!(property(&messages[1], "type").as_deref(), Some("recordOperation.completed"));
    assert!(!String::from_utf8(messages[1].payload.to_vec()).unwrap().contains("specversion"));
    assert!(messages.iter().all(|it| it.qos == QoS::AtLeastOnce && !it.retain));
}

#[tokio::test]
async fn over_tls_only_the_named_authority_is_trusted_and_reelhook_shows_its_certificate() {
    let (tls, certificates) = (free_address(), Certificates::make());
    let config = format!(
        "listener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        tls.port(),
        certificates.path("authority.pem").display(),
        certificates.path("server.pem").display(),
        certificates.path("server.key").display()
    );
    let server = Mqtt::with(&config, None).await;
    server.make("events").await;
    let keys = format!("url = 'mqtts://{tls}'\ntopic = 'events'\n");
    let sink = certificates.tried("mqtt", &keys, "could not connect").await;
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.arrived("events").await.len(), 1);
}

#[tokio::test]
async fn a_topic_that_the_login_may_not_publish_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let rights = folder.path().join("rights");
    fs::write(&rights, "topic readwrite allowed/#\n").unwrap();
    let server = Mqtt::with(&format!("acl_file {}\n", rights.display()), None).await;
    server.make("allowed").await;
    build("mqtt", &Mqtt::keys(server.address, "allowed")).unwrap().deliver(&delivery(1)).await.unwrap();
    let refused = build("mqtt", &Mqtt::keys(server.address, "forbidden")).unwrap();
    let (reason, pauses, _) = retried(refused.deliver(&delivery(1)).await);
    assert!(!pauses && reason.contains("may not publish"), "{reason}");
}

#[test]
fn topics_that_no_message_can_have_are_mistakes() {
    for topic in ["a/+", "a/#", "$SYS/a", "a\\u0000b"] {
        let told = mistakes("mqtt", &format!("url = 'mqtt://h'\ntopic = \"{topic}\""));
        assert!(told.starts_with("sinks.crm.topic: found"), "{told}");
    }
    let told = mistakes("mqtt", "url = 'mqtt://user:canary@h'\ntopic = 'a'");
    assert!(told.starts_with("sinks.crm.url: found a user or a password") && !told.contains("canary"), "{told}");
}
