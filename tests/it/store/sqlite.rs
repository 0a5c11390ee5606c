//! What concerns the SQLite store alone: its files, its lock, its key, operators beside it, damage.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

fn sqlite() -> TestStore {
    TestStore::new(open_sqlite)
}

fn operator(test: &TestStore) -> SqliteStore {
    SqliteStore::open_for_operator(&test.settings, test.clock.clone()).unwrap()
}

/// A connection of our own, to look and to damage.
fn raw(test: &TestStore) -> Connection {
    Connection::open(&test.settings.path).unwrap()
}

fn folder(test: &TestStore) -> &Path {
    test.settings.path.parent().unwrap()
}

/// What is on the disk now, as a kill would leave it.
fn copy_of_the_files(test: &TestStore) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    for entry in std::fs::read_dir(folder(test)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join("data").join(entry.file_name())).unwrap();
    }
    copy
}

pub(super) fn after_a_kill(test: &TestStore, clock: Clock) -> TestStore {
    TestStore::on(copy_of_the_files(test), clock, open_sqlite)
}

fn is_on_disk(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text)
    })
}

fn unusable(result: Result<SqliteStore, StoreError>) -> String {
    match result.err() {
        Some(StoreError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn reopened(test: &TestStore) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&test.settings, test.clock.clone())
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_is_due_at_once() {
    let test = sqlite();
    let mut fresh = test.process.queues.open(&SinkName::new("archive"), &room(1), TTL);
    let told =
        || vec![recording("1").to(&["archive"]), recording("2").to(&["archive"]), resource("{}").to(&["archive"])];
    test.accept(told()).await;
    let in_flight = fresh.try_recv().unwrap();
    let leased = test.lease("archive").await;
    assert_eq!(leased.len(), 2);
    let after = after_a_kill(&test, test.clock.clone());
    let again = after.lease("archive").await;
    assert_eq!(again.len(), 3, "the leases died with their process");
    assert!(again.iter().any(|lease| lease.delivery.id == in_flight.delivery.id), "under the same id");
    assert!(after.accept(told()).await.iter().all(is_duplicate));
    after.settle(in_flight, Settlement::Dead { reason: "the old process's word".into() }).await;
    assert_eq!(after.store.backlog().await.unwrap()[&SinkName::new("archive")].n_dead, 0);
}

#[tokio::test]
async fn after_a_kill_what_was_accepted_last_is_recognised_once() {
    let test = sqlite();
    let told = |text: &str| vec![resource(text).to(&["archive"])];
    test.accept(told("before")).await;
    test.pass(SignedDuration::from_secs(11));
    test.accept(told("in time")).await;
    test.pass(SignedDuration::from_secs(10));
    test.accept(told("last")).await;
    let mut after = after_a_kill(&test, test.clock.clone());
    after.pass(HOUR);
    assert!(!is_duplicate(&after.accept(told("before")).await[0]));
    for text in ["in time", "last"] {
        assert!(is_duplicate(&after.accept(told(text)).await[0]), "{text}");
        assert!(!is_duplicate(&after.accept(told(text)).await[0]), "{text}, once more");
    }
    // A stop in order leaves nothing open.
    after.accept(told("answered")).await;
    after.reopen(|_| {}).await;
    assert!(!is_duplicate(&after.accept(told("answered")).await[0]));
}

#[tokio::test]
async fn a_kill_among_concurrent_requests_loses_nothing_acknowledged_and_splits_no_batch() {
    let test = sqlite();
    let request = async |n: u32| {
        let batch =
            ["a", "b", "c"].map(|part| recording(&format!("{n}-{part}")).context(&n.to_string()).to(&["archive"]));
        test.accept(batch.into()).await;
        n
    };
    let mut acknowledged = Vec::new();
    let mut requests: futures_util::stream::FuturesUnordered<_> = (0..300).map(request).collect();
    use futures_util::StreamExt;
    while acknowledged.len() < 100 {
        acknowledged.push(requests.next().await.unwrap());
    }
    let after = after_a_kill(&test, test.clock.clone());
    let mut n_by_request = BTreeMap::<String, u32>::new();
    loop {
        let leases = after.lease("archive").await;
        if leases.is_empty() {
            break;
        }
        for lease in leases {
            let context = lease.delivery.event.client_context.as_ref().unwrap().to_string();
            *n_by_request.entry(context).or_default() += 1;
        }
    }
    assert!(n_by_request.values().all(|n| *n == 3), "a batch is stored whole or not at all");
    assert!(acknowledged.iter().all(|n| n_by_request.contains_key(&n.to_string())));
}

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_has_closed() {
    let test = sqlite();
    match reopened(&test) {
        Err(StoreError::Locked { path }) => assert!(path.ends_with("reelhook.db.lock"), "{path}"),
        other => panic!("{:?}", other.err()),
    }
    test.store.close().await;
    assert!(reopened(&test).is_ok());
}

#[tokio::test]
async fn a_store_that_was_dropped_has_ended_and_the_next_one_opens_at_once() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(Timestamp::UNIX_EPOCH));
    for n in 0..20 {
        let store = SqliteStore::open(&settings(&folder), clock.clone()).unwrap();
        let accepted = vec![recording(&n.to_string()).to(&["archive"])];
        store.accept(Batch { received_at: clock.now(), accepted, quarantined: Vec::new() }).await.unwrap();
    }
}

