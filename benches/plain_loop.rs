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
use uuid::Uuid;

/// What the sinks have in a batch.
const UNDER_WAY: usize = 256;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut next = || arguments.next().expect("KIND ADDRESS PLACE SECONDS");
    let (kind, address, place) = (next(), next(), next());
    let until = Until { began: Instant::now(), span: Duration::from_secs_f64(next().parse().expect("seconds")) };
    let mut body = String::new();
    stdin().read_to_string(&mut body).expect("a body");
    let n = match kind.as_str() {
        "nats" => nats(&address, &place, body, &until).await,
        "redis" => redis(&address, &place, &body, &until).await,
        "postgres" => postgres(&address, &place, &body, &until).await,
        _ => panic!("found {kind:?}, expected nats, redis or postgres"),
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
