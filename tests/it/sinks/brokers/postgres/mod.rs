//! PostgreSQL.

pub mod server;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reelhook::domain::Delivery;
use reelhook::sinks::{DeliveryError, Sink};
use tempfile::TempDir;
use tokio_postgres::Row;

use self::server::Server;
use super::certificates::{Certificates, SERVER_NAME};
use super::process::free_address;
use super::relay::Relay;
use super::{Arrived, Broker};
use crate::sinks::samples::{build, delivery, mistakes, retried, with_client_context};

pub struct Postgres(Server);

/// What a table of one's own needs at least.
const OWN_TABLE: &str = "delivery_id uuid PRIMARY KEY, event_id uuid, type text, time timestamptz, client_context text, \
                         call_id text, operation_id text, tenant text, event jsonb";

impl Postgres {
    async fn with(settings: &str) -> Self {
        Self(Server::start(settings, false).await)
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        build("postgres", &format!("{}{more}", Self::keys(self.0.address, "events"))).unwrap()
    }

    async fn rows(&self, question: &str) -> Vec<Row> {
        self.0.client().await.query(question, &[]).await.unwrap()
    }

    async fn count(&self) -> i64 {
        self.rows("SELECT count(*) FROM events").await[0].get(0)
    }
}

#[async_trait]
impl Broker for Postgres {
    const KIND: &'static str = "postgres";
    const TOO_LARGE: (usize, &'static str) = (1 << 20, "at_most_1048576_bytes");
    const MAKES_PLACES: bool = true;

    async fn start(login: Option<(&str, &str)>) -> Self {
        Self(Server::start("", login.is_some()).await)
    }

    fn address(&self) -> SocketAddr {
        self.0.address
    }

    async fn make(&self, place: &str) {
        self.0
            .run(&[&format!(
                "CREATE TABLE \"{place}\" (position bigint GENERATED ALWAYS AS IDENTITY, delivery_id uuid PRIMARY KEY, \
                 event_id uuid NOT NULL, type text, time timestamptz NOT NULL, client_context text, call_id text, \
                 operation_id text, tenant text, event json NOT NULL, \
                 CONSTRAINT at_most_1048576_bytes CHECK (octet_length(event::text) <= 1048576)); \
                 GRANT INSERT, SELECT ON \"{place}\" TO PUBLIC"
            )])
            .await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        format!("url = 'postgres://{address}/postgres'\ntable = '{place}'\n")
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        // The table is the same for every event.
        Self::keys(address, place)
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let rows =
            self.rows(&format!("SELECT delivery_id::text, event::text FROM \"{place}\" ORDER BY position")).await;
        let arrived =
            rows.iter().map(|row| Arrived { id: row.get(0), event: serde_json::from_str(row.get(1)).unwrap() });
        arrived.collect()
    }

    async fn stop(&mut self) {
        self.0.stop().await;
    }

    async fn restart(&mut self) {
        self.0.restart().await;
    }
}

super::suite::suite!(Postgres);

/// The keys of the user that may do little.
fn auth(folder: &TempDir) -> String {
    let file = folder.path().join("password");
    fs::write(&file, super::LOGIN.1).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    format!("auth = {{ user = '{}', password = {{ file = {file:?} }} }}\n", super::LOGIN.0)
}

async fn deliver_all(sink: &dyn Sink, deliveries: &[Delivery]) -> Vec<Result<(), DeliveryError>> {
    sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_row_has_the_columns_that_the_page_lists() {
    let server = Postgres::with("").await;
    server.sink("").deliver(&delivery(7)).await.unwrap();
    let rows = server
        .rows(
            "SELECT position::text, delivery_id::text, event_id::text, type, to_char(time AT TIME ZONE 'UTC', \
             'YYYY-MM-DD HH24:MI:SS.MS'), client_context, call_id, operation_id, tenant, event->>'id' FROM events",
        )
        .await;
    let found: Vec<String> = (0..10).map(|n| rows[0].get(n)).collect();
    let event = delivery(7).event;
    assert_eq!(
        found,
        [
            "1",
            &delivery(7).id.to_string(),
            &event.id.to_string(),
            "recordOperation.completed",
            "2026-11-24 05:35:03.250",
            "support-7",
            "call-7",
            "op-7",
            event.envelope.tenant_id.as_deref().unwrap(),
            &event.id.to_string(),
        ]
    );
}

#[tokio::test]
async fn a_repeat_is_inserted_once_and_counts_as_delivered() {
    let server = Postgres::with("").await;
    let sink = server.sink("");
    assert_eq!(deliver_all(&*sink, &[1, 2, 2, 1].map(delivery)).await, vec![Ok(()); 4]);
    assert_eq!(deliver_all(&*sink, &[2, 3].map(delivery)).await, vec![Ok(()); 2]);
    assert_eq!(server.count().await, 3);
}

#[tokio::test]
async fn a_batch_is_one_round_trip() {
    let server = Postgres::with("").await;
    let relay = Relay::start(server.0.address).await;
    let sink = build("postgres", &Postgres::keys(relay.address, "events")).unwrap();
    sink.deliver(&delivery(1000)).await.unwrap();
    let deliveries: Vec<_> = (0..256).map(delivery).collect();
    let before = relay.n_turns();
    assert_eq!(deliver_all(&*sink, &deliveries).await, vec![Ok(()); 256]);
    assert_eq!((relay.n_turns() - before, server.count().await), (1, 257));
}

#[tokio::test]
async fn a_row_that_is_refused_holds_up_no_neighbour_and_its_reason_does_not_repeat_it() {
    let server = Postgres::with("").await;
    let table = OWN_TABLE.replace("event jsonb", "event jsonb CHECK (event->>'clientcontext' <> 'support-2')");
    server.0.run(&[&format!("CREATE TABLE events ({table})")]).await;
    let results = deliver_all(&*server.sink("include_access_token = true"), &[1, 2, 3].map(delivery)).await;
    let [Ok(()), Err(DeliveryError::Reject { reason }), Ok(())] = &results[..] else { panic!("{results:?}") };
    assert!(reason.contains("violates check constraint") && reason.contains("23514"), "{reason}");
    assert!(!reason.contains("canary") && !reason.contains("support"), "{reason}");
    assert_eq!(server.count().await, 2);
}

#[tokio::test]
async fn a_row_that_has_to_wait_holds_up_its_own_call_only() {
    let server = Postgres::with("").await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                  IF new.client_context = 'support-2' THEN RAISE 'not yet'; END IF; RETURN new; END $$";
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()";
    server.0.run(&[&format!("CREATE TABLE events ({OWN_TABLE})"), refuse, trigger]).await;
    let mut follower = delivery(4);
    Arc::make_mut(&mut follower.event).envelope = delivery(2).event.envelope.clone();
    let sink = server.sink("");
    let results = deliver_all(&*sink, &[delivery(1), delivery(2), delivery(3), follower]).await;
    let [Ok(()), first, Ok(()), second] = &results[..] else { panic!("{results:?}") };
    for waiting in [first, second] {
        let (reason, pauses, _) = retried(waiting.clone());
        assert!(reason.starts_with("not yet") && !pauses, "{reason}");
    }
    assert_eq!(server.count().await, 2);
}

#[tokio::test]
async fn a_nul_is_kept_in_the_event_and_its_column_is_null() {
    let server = Postgres::with("").await;
    server.sink("").deliver(&with_client_context(1, "a\0b")).await.unwrap();
    let rows = server.rows("SELECT client_context, event::text FROM events").await;
    assert_eq!(rows[0].get::<_, Option<&str>>(0), None);
    assert!(rows[0].get::<_, &str>(1).contains(r"a\u0000b"));
    server.0.run(&["DROP TABLE events", &format!("CREATE TABLE events ({OWN_TABLE})")]).await;
    let refused = server.sink("").deliver(&with_client_context(2, "a\0b")).await;
    assert!(matches!(&refused, Err(DeliveryError::Reject { reason }) if reason.contains("22P05")), "{refused:?}");
}

#[tokio::test]
async fn a_table_that_is_missing_or_is_another_pauses_the_sink() {
    let server = Postgres::with("").await;
    let sink = server.sink("create_table = false");
    for (statement, words) in [
        ("SELECT 1", "42P01"),
        ("CREATE TABLE events (delivery_id uuid)", "42703"),
        (&format!("DROP TABLE events; CREATE TABLE events ({})", OWN_TABLE.replace(" PRIMARY KEY", "")), "42P10"),
    ] {
        server.0.run(&[statement]).await;
        for result in [sink.deliver(&delivery(1)).await, sink.probe().await.map(drop)] {
            let (reason, pauses, _) = retried(result);
            assert!(pauses && reason.contains(words), "{reason}");
        }
    }
    server.0.run(&["CREATE UNIQUE INDEX ON events (delivery_id)"]).await;
    sink.probe().await.unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.count().await, 1);
}

#[tokio::test]
async fn a_user_without_rights_is_told_and_needs_none_to_make_a_table_that_is_there() {
    let server = Postgres(Server::start("", true).await);
    let folder = tempfile::tempdir().unwrap();
    server.0.run(&["CREATE SCHEMA own"]).await;
    let keys = Postgres::keys(server.0.address, "own.events");
    let sink = build("postgres", &(keys + &auth(&folder))).unwrap();
    assert!(retried(sink.deliver(&delivery(1)).await).0.contains("42501"));
    let grant = format!("GRANT USAGE ON SCHEMA own TO {}", super::LOGIN.0);
    server.0.run(&[&grant]).await;
    assert!(retried(sink.probe().await).0.contains("the user may not make it"));
    server.0.run(&[&format!("CREATE TABLE own.events ({OWN_TABLE})")]).await;
    assert!(retried(sink.probe().await).0.contains("permission denied for table"));
    server.0.run(&[&format!("GRANT INSERT, SELECT ON own.events TO {}", super::LOGIN.0)]).await;
    sink.probe().await.unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_nothing_pauses_the_sink_until_it_takes_events_again() {
    let server = Postgres::with("").await;
    let folder = tempfile::tempdir().unwrap();
    let sink = server.sink(&auth(&folder));
    let (user, end_all) = (
        super::LOGIN.0,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'reelhook'",
    );
    sink.deliver(&delivery(0)).await.unwrap();
    for (bad, good, words) in [
        (vec![end_all.to_owned()], vec![], "57P01"),
        (
            vec![format!("ALTER ROLE {user} SET default_transaction_read_only = on"), end_all.to_owned()],
            vec![format!("ALTER ROLE {user} SET default_transaction_read_only = off")],
            "25006",
        ),
        (
            vec![format!("ALTER ROLE {user} CONNECTION LIMIT 0"), end_all.to_owned()],
            vec![format!("ALTER ROLE {user} CONNECTION LIMIT -1")],
            "53300",
        ),
    ] {
        server.0.run(&bad.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let began = Instant::now();
        loop {
            let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
            assert!(pauses && began.elapsed() < Duration::from_secs(30), "{words}: {reason}");
            // The connection that was ended is told first.
            if reason.contains(words) || (words == "57P01" && reason.contains("connection")) {
                break;
            }
        }
        server.0.run(&good.iter().map(String::as_str).collect::<Vec<_>>()).await;
        sink.deliver(&delivery(1)).await.unwrap();
        server.0.run(&["DELETE FROM events WHERE delivery_id <> '00000000-0000-0000-0000-0000000003e8'"]).await;
    }
}

#[tokio::test]
async fn of_several_servers_the_one_that_takes_writes_is_used() {
    let (read_only, good) = tokio::join!(Postgres::with("default_transaction_read_only = on"), Postgres::with(""));
    let hosts = format!("{},{},{}", free_address(), read_only.0.address, good.0.address);
    let sink = build("postgres", &format!("url = 'postgres://{hosts}/postgres'\ntable = 'events'")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(good.count().await, 1);
}

#[tokio::test]
async fn a_probe_tells_what_a_commit_is_worth_and_makes_nothing() {
    let server = Postgres::with("").await;
    let sink = server.sink("");
    assert_eq!(sink.probe().await.unwrap(), Vec::<String>::new());
    assert!(server.rows("SELECT 1 FROM pg_tables WHERE tablename = 'events'").await.is_empty());
    let table = format!("CREATE UNLOGGED TABLE events ({OWN_TABLE})");
    server.0.run(&[&table, "ALTER DATABASE postgres SET synchronous_commit = off"]).await;
    let warnings = sink.probe().await.unwrap();
    assert!(warnings.len() == 2 && warnings[0].contains("synchronous_commit is off"), "{warnings:?}");
    assert!(warnings[1].contains("UNLOGGED"), "{warnings:?}");
    let unsynced = Postgres::with("fsync = off").await;
    let warnings = unsynced.sink("").probe().await.unwrap();
    assert!(warnings.len() == 1 && warnings[0].starts_with("fsync is off"), "{warnings:?}");
}

#[tokio::test]
async fn an_encrypted_server_is_reached_with_its_authority() {
    let made = Certificates::make();
    let (certificate, key) = (fs::read(made.path("server.pem")).unwrap(), fs::read(made.path("server.key")).unwrap());
    let server =
        Postgres(Server::start_with(&[("server.crt", certificate), ("server.key", key)], "ssl = on", false).await);
    let ca = made.path("authority.pem");
    let sink = server.sink(&format!("tls = {{ ca = {ca:?}, server_name = '{SERVER_NAME}' }}"));
    sink.deliver(&delivery(1)).await.unwrap();
    let encrypted =
        "SELECT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'reelhook'";
    assert_eq!(server.rows(encrypted).await[0].get::<_, &str>(0), "true");
    for (tls, words) in
        [("tls = {}".to_owned(), "UnknownIssuer"), (format!("tls = {{ ca = {ca:?} }}"), "not valid for name")]
    {
        let (reason, pauses, _) = retried(server.sink(&tls).deliver(&delivery(2)).await);
        assert!(pauses && reason.contains(words), "{reason}");
    }
    let plain = Postgres::with("").await;
    let keys = format!("url = 'postgres://{}/postgres?sslmode=require'\ntable = 'events'", plain.0.address);
    assert!(
        retried(build("postgres", &keys).unwrap().deliver(&delivery(1)).await).1,
        "a server without TLS is refused"
    );
}

#[test]
fn an_address_or_a_table_that_is_none_is_a_mistake() {
    for url in ["http://h/d", "postgres://", "host=h dbname=d", "postgres://h:x/d", "postgres://h/d?canary=1"] {
        let told = mistakes("postgres", &format!("url = '{url}'\ntable = 'a'"));
        assert!(told.starts_with("sinks.crm.url: found ") && !told.contains("canary"), "{told}");
    }
    for url in ["postgres://user:canary@h/d", "postgres://h/d?password=canary", "postgres://user@h/d"] {
        let told = mistakes("postgres", &format!("url = '{url}'\ntable = 'a'"));
        assert!(told.starts_with("sinks.crm.url: found a user or a password") && !told.contains("canary"), "{told}");
    }
    for table in ["", "1a", "a b", "a.b.c", "a\"; DROP TABLE b; --", ".a", "a.", &"a".repeat(64)] {
        let told = mistakes("postgres", &format!("url = 'postgres://h/d'\ntable = '{table}'"));
        assert!(told.starts_with("sinks.crm.table: found "), "{told}");
    }
}