#[tokio::test]
async fn folder_file_and_key_are_private() {
    let test = sqlite();
    test.accept(vec![recording("1").to(&[])]).await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder(&test)), 0o700);
    for entry in std::fs::read_dir(folder(&test)).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn no_secret_is_ever_on_the_disk_in_the_clear() {
    let test = sqlite();
    let canary = "canary-3f1c";
    let told = recording("1").token(canary).with(|operation| operation.recording_location = Some(canary.into()));
    let batch = vec![told.to(&["archive"]), resource(&format!("{{\"text\":\"{canary}\"}}")).to(&[])];
    test.accept_batch(batch, vec![refused(canary)]).await.unwrap();
    assert!(!is_on_disk(folder(&test), canary.as_bytes()));
    let lease = test.lease_one("archive").await;
    assert_eq!(lease.delivery.event.recording_access_token.as_ref().unwrap().expose_secret(), canary);
    assert!(lease.delivery.event.data.contains(canary));
    test.deliver(lease).await;
    test.store.close().await;
    assert!(!is_on_disk(folder(&test), canary.as_bytes()));
    assert!(is_on_disk(folder(&test), b"recordOperation.completed"), "this test can see what is on the disk");
}

#[tokio::test]
async fn a_wiped_token_leaves_no_sealed_copy_in_the_database() {
    let test = sqlite();
    let text = "x".repeat(20_000);
    test.accept(vec![recording("1").token("t").to(&["archive"]), recording("2").token(&text).to(&[])]).await;
    let lease = test.lease_one("archive").await;
    test.deliver(lease).await;
    let sealed = |test: &TestStore| -> Vec<Vec<u8>> {
        let connection = raw(test);
        let mut statement = connection.prepare("SELECT sealed FROM events ORDER BY seq").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let before = sealed(&test);
    test.pass(HOUR * 25);
    test.sweep().await;
    let after = sealed(&test);
    assert!(after[0].len() < before[0].len() && after[1].len() < before[1].len() - 40_000, "the raw item is gone too");
    test.store.close().await;
    for sealed in before {
        for piece in [&sealed[..32], &sealed[sealed.len() - 32..]] {
            assert!(!is_on_disk(folder(&test), piece));
        }
    }
    assert!(is_on_disk(folder(&test), &after[0]));
}

#[tokio::test]
async fn another_key_is_noticed_at_the_start() {
    let test = sqlite();
    test.accept(vec![recording("1").to(&["archive"])]).await;
    test.store.close().await;
    let mut settings = test.settings.clone();
    settings.encryption_key = Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into());
    let text = unusable(SqliteStore::open(&settings, test.clock.clone()));
    assert!(text.contains("sealed with another key"), "{text}");
    assert!(reopened(&test).is_ok(), "and nothing was changed");
}

#[tokio::test]
async fn what_is_not_a_store_is_refused_and_left_alone() {
    let test = sqlite();
    test.store.close().await;
    let place = |name: &str| {
        let mut settings = test.settings.clone();
        settings.path = folder(&test).join(name);
        settings.encryption_key = Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into());
        settings
    };
    let text_file = place("notes.txt");
    std::fs::write(&text_file.path, "not a database".repeat(1000)).unwrap();
    let text = unusable(SqliteStore::open(&text_file, test.clock.clone()));
    assert!(text.contains("notes.txt") && text.contains("move it away to begin a new one"), "{text}");
    assert_eq!(std::fs::read(&text_file.path).unwrap(), "not a database".repeat(1000).as_bytes());

    let foreign = place("photos.db");
    Connection::open(&foreign.path).unwrap().execute_batch("CREATE TABLE photos (id)").unwrap();
    let text = unusable(SqliteStore::open(&foreign, test.clock.clone()));
    assert!(text.contains("another application"), "{text}");
    let text = unusable(SqliteStore::open_for_operator(&foreign, test.clock.clone()));
    assert!(text.contains("another application"), "{text}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let test = sqlite();
    raw(&test).execute("INSERT INTO migrations (name, sha256) VALUES ('9999_later', x'00')", []).unwrap();
    assert!(unusable(SqliteStore::open_for_operator(&test.settings, test.clock.clone())).contains("version"));
    test.store.close().await;
    assert!(unusable(reopened(&test)).contains("newer reelhook"));
}

