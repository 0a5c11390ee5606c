//! The `file` sink.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use reelhook::clock::Clock;
use reelhook::config::Section;
use reelhook::sinks::file::FileSink;
use reelhook::sinks::{Context, Sink};
use serde_json::Value;
use tempfile::TempDir;

use super::samples::{self, build, delivery, instant, retried};

struct Folder {
    folder: TempDir,
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        Self { folder, path }
    }

    fn sink(&self, more: &str, clock: &Clock) -> FileSink {
        let table = format!("path = {:?}\n{more}", self.path);
        let read = |section: &mut Section<'_>| FileSink::with_clock(section, &Context::default(), clock.clone());
        samples::table(&table).read("sinks.crm", read).unwrap().0
    }

    /// The files that were set aside, by name.
    fn set_aside(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries.filter(|path| *path != self.path && path.is_file()).collect();
        paths.sort();
        paths
    }
}

fn clock() -> Clock {
    Clock::manual(instant("2026-11-24T05:35:03.123456Z"))
}

/// The operations' ids in a file; `None` for a line that is no event.
fn ids(path: &Path) -> Vec<Option<String>> {
    let text = fs::read_to_string(path).unwrap();
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        Some(event["data"]["id"].as_str()?.to_owned())
    };
    text.lines().map(id).collect()
}

fn id(n: u128) -> Option<String> {
    Some(format!("op-{n}"))
}

#[tokio::test]
async fn threat_58_the_file_and_its_folder_are_the_owner_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/events.jsonl");
    let sink = build("file", &format!("path = {path:?}")).unwrap();
    assert!(!path.exists());
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folder.path().join("a")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn threat_58_links_and_other_things_are_not_written_to() {
    let folder = Folder::new();
    let elsewhere = folder.folder.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    let sink = folder.sink("", &clock());
    let refused = async |expected: &str| {
        for result in [sink.deliver(&delivery(1)).await, sink.probe().await.map(drop)] {
            let (reason, pause, _) = retried(result);
            assert!(reason.contains(expected) && pause, "{reason}");
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"");
        if folder.path.is_dir() { fs::remove_dir(&folder.path) } else { fs::remove_file(&folder.path) }.unwrap();
    };
    std::os::unix::fs::symlink(&elsewhere, &folder.path).unwrap();
    refused("symbolic link").await;
    fs::hard_link(&elsewhere, &folder.path).unwrap();
    refused("hard link").await;
    fs::create_dir(&folder.path).unwrap();
    refused("not a plain file").await;
    let made = std::process::Command::new("mkfifo").arg(&folder.path).status().unwrap();
    assert!(made.success());
    refused("not a plain file").await;
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!(ids(&folder.path), [id(2)]);
}

#[tokio::test]
async fn a_line_torn_by_a_crash_stays_alone() {
    let folder = Folder::new();
    folder.sink("", &clock()).deliver(&delivery(1)).await.unwrap();
    let whole = fs::read(&folder.path).unwrap();
    for cut in [1, whole.len() / 2, whole.len() - 1] {
        fs::write(&folder.path, [&whole[..], &whole[..cut]].concat()).unwrap();
        let sink = folder.sink("", &clock());
        sink.deliver(&delivery(2)).await.unwrap();
        sink.deliver(&delivery(3)).await.unwrap();
        let found = ids(&folder.path);
        assert_eq!(found.len(), 4, "{cut}");
        assert_eq!((&found[0], &found[2], &found[3]), (&id(1), &id(2), &id(3)), "{cut}");
    }
}

#[tokio::test]
async fn a_line_that_another_program_tore_stays_alone() {
    let folder = Folder::new();
    let sink = folder.sink("", &clock());
    sink.deliver(&delivery(1)).await.unwrap();
    let n_whole = fs::metadata(&folder.path).unwrap().len();
    for (n, cut) in (2..).zip([1, n_whole / 2, n_whole - 1]) {
        // By the sink's own file, open all the while: as `truncate`, or an editor, does.
        let file = fs::OpenOptions::new().write(true).open(&folder.path).unwrap();
        file.set_len(file.metadata().unwrap().len() - cut).unwrap();
        sink.deliver(&delivery(n)).await.unwrap();
        assert_eq!(ids(&folder.path).last(), Some(&id(n)), "{cut}");
    }
    let stranger = fs::OpenOptions::new().append(true).open(&folder.path).unwrap();
    std::io::Write::write_all(&mut &stranger, b"a note").unwrap();
    sink.deliver(&delivery(5)).await.unwrap();
    assert_eq!(ids(&folder.path).last(), Some(&id(5)));
    fs::OpenOptions::new().write(true).open(&folder.path).unwrap().set_len(0).unwrap();
    sink.deliver(&delivery(6)).await.unwrap();
    assert_eq!(ids(&folder.path), [id(6)], "an empty file has no line to keep apart from");
}

#[tokio::test]
async fn a_file_that_was_taken_away_is_begun_anew() {
    let folder = Folder::new();
    let sink = folder.sink("", &clock());
    sink.deliver(&delivery(1)).await.unwrap();
    let moved = folder.folder.path().join("by-logrotate");
    fs::rename(&folder.path, &moved).unwrap();
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!((ids(&moved), ids(&folder.path)), (vec![id(1)], vec![id(2)]));
    fs::remove_file(&folder.path).unwrap();
    sink.deliver(&delivery(3)).await.unwrap();
    assert_eq!(ids(&folder.path), [id(3)]);
    fs::OpenOptions::new().write(true).truncate(true).open(&folder.path).unwrap();
    sink.deliver(&delivery(4)).await.unwrap();
    assert_eq!(ids(&folder.path), [id(4)]);
}

