//! `reelhook store`: a copy of a store that is written to, and the search for damage.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::Server;
use super::site::Site;

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// A site whose server accepted and delivered these.
async fn with(contexts: &[&str]) -> (Site, Server) {
    let mut site = Site::new();
    let server = site.serve();
    for context in contexts {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    site.wait_for(contexts);
    (site, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_server_is_a_store_of_its_own_with_what_was_accepted_before_it() {
    let (mut site, server) = with(&["before"]).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let said = site.run(&["store", "backup", copy.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("copy.db: ") && said.err.contains("reelhook.db.key"), "{said:?}");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["copy.db"], "no log and no key");
    assert_eq!(site.post(&server, "after").await.status, 202);
    site.wait_for(&["after"]);
    server.kill();

    let key = folder.path().join("copy.db.key");
    fs::copy(site.folder.path().join("reelhook.db.key"), key).unwrap();
    let restored = Server::start_with(site.command(&["serve"]).env("REELHOOK__STORE__PATH", &copy));
    assert_eq!(site.run(&["explain", "before"]).code, Some(0));
    let after = site.run(&["explain", "after"]);
    assert_ne!(after.code, Some(0), "{after:?}");
    restored.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_replaces_no_file_and_leaves_nothing_where_it_fails() {
    let (site, server) = with(&["any"]).await;
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there.db");
    fs::write(&there, "mine").unwrap();
    let said = site.run(&["store", "backup", there.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.err.contains("a backup replaces nothing"), "{said:?}");
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    let nowhere = folder.path().join("missing/copy.db");
    assert_eq!(site.run(&["store", "backup", nowhere.to_str().unwrap()]).code, Some(1));
    assert_eq!(names(folder.path()), ["there.db"]);
    fs::remove_file(site.store()).unwrap();
    let said = site.run(&["store", "backup", folder.path().join("copy.db").to_str().unwrap()]);
    assert!(said.code == Some(1) && said.err.contains("found no store here"), "{said:?}");
    assert_eq!(names(folder.path()), ["there.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_has_no_damage_beside_its_server_and_without_it() {
    let (site, server) = with(&["one", "two"]).await;
    let said = site.run(&["store", "check"]);
    assert!(said.code == Some(0) && said.out.is_empty() && said.err.contains("no damaged places"), "{said:?}");
    server.kill();
    let said = site.run(&["store", "check", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(found["tables"].as_u64().unwrap() > 20 && found["encryptedValues"].as_u64().unwrap() >= 2, "{found}");
    assert_eq!(found["damage"], serde_json::json!([]));
}

/// Makes the log part of the database.
fn copy_log(store: &Path) {
    Connection::open(store).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(())).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_damage_is_a_line() {
    type Harm = (&'static str, fn(&Path));
    let harms: [Harm; 3] = [
        // The last bytes of a sealed value are its tag.
        ("events: seq ", |store| {
            let sql = "UPDATE events SET sealed = substr(sealed, 1, length(sealed) - 1) || x'00' || x'01' WHERE seq = (SELECT min(seq) FROM events)";
            assert_eq!(Connection::open(store).unwrap().execute(sql, []).unwrap(), 1);
        }),
        ("the waiting deliveries and dead letters of the sink \"hook\"", |store| {
            let sql = "INSERT INTO backlogs (sink, n_open, n_dead) VALUES ('hook', 7, 0) ON CONFLICT (sink) DO UPDATE \
                       SET n_open = n_open + 7";
            assert_eq!(Connection::open(store).unwrap().execute(sql, []).unwrap(), 1);
        }),
        ("table deliveries: ", |store| {
            let sql = "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master \
                       WHERE name = 'deliveries_unsettled'";
            let (page, page_bytes): (u64, u64) = Connection::open(store)
                .unwrap()
                .query_row(sql, [], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))
                .unwrap();
            let mut file = OpenOptions::new().read(true).write(true).open(store).unwrap();
            let mut bytes = vec![0; 8];
            file.seek(SeekFrom::Start((page - 1) * page_bytes)).unwrap();
            file.read_exact(&mut bytes).unwrap();
            file.seek(SeekFrom::Start((page - 1) * page_bytes)).unwrap();
            file.write_all(&bytes.iter().map(|byte| !byte).collect::<Vec<_>>()).unwrap();
        }),
    ];
    for (line, harm) in harms {
        let (site, server) = with(&["one"]).await;
        server.kill();
        copy_log(&site.store());
        harm(&site.store());
        let said = site.run(&["store", "check"]);
        assert!(said.code == Some(1) && said.out.contains(line), "{line}: {said:?}");
        assert!(said.err.contains("what to do: "), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_checked_with_the_key_of_the_config_and_another_key_is_told() {
    let (site, server) = with(&["one"]).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    assert_eq!(site.run(&["store", "backup", copy.to_str().unwrap()]).code, Some(0));
    server.kill();
    let arguments = ["store", "check", "--store", copy.to_str().unwrap()];
    assert_eq!(site.run(&arguments).code, Some(0));
    let mut other = site.command(&arguments);
    other.env("REELHOOK__STORE__ENCRYPTION_KEY", "{ env = \"OTHER_KEY\" }").env("OTHER_KEY", "A".repeat(43) + "=");
    let other = other.output().unwrap();
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("key"), "{other:?}");
}
