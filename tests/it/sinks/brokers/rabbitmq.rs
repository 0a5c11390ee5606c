//! RabbitMQ: Debian's `rabbitmq-server`, each with an `epmd` of its own.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use async_trait::async_trait;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tempfile::TempDir;

use super::certificates::Certificates;
use super::process::{Process, free_address};
use super::{Arrived, Broker};
use crate::process::PATIENCE;
use crate::process::site::Site;
use crate::sinks::samples::{build, delivery, mistakes, retried, with_client_context};

pub struct Rabbitmq {
    // The server ends before what it is known by, and that before the folder.
    process: Process,
    _names: Process,
    address: SocketAddr,
    names_address: SocketAddr,
    login: (String, String),
    folder: TempDir,
}

impl Rabbitmq {
    /// A server with these plugins, as a list of Erlang's, and these lines in its config.
    pub async fn with_plugins(plugins: &str, config: &str, login: Option<(&str, &str)>) -> Self {
        let (folder, address, names_address) = (tempfile::tempdir().unwrap(), free_address(), free_address());
        let (user, password) = login.unwrap_or(("guest", "guest"));
        let config = format!(
            "listeners.tcp.default = {address}\nmax_message_size = 1048576\ndefault_user = {user}\n\
             default_pass = {password}\nlog.console = false\n{config}"
        );
        fs::write(folder.path().join("rabbitmq.conf"), config).unwrap();
        fs::write(folder.path().join("plugins"), plugins).unwrap();
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &names_address.port().to_string()]);
        let names = Process::start(&mut epmd, names_address).await;
        let process = Process::start(&mut Self::command(&folder, address, names_address), address).await;
        let login = (user.to_owned(), password.to_owned());
        Self { process, _names: names, address, names_address, login, folder }
    }

    /// A server that also listens where only TLS is spoken, and asks for a certificate.
    pub async fn with_tls(plugins: &str, certificates: &Certificates) -> (Self, SocketAddr) {
        let tls = free_address();
        let config = format!(
            "listeners.ssl.default = {tls}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
            certificates.path("authority.pem").display(),
            certificates.path("server.pem").display(),
            certificates.path("server.key").display()
        );
        (Self::with_plugins(plugins, &config, None).await, tls)
    }

    /// The program itself: Debian's wrapper would change the user.
    fn command(folder: &TempDir, address: SocketAddr, names: SocketAddr) -> Command {
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        let (folder, port) = (folder.path(), address.port());
        command.env("HOME", folder).env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"));
        command.env("RABBITMQ_MNESIA_BASE", folder.join("mnesia")).env("RABBITMQ_LOG_BASE", folder.join("log"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins")).env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_NODENAME", format!("reelhook-{port}@localhost"));
        command.env("RABBITMQ_NODE_PORT", port.to_string()).env("ERL_EPMD_PORT", names.port().to_string());
        command.env("RABBITMQ_DIST_PORT", free_address().port().to_string());
        // So it is one process, which a signal reaches.
        command.env("RABBITMQ_ALLOW_INPUT", "1").env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-noinput");
        command
    }

    async fn connection(&self) -> Connection {
        let (user, password) = &self.login;
        let address = format!("amqp://{user}:{password}@{}/%2f", self.address);
        Connection::connect(&address, ConnectionProperties::default()).await.unwrap()
    }

    async fn make_exchange(&self, place: &str, channel: &Channel) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(place.into(), ExchangeKind::Topic, options, FieldTable::default()).await.unwrap();
    }

    /// What is in a queue, oldest first. It stays there.
    pub async fn messages(&self, place: &str) -> Vec<BasicGetMessage> {
        let connection = self.connection().await;
        let channel = connection.create_channel().await.unwrap();
        let mut messages = Vec::new();
        // What is not acknowledged goes back into the queue, in its order, when the connection is closed.
        while let Some(message) = channel.basic_get(place.into(), BasicGetOptions::default()).await.unwrap() {
            messages.push(message);
        }
        connection.close(200, "read".into()).await.unwrap();
        messages
    }
}