#[tokio::test]
async fn a_store_of_an_earlier_version_is_brought_up_to_date_with_what_is_in_it() {
    let test = sqlite();
    test.accept_batch(vec![recording("1").to(&["archive"])], vec![refused("a")]).await.unwrap();
    test.store.close().await;
    raw(&test)
        .execute_batch("ALTER TABLE quarantine DROP COLUMN tenant_id; DELETE FROM migrations WHERE name LIKE '%_quarantine_tenant'")
        .unwrap();
    assert!(unusable(SqliteStore::open_for_operator(&test.settings, test.clock.clone())).contains("version"));
    let store = reopened(&test).unwrap();
    assert!(store.wish_replay(1, true).await.unwrap());
    let wishes = store.replay_wishes(10).await.unwrap();
    assert_eq!((wishes.len(), &wishes[0].tenant_id, &*wishes[0].raw.0), (1, &None, &b"a"[..]));
    assert_eq!(store.backlog().await.unwrap()[&SinkName::new("archive")].n_open, 1);
    store.close().await;
}

#[tokio::test]
async fn the_newest_events_are_the_newest_of_an_operation_that_had_many_in_an_earlier_version() {
    for (n_before, n_after) in [(250, 10), (150, 100), (150, 300)] {
        let test = sqlite();
        accept_chain(&*test.store, test.clock.now(), n_before).await;
        let number = test.operations.get(&GraphId::new("chain").unwrap(), None).await.unwrap().unwrap().number;
        test.store.close().await;
        raw(&test)
            .execute_batch(
                "DROP INDEX events_of_long_operation; ALTER TABLE events DROP COLUMN long_operation; \
                 ALTER TABLE operations DROP COLUMN n_unchanged; DELETE FROM migrations WHERE name LIKE '%_long_operations'",
            )
            .unwrap();
        let store = reopened(&test).unwrap();
        for n in 0..n_after {
            let accepted = vec![link(&format!("later-{n}"), "archive")];
            let batch = Batch { received_at: test.clock.now(), accepted, quarantined: Vec::new() };
            store.accept(batch).await.unwrap();
        }
        let newest = store.newest_events(number, 5).await.unwrap();
        let told: Vec<_> = newest.events.iter().filter_map(|it| it.client_context.clone()).collect();
        let expected: Vec<_> = (n_after - 5..n_after).map(|n| format!("later-{n}")).collect();
        assert_eq!(told, expected, "{n_before} before, {n_after} after");
        assert_eq!(store.newest_events(number, 200).await.unwrap().events.len(), 200);
        assert_eq!(newest.counted.n, (n_before + n_after) as u64);
        store.close().await;
    }
}

#[tokio::test]
async fn a_command_makes_no_store_where_none_is() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let text = unusable(SqliteStore::open_for_operator(&settings(&folder), clock));
    assert!(text.contains("found no store here"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_command_beside_the_server_takes_no_lock_and_gives_none_back() {
    let test = sqlite();
    let archive = SinkName::new("archive");
    test.accept(vec![recording("1").to(&["archive"])]).await;
    test.bury(test.lease_one("archive").await).await;
    let beside = operator(&test);
    assert_eq!(beside.deliveries(DeliveryState::Dead, None, Newest::up_to(10)).await.unwrap().len(), 1);
    assert_eq!(test.store.next_due(&archive).await.unwrap(), None);
    beside.close().await;
    assert_eq!(test.store.replay_all(None).await, 1);
    assert!(test.store.next_due(&archive).await.unwrap().is_some());
    test.store.ready().await.unwrap();
    assert!(matches!(reopened(&test), Err(StoreError::Locked { .. })), "the command took no lock and gave none back");
}

#[tokio::test]
async fn a_damaged_event_is_a_dead_letter_and_its_neighbours_go_on() {
    let test = sqlite();
    let told = (0..4).map(|n| recording(&format!("op-{n}")).context(&n.to_string()).to(&["archive"])).collect();
    test.accept(told).await;
    test.accept(vec![recording("op-0").status(Status::Failed).context("next").to(&["archive"])]).await;
    let connection = raw(&test);
    connection.execute("UPDATE events SET sealed = zeroblob(99) WHERE client_context = '0'", []).unwrap();
    let swap =
        "UPDATE events SET sealed = (SELECT sealed FROM events WHERE client_context = '2') WHERE client_context = '1'";
    connection.execute(swap, []).unwrap();
    let leases = test.lease("archive").await;
    let whole: Vec<_> = leases.iter().map(|lease| lease.delivery.event.client_context.clone().unwrap()).collect();
    let expected = ["next", "2", "3"].map(|context| ClientContext::new(context).unwrap());
    assert_eq!(whole, expected, "the next one waits for nothing any more");
    let dead = test.store.deliveries(DeliveryState::Dead, None, Newest::up_to(10)).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|letter| letter.reason.contains("cannot be opened") && letter.n_attempts == 0), "{dead:?}");
    test.settle_all(leases, &Settlement::Delivered).await;
    assert_eq!(test.store.backlog().await.unwrap()[&SinkName::new("archive")].n_open, 0);
}

