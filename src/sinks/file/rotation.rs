//! Rotation: `events.jsonl` becomes `events-20261124T053503.123456Z.jsonl`, and a new file is begun.
//!
//! **Invariants**
//! 1. Names are made of the configured path and the time: nothing from outside is in them. They sort in the order in
//!    which the files were written, even if the clock stands still or is set back.
//! 2. No file is ever overwritten, and only files with such names are removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// The form of the time in a name.
const TIME: &str = "%Y%m%dT%H%M%S%.6fZ";

/// When a file is rotated, and how many rotated files are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) max_bytes: Option<u64>,
    pub(super) max_age: Option<Duration>,
    pub(super) keep: Option<usize>,
}

/// A file that is about to grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// Its bytes.
    pub(super) n_bytes: u64,
    /// The bytes to append.
    pub(super) n_more: u64,
    /// When it was begun.
    pub(super) began_at: Timestamp,
}

impl Rotation {
    /// Whether a file is rotated before it grows.
    pub(super) fn is_due(&self, growth: Growth, now: Timestamp) -> bool {
        let Growth { n_bytes, n_more, began_at } = growth;
        let too_large = self.max_bytes.is_some_and(|max| n_bytes.saturating_add(n_more) > max);
        let age = Duration::try_from(now.duration_since(began_at)).unwrap_or_default();
        let too_old = self.max_age.is_some_and(|max| age >= max);
        n_bytes > 0 && (too_large || too_old)
    }

    /// Renames the file by the instant `at`, or by the next free one after all existing names.
    pub(super) fn set_aside(&self, path: &Path, at: Timestamp) -> io::Result<()> {
        let next = |at: Timestamp| at.saturating_add(SignedDuration::from_micros(1)).map_err(io::Error::other);
        let mut at = match files_set_aside(path).pop() {
            Some((newest, _)) => at.max(next(newest)?),
            None => at,
        };
        loop {
            match rename_to_free(path, &name_at(path, at)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => at = next(at)?,
                renamed => return renamed,
            }
        }
    }

    /// Removes the oldest files beyond the number to keep. A file that cannot be removed does not stop deliveries.
    pub(super) fn remove_oldest(&self, path: &Path) {
        let Some(keep) = self.keep else { return };
        let mut old = files_set_aside(path);
        old.truncate(old.len().saturating_sub(keep));
        for (_, oldest) in old {
            if let Err(error) = fs::remove_file(&oldest) {
                tracing::warn!(file = %oldest.display(), %error, "could not remove an old file");
            }
        }
    }
}

fn rename_to_free(path: &Path, name: &Path) -> io::Result<()> {
    match renameat_with(CWD, path, CWD, name, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it, so looked at first: nobody else makes such names.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if name.symlink_metadata().is_err() => fs::rename(path, name),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(io::ErrorKind::AlreadyExists.into()),
        renamed => Ok(renamed?),
    }
}

/// What stands before and after the time in a name.
fn around(path: &Path) -> (String, String) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|it| format!(".{}", it.to_string_lossy()));
    (format!("{stem}-"), extension.unwrap_or_default())
}

fn name_at(path: &Path, at: Timestamp) -> PathBuf {
    let (before, after) = around(path);
    path.with_file_name(format!("{before}{}{after}", at.strftime(TIME)))
}

/// The rotated files, oldest first.
fn files_set_aside(path: &Path) -> Vec<(Timestamp, PathBuf)> {
    let (before, after) = around(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let name = entry.file_name();
        let time = name.to_str()?.strip_prefix(&before)?.strip_suffix(&after)?;
        let at = TimeZone::UTC.to_timestamp(DateTime::strptime(TIME, time).ok()?).ok()?;
        // The very name that is given to that instant: no other way of writing it is ours.
        (name_at(path, at).file_name() == Some(&name)).then(|| (at, entry.path()))
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn names_sort_by_time() {
        let path = Path::new("folder/events.jsonl");
        let later = AT + SignedDuration::from_secs(86_400 * 365 * 60);
        assert_eq!(name_at(path, AT), Path::new("folder/events-19700101T000000.000000Z.jsonl"));
        assert!(name_at(path, later) > name_at(path, AT + SignedDuration::from_micros(1)));
    }

    #[test]
    fn only_names_of_its_own_form_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let wrong =
            ["19700101T000000.000000", "19700101T000000Z", "1970-01-01T00:00:00Z", "", "19701301T000000.000000Z"];
        for time in wrong {
            fs::write(folder.path().join(format!("events-{time}.jsonl")), "").unwrap();
        }
        fs::write(folder.path().join("other-19700101T000000.000000Z.jsonl"), "").unwrap();
        assert_eq!(files_set_aside(&path), []);
        fs::write(name_at(&path, AT), "").unwrap();
        assert_eq!(files_set_aside(&path), [(AT, name_at(&path, AT))]);
    }

    #[test]
    fn a_file_is_due_by_size_or_age_but_never_while_it_is_empty() {
        let rotation = Rotation { max_bytes: Some(100), max_age: Some(Duration::from_secs(60)), keep: None };
        let old = AT + SignedDuration::from_secs(60);
        let due = |n_bytes, n_more, began_at, now| rotation.is_due(Growth { n_bytes, n_more, began_at }, now);
        assert!(!due(90, 10, AT, AT));
        assert!(due(90, 11, AT, AT));
        assert!(due(1, 1, AT, old));
        assert!(!due(0, 1000, AT, old));
        assert!(!due(1, 1, old, AT));
    }

    #[test]
    fn a_name_that_is_taken_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let rotation = Rotation { max_bytes: None, max_age: None, keep: Some(2) };
        for content in ["a", "b", "c"] {
            fs::write(&path, content).unwrap();
            rotation.set_aside(&path, AT).unwrap();
        }
        let stranger = folder.path().join("events-notes.jsonl");
        fs::write(&stranger, "x").unwrap();
        let found = files_set_aside(&path);
        let contents: Vec<String> = found.iter().map(|(_, path)| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(contents, ["a", "b", "c"]);
        rotation.remove_oldest(&path);
        assert_eq!(files_set_aside(&path).len(), 2);
        assert!(stranger.exists() && !found[0].1.exists());
    }
}
