//! What a plain loop on a sink's client library reaches: a body, sent again and again, with as many messages under way as
//! the sink has in a batch, and every confirmation awaited. Nothing is read from a store, and nothing is written to one.
//!
//! `plain_loop KIND ADDRESS PLACE SECONDS < BODY` prints one JSON line. `scripts/bench` reads it.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a measure, not the server")]

use std::io::{Read, stdin};
use std::pin::pin;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use rumqttc::{Broker, MqttOptions, PublishOptions, PublishProperties};
use uuid::Uuid;

/// What the sinks have in a batch.
const UNDER_WAY: usize = 256;
/// How many attempts a sink makes at a time.
#[cfg(feature = "object")]
const AT_A_TIME: usize = 8;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut next = || arguments.next().expect("KIND ADDRESS PLACE SECONDS");
    let (kind, address, place) = (next(), next(), next());
    let until = Until { began: Instant::now(), span: Duration::from_secs_f64(next().parse().expect("seconds")) };
    let mut body = String::new();
    stdin().read_to_string(&mut body).expect("a body");
    let n = match kind.as_str() {
        #[cfg(feature = "kafka")]
        "kafka" => kafka(&address, &place, &body, &until).await,
        "mqtt" => mqtt(&address, &place, &body, &until).await,
        "nats" => nats(&address, &place, body, &until).await,
        #[cfg(feature = "object")]
        "object" => object(&address, &place, body, &until).await,
        "rabbitmq" => rabbitmq(&address, &place, &body, &until).await,
        "redis" => redis(&address, &place, &body, &until).await,
        "postgres" => postgres(&address, &place, &body, &until).await,
        _ => panic!("found {kind:?}, expected a kind that this build measures"),
    };
    println!("{{\"per_second\": {:.0}}}", f64::from(n) / until.began.elapsed().as_secs_f64());
}

struct Until {
    began: Instant,
    span: Duration,
}

impl Until {
    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.span
    }
}

async fn nats(address: &str, subject: &str, body: String, until: &Until) -> u32 {
    let stream = jetstream::new(async_nats::connect(address).await.expect("a server"));
    let (mut confirmations, mut n) = (FuturesUnordered::new(), 0);
    while !until.is_over() {
        while confirmations.len() < UNDER_WAY {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", Uuid::now_v7().to_string());
            let sent = stream.publish_with_headers(subject.to_owned(), headers, body.clone().into()).await;
            confirmations.push(sent.expect("sent").into_future());
        }
        confirmations.next().await.expect("one under way").expect("confirmed");
        n += 1;
    }
    n
}

async fn redis(address: &str, stream: &str, body: &str, until: &Until) -> u32 {
    let client = redis::Client::open(address).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let mut n = 0;
    while !until.is_over() {
        let mut pipeline = redis::pipe();
        for _ in 0..UNDER_WAY {
            let id = Uuid::now_v7().to_string();
            pipeline.cmd("XADD").arg(stream).arg("*").arg("id").arg(id).arg("event").arg(body);
        }
        let ids: Vec<String> = pipeline.query_async(&mut connection).await.expect("confirmed");
        n += u32::try_from(ids.len()).expect("a batch");
    }
    n
}

async fn postgres(address: &str, table: &str, body: &str, until: &Until) -> u32 {
    let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await.expect("a server");
    let mut connection = pin!(connection);
    let work = async {
        let columns = "delivery_id uuid PRIMARY KEY, event json NOT NULL";
        client.batch_execute(&format!("CREATE TABLE IF NOT EXISTS {table} ({columns})")).await.expect("a table");
        let rows = "SELECT * FROM UNNEST($1::uuid[], $2::text[]::json[])";
        let insert = format!("INSERT INTO {table} {rows} ON CONFLICT DO NOTHING");
        let insert = client.prepare(&insert).await.expect("a statement");
        let mut n = 0;
        while !until.is_over() {
            let ids: Vec<Uuid> = (0..UNDER_WAY).map(|_| Uuid::now_v7()).collect();
            let added = client.execute(&insert, &[&ids, &vec![body; UNDER_WAY]]).await.expect("confirmed");
            n += u32::try_from(added).expect("a batch");
        }
        n
    };
    tokio::select! {
        n = work => n,
        ended = &mut connection => panic!("the connection ended: {ended:?}"),
    }
}

