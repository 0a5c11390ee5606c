//! What the `object` sink promises of a folder, and of names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use reelhook::sinks::DeliveryError;
use serde_json::Value;

use super::samples::{build, delivery, mistakes, retried, with_client_context};

/// The files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn keys(folder: &Path) -> String {
    format!("url = 'file://{}'\n", folder.display())
}

#[tokio::test]
async fn an_event_is_a_file_by_its_day_and_delivery_and_a_repeat_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let sink = build("object", &keys(&made)).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(files(&made), [made.join(format!("2026-11-24/{}.json", delivery(1).id))]);
    let event: Value = serde_json::from_slice(&fs::read(&files(&made)[0]).unwrap()).unwrap();
    assert_eq!(event["clientcontext"], "support-1");
}

#[tokio::test]
async fn a_hostile_client_context_stays_below_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    let sink = build("object", &(keys(&below) + "path = '{client_context}/{delivery_id}.json'")).unwrap();
    let emoji = "😀".repeat(256);
    let hostile = ["../../etc", "..", ".", "a\0b", "a\r\nb", "\"'`;--", "a/b", "%2E%2E", "x#1", "", " ", &emoji];
    let mut n_stored = 0;
    for (n, text) in (0..).zip(hostile) {
        match sink.deliver(&with_client_context(n, text)).await {
            Ok(()) => n_stored += 1,
            Err(DeliveryError::Reject { reason }) => assert!(reason.contains("may have"), "{text:?}: {reason}"),
            Err(other) => panic!("{text:?}: {other:?}"),
        }
    }
    assert_eq!(n_stored, hostile.len() - 1, "only the name that is too long is refused");
    assert_eq!(files(folder.path()), files(&below));
    let depths = files(&below).into_iter().map(|file| file.strip_prefix(&below).unwrap().components().count());
    assert!(files(&below).len() == n_stored && depths.into_iter().all(|depth| depth == 2));
}

#[tokio::test]
async fn a_file_that_is_there_is_not_overwritten_and_is_a_repeat_only_if_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let sink = build("object", &(keys(folder.path()) + "path = '{client_context}.json'")).unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    sink.deliver(&with_client_context(1, "same")).await.unwrap();
    let first = fs::read(folder.path().join("same.json")).unwrap();
    let told = |result| match result {
        Err(DeliveryError::Reject { reason }) => reason,
        other => panic!("{other:?}"),
    };
    // Of the same length.
    let reason = told(sink.deliver(&with_client_context(2, "same")).await);
    let n_bytes = first.len();
    let both =
        [format!("another object ({n_bytes} bytes, SHA-256 "), format!("this delivery's ({n_bytes} bytes, SHA-256 ")];
    assert!(both.iter().all(|it| reason.contains(it)) && reason.ends_with("): same.json"), "{reason}");
    assert_eq!(fs::read(folder.path().join("same.json")).unwrap(), first);
    fs::write(folder.path().join("other.json"), "x").unwrap();
    assert!(told(sink.deliver(&with_client_context(3, "other")).await).contains("another object (1 bytes)"));
    assert_eq!(fs::read(folder.path().join("other.json")).unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_a_time_are_whole_files_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let sink = build("object", &keys(&folder.path().join("made/deep"))).unwrap();
    let deliveries: Vec<_> = (0..60).map(delivery).collect();
    // Each twice at a time: of two that create one object, one finds the other's.
    let results = join_all(deliveries.iter().chain(&deliveries).map(|it| sink.deliver(it))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let found = files(folder.path());
    assert_eq!(found.len(), 60);
    assert!(found.iter().all(|file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).is_ok()));
}

#[tokio::test]
async fn a_probe_of_a_folder_creates_nothing_and_tells_where_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let sink = build("object", &keys(&folder.path().join("later/deep"))).unwrap();
    assert_eq!(sink.probe().await, Ok(Vec::new()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(folder.path().join("later"), "a file").unwrap();
    for result in [sink.probe().await.map(drop), sink.deliver(&delivery(1)).await] {
        let (reason, pauses, _) = retried(result);
        assert!(pauses && reason.contains("later/deep"), "{reason}");
    }
    // It needs no restart.
    fs::remove_file(folder.path().join("later")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(fs::metadata(folder.path().join("later")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_key_that_has_no_meaning_for_the_service_is_a_mistake() {
    let secret = "{ file = '/nowhere' }";
    for (url, keys, named) in [
        ("file:///a", "endpoint = 'https://a'".to_owned(), "endpoint"),
        ("file:///a", format!("auth = {{ sas = {secret} }}"), "auth"),
        ("s3://a", "account = 'one'".to_owned(), "account"),
        ("s3://a", format!("auth = {{ account_key = {secret} }}"), "auth.account_key"),
        ("s3://a", format!("session_token = {secret}"), "session_token"),
        ("s3://a", "endpoint = 'http://a'\ntls = {}".to_owned(), "tls"),
        ("s3://a", "tls = { server_name = 'a' }".to_owned(), "tls.server_name"),
        ("az://a", "account = 'one'\nregion = 'x'".to_owned(), "region"),
        ("s3://a", "metadata_server = 'http://a'".to_owned(), "metadata_server"),
        ("az://a", format!("account = 'one'\nauth = {{ token = {secret} }}"), "auth.token"),
        ("gs://a", "region = 'x'".to_owned(), "region"),
        ("gs://a", format!("auth = {{ sas = {secret} }}"), "auth.sas"),
    ] {
        let told = mistakes("object", &format!("url = '{url}'\n{keys}"));
        assert!(told.lines().any(|line| line.starts_with(&format!("sinks.crm.{named}: found"))), "{named}: {told}");
    }
}

#[test]
fn a_place_or_a_path_that_is_none_is_a_mistake() {
    let long = format!("s3://bucket/{}", "x".repeat(201));
    for url in [
        "ftp://a",
        "gs://",
        "s3:///x",
        "s3://a:1",
        "file://host/x",
        "s3://user:canary@bucket",
        "az://c?sig=canary",
        &long,
    ] {
        let told = mistakes("object", &format!("url = '{url}'"));
        assert!(told.contains("sinks.crm.url: found ") && !told.contains("canary"), "{told}");
    }
    for path in ["../a", "/a", "a//b", "a/.", "a\\\\b", "a#1"] {
        let told = mistakes("object", &format!("url = 's3://a'\npath = \"{path}\""));
        assert!(told.starts_with("sinks.crm.path: found "), "{told}");
    }
    assert!(mistakes("object", "url = 'az://a'").contains("sinks.crm.account: found nothing"));
}