#[tokio::test]
async fn a_damaged_quarantine_entry_is_no_wish_and_its_neighbours_are() {
    let test = sqlite();
    test.accept_batch(Vec::new(), vec![refused("a"), refused("b")]).await.unwrap();
    raw(&test)
        .execute("UPDATE quarantine SET wish = 0, sealed = CASE id WHEN 1 THEN x'00' ELSE sealed END", [])
        .unwrap();
    let wishes = test.store.replay_wishes(10).await.unwrap();
    assert_eq!(wishes.iter().map(|wish| wish.raw.0.to_vec()).collect::<Vec<_>>(), [b"b".to_vec()]);
    let n_wishes: i64 = raw(&test).query_row("SELECT count(wish) FROM quarantine", [], |row| row.get(0)).unwrap();
    assert_eq!(n_wishes, 1);
}

#[tokio::test]
async fn a_quarantine_number_is_never_given_twice() {
    let mut test = sqlite();
    test.accept_batch(Vec::new(), vec![refused("a")]).await.unwrap();
    let id = test.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id;
    test.store.end_wish(id, None).await.unwrap();
    test.reopen(|_| {}).await;
    test.accept_batch(Vec::new(), vec![refused("b")]).await.unwrap();
    assert!(test.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id > id);
}

#[tokio::test]
async fn nothing_is_left_of_an_event_that_retention_removed() {
    let test = sqlite();
    test.accept(vec![
        recording("1").token("t").to(&["archive", "crm"]),
        recording("2").graph_id("n", "s").to(&[]),
        resource("{}").to(&["archive"]),
    ])
    .await;
    for sink in ["archive", "crm"] {
        for lease in test.lease(sink).await {
            test.bury(lease).await;
        }
    }
    test.pass(HOUR * 24 * 60);
    test.sweep().await;
    for table in ["operations", "events", "lookups", "deliveries", "attempts", "upkeep"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let n: i64 = raw(&test).query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(n, 0, "{table}");
    }
}

/// The columns of a query's plan that say how a table is reached.
fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
    steps.join("; ")
}

#[tokio::test]
async fn the_queries_of_the_hot_path_scan_nothing() {
    let test = sqlite();
    let connection = raw(&test);
    for sql in [
        "SELECT o.seq FROM lookups l JOIN operations o ON o.seq = l.target WHERE l.hash = 1 AND o.id = 'x'",
        "SELECT e.hash FROM lookups_recent l CROSS JOIN events e ON e.seq = l.target WHERE l.hash = 1 AND e.graph_id IS NULL ORDER BY l.target DESC LIMIT 9",
        "SELECT id FROM events INDEXED BY events_by_bytes WHERE op_seq = 1 AND hash = x'00' ORDER BY seq DESC LIMIT 9",
        "SELECT seq FROM deliveries INDEXED BY deliveries_unsettled WHERE sink = 'x' AND op_seq = 1 AND state < 2 AND state = 1 ORDER BY seq LIMIT 9",
        "SELECT 1 FROM operations WHERE client_context = 'x' AND is_terminal = 0 AND seq <> 1 LIMIT 1",
        "SELECT look_at, event FROM upkeep WHERE look_at <= 1 ORDER BY look_at LIMIT 9",
        "SELECT seq, at FROM deliveries INDEXED BY deliveries_due WHERE sink = 'x' AND state = 0 AND is_leased = 0 AND at <= 1 \
         UNION ALL SELECT seq, at FROM deliveries INDEXED BY deliveries_due WHERE sink = 'x' AND state = 0 AND is_leased = 1 AND at <= 1 \
         ORDER BY at LIMIT 9",
        "SELECT seq, state FROM deliveries INDEXED BY deliveries_unsettled WHERE sink = 'x' AND state < 2 AND op_seq = 1 ORDER BY seq LIMIT 1",
        "UPDATE deliveries SET state = 2 WHERE seq = 1 AND lease_token = 1 AND is_leased = 1 AND state = 0",
    ] {
        let plan = plan(&connection, sql);
        assert!(plan.contains("SEARCH") && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
    let blocked = plan(&connection, "SELECT 1 FROM deliveries WHERE state = 1 LIMIT 1");
    assert!(blocked.contains("INDEX deliveries_blocked"), "{blocked}");
    let voided =
        plan(&connection, "SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND is_leased = 1");
    assert!(voided.contains("COVERING INDEX deliveries_due"), "{voided}");
}
