//! The store's files are taken away, replaced or cut under a running server; or another server comes for them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::site::{Said, Site};
use super::{PATIENCE, Server};

/// Where the store of these tests is: in a folder of its own, which can be moved.
fn store(site: &Site) -> PathBuf {
    site.folder.path().join("data/reelhook.db")
}

fn command(site: &Site, store: &Path) -> Command {
    let mut command = site.command(&["serve"]);
    // The store refuses the second server, not the listener.
    command.env("REELHOOK__STORE__PATH", store).env("REELHOOK__ADMIN__LISTEN", "127.0.0.1:0");
    command
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", store.display()))
}

fn cut(path: &Path, n_bytes: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(n_bytes).unwrap();
}

/// Puts a copy in the file's place: the same bytes, another file.
fn replace(path: &Path) {
    let copy = beside(path, ".copy");
    fs::copy(path, &copy).unwrap();
    fs::rename(copy, path).unwrap();
}

/// A name, and how the files are harmed.
type Harm = (&'static str, fn(&Path));

const HARMS: [Harm; 9] = [
    ("the database is removed", |store| fs::remove_file(store).unwrap()),
    ("the database is renamed", |store| fs::rename(store, beside(store, ".old")).unwrap()),
    ("the database is replaced", replace),
    ("the database is cut", |store| cut(store, 100)),
    ("the log is removed", |store| fs::remove_file(beside(store, "-wal")).unwrap()),
    ("the log is replaced", |store| replace(&beside(store, "-wal"))),
    ("the log is cut", |store| cut(&beside(store, "-wal"), 0)),
    ("the index of the log is removed", |store| fs::remove_file(beside(store, "-shm")).unwrap()),
    ("the folder is renamed", |store| {
        let folder = store.parent().unwrap();
        fs::rename(folder, beside(folder, ".old")).unwrap();
    }),
];

/// Runs a server that is expected to refuse.
fn refused(command: &mut Command) -> Said {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE / 3 {
            child.kill().unwrap();
            panic!("it serves: {:?}", Said::from(child.wait_with_output().unwrap()));
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Said::from(child.wait_with_output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_after_the_stores_files_were_harmed_and_the_process_ends_with_74() {
    for (harm, harmed) in HARMS {
        let mut site = Site::new();
        let store = store(&site);
        let mut server = Server::start_with(&mut command(&site, &store));
        assert_eq!(site.post(&server, "before").await.status, 202);
        site.wait_for(&["before"]);
        harmed(&store);
        let graph = site.graph(&server);
        let completed = site.recording("after").completed();
        if let Ok(answer) = graph.send(graph.calls(&[completed]).unwrap()).await {
            assert!(!answer.is_2xx(), "{harm}: {answer:?}");
        }
        let ended = server.ended();
        let log: Vec<String> = server.log.iter().collect();
        assert_eq!(ended.code(), Some(74), "{harm}: {ended}: {log:#?}");
        let errors: Vec<&String> = log.iter().filter(|line| line.contains("\"ERROR\"")).collect();
        assert_eq!(errors.len(), 1, "{harm}: {errors:?}");
        assert!(errors[0].contains("the store's files are not the ones that it opened"), "{harm}: {errors:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_work_notices_that_its_files_are_gone() {
    for (harm, harmed) in [HARMS[0], HARMS[6], HARMS[8]] {
        let mut site = Site::new();
        let store = store(&site);
        let mut server = Server::start_with(&mut command(&site, &store));
        assert_eq!(site.post(&server, "before").await.status, 202);
        site.wait_for(&["before"]);
        harmed(&store);
        assert_eq!(server.ended().code(), Some(74), "{harm}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_missing_or_empty_beside_its_log_is_not_begun_new() {
    let mut site = Site::new();
    let store = store(&site);
    let server = Server::start_with(&mut command(&site, &store));
    assert_eq!(site.post(&server, "acknowledged").await.status, 202);
    server.kill();
    let moved = beside(&store, ".moved");
    fs::rename(&store, &moved).unwrap();
    let log = fs::read(beside(&store, "-wal")).unwrap();
    for is_there in [false, true] {
        if is_there {
            fs::write(&store, "").unwrap();
        }
        let said = refused(&mut command(&site, &store));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("put the database back"), "{said:?}");
        assert_eq!(fs::read(beside(&store, "-wal")).unwrap(), log, "the log is as it was");
    }
    fs::rename(&moved, &store).unwrap();
    let server = Server::start_with(&mut command(&site, &store));
    site.wait_for(&["acknowledged"]);
    server.kill();
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_second_server_comes_in_by_another_name_or_without_the_lock_file() {
    let mut site = Site::new();
    let store = store(&site);
    let server = Server::start_with(&mut command(&site, &store));
    let link = site.folder.path().join("link.db");
    symlink(&store, &link).unwrap();
    let hard = site.folder.path().join("hard.db");
    fs::hard_link(&store, &hard).unwrap();
    for key in [&link, &hard] {
        fs::copy(beside(&store, ".key"), beside(key, ".key")).unwrap();
    }
    for path in [&link, &hard] {
        let said = refused(&mut command(&site, path));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("is in use by another reelhook process"), "{said:?}");
    }
    fs::remove_file(beside(&store, ".lock")).unwrap();
    let said = refused(&mut command(&site, &store));
    assert!(said.err.contains("is in use by another reelhook process"), "{said:?}");
    assert_eq!(site.post(&server, "still-served").await.status, 202);
    site.wait_for(&["still-served"]);
    server.kill();
}
