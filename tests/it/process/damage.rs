//! A store that was damaged: it is said once, where people and machines look, with what to do.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::Connection;

use super::site::Site;
use super::{Server, eventually};

/// Overwrites the first page of a table or an index.
fn damage(store: &Path, name: &str) {
    let database = Connection::open(store).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned();
    let page = number(&format!("SELECT rootpage FROM sqlite_master WHERE name = '{name}'"));
    let n_bytes = number("PRAGMA page_size");
    drop(database);
    let mut file = fs::OpenOptions::new().write(true).open(store).unwrap();
    file.seek(SeekFrom::Start((page - 1) * n_bytes)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(n_bytes).unwrap()]).unwrap();
}

async fn asked(server: &Server, path: &str) -> (u16, String) {
    let answer = reqwest::get(server.admin_url(path)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn is_told(server: &Server) {
    // What was found last holds for a second.
    eventually("it is not ready", async || asked(server, "/readyz").await.0 == 503).await;
    let (_, text) = asked(server, "/readyz").await;
    assert!(text.starts_with("not ready: the store is damaged"), "{text}");
    eventually("the metric tells", async || asked(server, "/metrics").await.1.contains("\nreelhook_store_damaged 1\n"))
        .await;
    assert!(asked(server, "/").await.1.contains("data-test=\"damaged\""), "the console tells");
    assert_eq!(asked(server, "/livez").await.0, 200, "it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_read_meets_is_one_error_and_not_ready() {
    let site = Site::new();
    let mut server = site.serve();
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    damage(&site.store(), "operations_by_status");
    let server = site.serve();
    assert_eq!(asked(&server, "/readyz").await.0, 200, "nothing looked there yet");
    for _ in 0..3 {
        let completed = "/v1.0/communications/recordOperations?$filter=status%20eq%20'completed'";
        assert_eq!(asked(&server, completed).await.0, 500);
    }
    is_told(&server).await;
    let errors: Vec<String> = server.log.try_iter().filter(|line| line.contains("\"ERROR\"")).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_where_the_start_counts_is_told_from_the_start() {
    let site = Site::new();
    let mut server = site.serve();
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    damage(&site.store(), "events_unmatched");
    let server = site.serve();
    assert_eq!(asked(&server, "/readyz").await.0, 503);
    is_told(&server).await;
    assert_eq!(asked(&server, "/v1.0/unmatched").await.0, 500);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_that_was_not_clean_the_database_is_checked_at_the_start() {
    let mut site = Site::new();
    let server = site.serve();
    assert_eq!(site.post(&server, "before").await.status, 202);
    site.wait_for(&["before"]);
    server.kill();
    let server = site.serve();
    assert_eq!(asked(&server, "/readyz").await.0, 200, "it was killed, and nothing is damaged");
    server.kill();
    // What the log holds would be copied over the damage.
    Connection::open(site.store()).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    damage(&site.store(), "attempts");
    let server = site.serve();
    is_told(&server).await;
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_behind_a_damaged_one_are_told_at_the_start() {
    let mut site = Site::new();
    let server = site.serve();
    for number in 0..5 {
        assert_eq!(site.post(&server, &format!("c-{number}")).await.status, 202);
    }
    server.kill();
    let path = site.folder.path().join("reelhook.db-wal");
    let mut log = fs::read(&path).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 1;
    fs::write(&path, &log).unwrap();
    let server = site.serve();
    let told: Vec<&String> = server.before.iter().filter(|line| line.contains("behind a damaged one")).collect();
    assert_eq!(told.len(), 1, "{:?}", server.before);
    assert!(told[0].contains("\"ERROR\""), "{told:?}");
    assert_eq!(fs::read(site.folder.path().join("reelhook.db-wal.damaged")).unwrap(), log, "a copy is kept");
    server.kill();
}