async fn rabbitmq(address: &str, queue: &str, body: &str, until: &Until) -> u32 {
    let connection =
        lapin::Connection::connect(address, lapin::ConnectionProperties::default()).await.expect("a server");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirmations");
    let (mut confirmations, mut n) = (FuturesUnordered::new(), 0);
    while !until.is_over() {
        while confirmations.len() < UNDER_WAY {
            let id = Uuid::now_v7().to_string();
            let properties = lapin::BasicProperties::default().with_delivery_mode(2).with_message_id(id.into());
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let sent = channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties).await;
            confirmations.push(sent.expect("sent"));
        }
        assert!(confirmations.next().await.expect("one under way").expect("an answer").is_ack());
        n += 1;
    }
    n
}

async fn mqtt(address: &str, topic: &str, body: &str, until: &Until) -> u32 {
    let (host, port) = address.trim_start_matches("mqtt://").split_once(':').expect("an address");
    let options = MqttOptions::new("plain-loop", Broker::tcp(host, port.parse().expect("a port")));
    let (client, mut events) = rumqttc::AsyncClient::builder(options).capacity(UNDER_WAY).build();
    let driver = async {
        loop {
            events.poll().await.expect("a connection");
        }
    };
    let work = async {
        let (mut confirmations, mut n) = (FuturesUnordered::new(), 0);
        while !until.is_over() {
            while confirmations.len() < UNDER_WAY {
                let user_properties = vec![("delivery-id".to_owned(), Uuid::now_v7().to_string())];
                let properties = PublishProperties { user_properties, ..PublishProperties::default() };
                let options = PublishOptions::at_least_once().properties(properties);
                let sent = client.publish_tracked(topic, body, options).await;
                confirmations.push(sent.expect("sent").wait_completion_async());
            }
            confirmations.next().await.expect("one under way").expect("confirmed");
            n += 1;
        }
        n
    };
    tokio::select! {
        n = work => n,
        () = driver => 0,
    }
}

/// A file for each event, synced before it gets its name. The sink syncs its folders too.
#[cfg(feature = "object")]
async fn object(folder: &str, place: &str, body: String, until: &Until) -> u32 {
    use object_store::local::LocalFileSystem;
    use object_store::path::Path;
    use object_store::{ObjectStore, PutMode, PutOptions};
    let files = LocalFileSystem::new_with_prefix(folder).expect("a folder").with_fsync(true);
    let body = bytes::Bytes::from(body);
    let put = async || {
        let name = Path::from(format!("{place}/{}.json", Uuid::now_v7()));
        files.put_opts(&name, body.clone().into(), PutOptions::from(PutMode::Create)).await
    };
    let (mut confirmations, mut n) = (FuturesUnordered::new(), 0);
    while !until.is_over() {
        while confirmations.len() < AT_A_TIME {
            confirmations.push(put());
        }
        confirmations.next().await.expect("one under way").expect("stored");
        n += 1;
    }
    n
}

#[cfg(feature = "kafka")]
async fn kafka(address: &str, topic: &str, body: &str, until: &Until) -> u32 {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", address).set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "0");
    let producer: FutureProducer = client.create().expect("a producer");
    let (mut confirmations, mut n) = (FuturesUnordered::new(), 0);
    while !until.is_over() {
        while confirmations.len() < UNDER_WAY {
            let key = Uuid::now_v7().to_string();
            let sent = producer.send_result(FutureRecord::to(topic).key(&key).payload(body));
            confirmations.push(sent.map_err(|(error, _)| error).expect("sent"));
        }
        confirmations
            .next()
            .await
            .expect("one under way")
            .expect("an answer")
            .map_err(|(error, _)| error)
            .expect("kept");
        n += 1;
    }
    n
}