#[tokio::test]
async fn a_folder_that_was_deleted_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/events.jsonl");
    let sink = build("file", &format!("path = {path:?}")).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    sink.probe().await.unwrap();
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!(ids(&path), [id(2)]);
}

#[tokio::test]
async fn a_file_is_set_aside_before_it_grows_too_large() {
    let folder = Folder::new();
    let clock = clock();
    let sink = folder.sink("max_bytes = '2kB'\nbatch_size = 1", &clock);
    for n in 0..12 {
        sink.deliver(&delivery(n)).await.unwrap();
    }
    let mut files = folder.set_aside();
    assert!(files.len() > 2, "{files:?}");
    files.push(folder.path.clone());
    // The names sort as the events came, though the clock stood still.
    let found: Vec<_> = files.iter().flat_map(|path| ids(path)).collect();
    assert_eq!(found, (0..12).map(id).collect::<Vec<_>>());
    assert!(files.iter().all(|path| fs::metadata(path).unwrap().len() <= 2000));
    let first = files[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(first, "events-20261124T053503.123456Z.jsonl");
}

#[tokio::test]
async fn a_file_is_set_aside_when_it_is_old() {
    let folder = Folder::new();
    let clock = clock();
    let sink = folder.sink("max_age = '1d'", &clock);
    sink.deliver(&delivery(1)).await.unwrap();
    clock.advance(SignedDuration::from_hours(23));
    sink.deliver(&delivery(2)).await.unwrap();
    assert!(folder.set_aside().is_empty());
    clock.advance(SignedDuration::from_hours(1));
    sink.deliver(&delivery(3)).await.unwrap();
    assert_eq!(ids(&folder.set_aside()[0]), [id(1), id(2)]);
    assert_eq!(ids(&folder.path), [id(3)]);
}

#[tokio::test]
async fn the_age_of_a_file_outlives_the_process() {
    let folder = Folder::new();
    folder.sink("", &clock()).deliver(&delivery(1)).await.unwrap();
    // The file system's own time is the real one.
    let written_at = fs::metadata(&folder.path).unwrap().mtime();
    let later = jiff::Timestamp::from_second(written_at + 2 * 86_400).unwrap();
    folder.sink("max_age = '1d'", &Clock::manual(later)).deliver(&delivery(2)).await.unwrap();
    assert_eq!(folder.set_aside().len(), 1);
}

#[tokio::test]
async fn only_the_newest_files_are_kept() {
    let folder = Folder::new();
    let stranger = folder.folder.path().join("events-other.jsonl");
    fs::write(&stranger, "").unwrap();
    let sink = folder.sink("max_bytes = '1B'\nkeep = 2", &clock());
    for n in 0..6 {
        sink.deliver(&delivery(n)).await.unwrap();
    }
    let files: Vec<_> = folder.set_aside().into_iter().filter(|path| *path != stranger).collect();
    assert_eq!(files.iter().flat_map(|path| ids(path)).collect::<Vec<_>>(), [id(3), id(4)]);
    assert!(stranger.exists());
}

/// The variable that says that this process runs one test alone.
const ALONE: &str = "REELHOOK_TEST_ALONE";

#[tokio::test]
async fn a_full_disk_is_a_retry_and_leaves_no_torn_line() {
    // The limit below holds for the whole process: a store of another test that met it would end the process.
    if std::env::var_os(ALONE).is_none() {
        let name = "sinks::file::a_full_disk_is_a_retry_and_leaves_no_torn_line";
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let folder = Folder::new();
    let sink = folder.sink("", &clock());
    sink.deliver(&delivery(1)).await.unwrap();
    let before = fs::read(&folder.path).unwrap();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    // The kernel's limit on a file's size cuts a write short just as a full disk does.
    let small = rustix::process::Rlimit { current: Some(64 * 1024), ..limit };
    ignore_size_signal();
    rustix::process::setrlimit(rustix::process::Resource::Fsize, small).unwrap();
    let deliveries: Vec<_> = (0..256).map(delivery).collect();
    let results = sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    let after = fs::read(&folder.path).unwrap();
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    let (reason, pause, _) = retried(results.into_iter().next().unwrap());
    assert!(reason.contains("too large") && pause, "{reason}");
    assert_eq!(after, before);
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!(ids(&folder.path), [id(1), id(2)]);
}

/// Exceeding the limit raises a signal as well; tokio's handler takes it.
fn ignore_size_signal() {
    let kind = tokio::signal::unix::SignalKind::from_raw(25);
    drop(tokio::signal::unix::signal(kind).unwrap());
}

#[tokio::test]
async fn a_close_gives_the_file_back_with_everything_in_it() {
    let folder = Folder::new();
    let sink = folder.sink("", &clock());
    sink.close().await.unwrap();
    assert!(!folder.path.exists(), "it makes no file");
    sink.deliver(&delivery(1)).await.unwrap();
    let is_open = || {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter_map(|it| fs::read_link(it.path()).ok()).any(|path| path == folder.path)
    };
    assert!(is_open());
    sink.close().await.unwrap();
    assert!(!is_open());
    assert_eq!(ids(&folder.path), [id(1)]);
}

#[tokio::test]
async fn a_probe_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/events.jsonl");
    build("file", &format!("path = {path:?}")).unwrap().probe().await.unwrap();
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    fs::write(folder.path().join("a"), "").unwrap();
    let (reason, ..) = retried(build("file", &format!("path = {path:?}")).unwrap().probe().await);
    assert!(reason.contains("Not a directory"), "{reason}");
}
