//! Tansu, a broker that speaks Kafka's protocol. It keeps everything in memory, so the tests cut the way to it instead of
//! ending it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

use super::super::gate::Gate;
use super::super::process::{Process, free_address};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Server {
    pub gate: Gate,
    _process: Process,
}

impl Server {
    /// Starts it. Its host is told to clients by this name.
    pub async fn start(host: &str, tls: Option<TlsAcceptor>) -> Self {
        let (server, way) = (free_address(), free_address());
        let mut command = Command::new("tansu");
        command.args(["broker", "--storage-engine", "memory://tansu/", "--listener-url", &format!("tcp://{server}")]);
        command.args(["--advertised-listener-url", &format!("tcp://{host}:{}", way.port())]);
        let process = Process::start(&mut command, server).await;
        Self { gate: Gate::to(server, way, tls).await, _process: process }
    }

    pub fn address(&self) -> SocketAddr {
        self.gate.address
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.address().to_string()).set("group.id", "tests");
        client.set("allow.auto.create.topics", "false").set("enable.partition.eof", "true");
        client
    }

    /// Makes a topic with one partition.
    pub async fn make(&self, topic: &str) {
        let admin: AdminClient<_> = self.client().create().unwrap();
        let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
        let made = admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// The messages of every topic whose name `is_one`.
    pub async fn messages(&self, is_one: impl Fn(&str) -> bool + Send + 'static) -> Vec<OwnedMessage> {
        let client = self.client();
        spawn_blocking(move || read(&client, is_one)).await.unwrap()
    }
}

fn read(client: &ClientConfig, is_one: impl Fn(&str) -> bool) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = client.create().unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    let mut wanted = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|topic| is_one(topic.name())) {
        for partition in topic.partitions() {
            wanted.add_partition_offset(topic.name(), partition.id(), Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&wanted).unwrap();
    let (mut found, mut n_ended, began) = (Vec::new(), 0, Instant::now());
    while n_ended < wanted.count() {
        assert!(began.elapsed() < PATIENCE, "{n_ended} of {} partitions ended", wanted.count());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => found.push(message.detach()),
            // The offset that the broker tells as the last is that of its last batch, so it is read until nothing comes.
            Some(Err(KafkaError::PartitionEOF(_))) => n_ended += 1,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    found
}

/// The value of a message's header.
pub fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let header = message.headers()?.iter().find(|header| header.key == name)?;
    Some(String::from_utf8(header.value?.to_vec()).unwrap())
}