#[async_trait]
impl Broker for Rabbitmq {
    const KIND: &'static str = "rabbitmq";
    const TOO_LARGE: (usize, &'static str) = (2 << 20, "1048576");
    const MAKES_PLACES: bool = false;

    async fn start(login: Option<(&str, &str)>) -> Self {
        Self::with_plugins("[].", "", login).await
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make(&self, place: &str) {
        let connection = self.connection().await;
        let channel = connection.create_channel().await.unwrap();
        self.make_exchange(place, &channel).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(place.into(), options, FieldTable::default()).await.unwrap();
        let bound = channel.queue_bind(
            place.into(),
            place.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.unwrap();
        connection.close(200, "made".into()).await.unwrap();
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 'amqp://{address}'\nexchange = '{place}'\nrouting_key = 'recordings'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        format!("url = 'amqp://{address}'\nexchange = '{place}'\nrouting_key = 'of.{{client_context}}'\n")
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let messages = self.messages(place).await.into_iter();
        let arrived = messages.map(|it| Arrived {
            id: it.properties.message_id().as_ref().unwrap().to_string(),
            event: serde_json::from_slice(&it.data).unwrap(),
        });
        arrived.collect()
    }

    async fn stop(&mut self) {
        self.process.stop().await;
    }

    async fn restart(&mut self) {
        let mut command = Self::command(&self.folder, self.address, self.names_address);
        self.process = Process::start(&mut command, self.address).await;
    }
}

super::suite::suite!(Rabbitmq);

#[tokio::test]
async fn a_message_that_no_queue_takes_is_a_retry_although_the_server_confirms_it() {
    let server = Rabbitmq::start(None).await;
    let connection = server.connection().await;
    server.make_exchange("unbound", &connection.create_channel().await.unwrap()).await;
    let sink = build("rabbitmq", &Rabbitmq::keys(server.address, "unbound")).unwrap();
    let (reason, ..) = retried(sink.deliver(&delivery(1)).await);
    assert!(reason.contains("NO_ROUTE") && reason.contains("no queue is bound"), "{reason}");
    // The probe sees the exchange, and says what it cannot see.
    let warnings = sink.probe().await.unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("AMQP 0-9-1 does not tell"), "{warnings:?}");
}

#[tokio::test]
async fn in_a_batch_exactly_those_fail_that_no_queue_takes() {
    let server = Rabbitmq::start(None).await;
    let connection = server.connection().await;
    let channel = connection.create_channel().await.unwrap();
    server.make_exchange("some", &channel).await;
    channel.queue_declare("taken".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let options = QueueBindOptions::default();
    channel.queue_bind("taken".into(), "some".into(), "of.a".into(), options, FieldTable::default()).await.unwrap();
    let sink = build("rabbitmq", &Rabbitmq::keys_by_client_context(server.address, "some")).unwrap();
    let deliveries: Vec<_> =
        (0..200).map(|n| with_client_context(n, if n % 3 == 0 { "nobody" } else { "a" })).collect();
    let batch = async |part: &[reelhook::domain::Delivery]| sink.deliver_batch(&part.iter().collect::<Vec<_>>()).await;
    let (one, other) = deliveries.split_at(100);
    let (mut results, others) = tokio::join!(batch(one), batch(other));
    results.extend(others);
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(result.is_err(), n % 3 == 0, "{n}: {result:?}");
    }
    assert_eq!(server.arrived("taken").await.len(), 133);
}

#[tokio::test]
async fn a_message_that_comes_back_is_not_written_to_the_log() {
    let server = Rabbitmq::start(None).await;
    server.make_exchange("unbound", &server.connection().await.create_channel().await.unwrap()).await;
    let mut site = Site::new();
    let keys = Rabbitmq::keys(server.address, "unbound");
    let retry = "retry = ['0s']";
    let routes =
        format!("[sinks.queue]\nkind = \"rabbitmq\"\n{keys}{retry}\n[[routes]]\nname = \"all\"\nsinks = [\"queue\"]\n");
    site.write(("", ""), &routes);
    let receiver = site.serve();
    site.post(&receiver, "of-a-call").await;
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("dead letter")) {
        lines.push(receiver.log.recv_timeout(PATIENCE).unwrap());
    }
    assert!(lines.last().unwrap().contains("no queue is bound"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("lapin") || line.contains("@odata")), "{lines:#?}");
}

#[tokio::test]
async fn a_message_is_persistent_and_in_binary_mode_its_attributes_are_headers() {
    let server = Rabbitmq::start(None).await;
    server.make("events").await;
    // Without an exchange, the routing key is the name of a queue.
    let keys = format!("url = 'amqp://{}'\nrouting_key = 'events'\n", server.address);
    build("rabbitmq", &keys).unwrap().deliver(&delivery(1)).await.unwrap();
    let binary = build("rabbitmq", &(keys + "format = 'cloudevents-binary'")).unwrap();
    binary.deliver(&with_client_context(2, "a é")).await.unwrap();
    let messages = server.messages("events").await;
    let types: Vec<_> = messages.iter().map(|it| it.properties.content_type().as_ref().unwrap().as_str()).collect();
    assert_eq!(types, ["application/cloudevents+json; charset=utf-8", "application/json"]);
    assert!(messages.iter().all(|it| *it.properties.delivery_mode() == Some(2)));
    let headers = messages[1].properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers.get("cloudEvents_clientcontext"), Some(&AMQPValue::LongString("a é".into())));
    assert!(!String::from_utf8(messages[1].data.clone()).unwrap().contains("specversion"));
}

#[tokio::test]
async fn over_tls_only_the_named_authority_is_trusted_and_reelhook_shows_its_certificate() {
    let certificates = Certificates::make();
    let (server, tls) = Rabbitmq::with_tls("[].", &certificates).await;
    server.make("events").await;
    let keys = format!("url = 'amqps://{tls}'\nexchange = 'events'\nrouting_key = 'a'\n");
    let sink = certificates.tried("rabbitmq", &keys, "could not connect").await;
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.arrived("events").await.len(), 1);
}

#[test]
fn an_address_with_a_password_is_a_mistake_that_does_not_show_it() {
    let told = mistakes("rabbitmq", "url = 'amqp://user:canary@h'\nrouting_key = 'a'");
    assert!(told.starts_with("sinks.crm.url: found a user or a password") && !told.contains("canary"), "{told}");
}
