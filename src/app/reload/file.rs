//! Watches the config file, if the config says so.
//!
//! The file is checked every second. This works on every file system. It also notices a change of a Kubernetes
//! ConfigMap, where a link in the path starts to point to another folder.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::running::{Reload, Running};

/// How often the file is checked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The name of this requester.
const BY: &str = "the changed file";

/// The file that a path points to, and its time of change; `None`: there is no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<[i64; 5]>);

impl Stamp {
    /// The version of the file at a path. Links are followed.
    pub(super) fn of(path: &Path) -> Self {
        let stamp = |it: std::fs::Metadata| {
            let (mtime, ctime) = (it.mtime_nsec() ^ (it.mtime() << 30), it.ctime_nsec() ^ (it.ctime() << 30));
            [it.dev().cast_signed(), it.ino().cast_signed(), it.size().cast_signed(), mtime, ctime]
        };
        Self(std::fs::metadata(path).ok().map(stamp))
    }
}

/// A file that was read before, and must be read again after a change.
struct Watched {
    known: Stamp,
    /// The version at the last check, if it is new. The file may still be changing.
    changing: Option<Stamp>,
}

impl Watched {
    /// Whether to read the file again: it differs from the version that was read, and has not changed since the last
    /// check.
    fn is_due(&mut self, now: Stamp) -> bool {
        if now == self.known {
            self.changing = None;
            return false;
        }
        let is_at_rest = self.changing == Some(now);
        self.changing = Some(now);
        if is_at_rest {
            *self = Self { known: now, changing: None };
        }
        is_at_rest
    }
}

/// Asks for a reload when a file changes.
pub(super) struct Watcher {
    pub(super) file: PathBuf,
    /// The version that was read last.
    pub(super) stamp: Stamp,
    pub(super) running: Arc<Running>,
    pub(super) reload: Arc<Reload>,
}

impl Watcher {
    /// Checks the file until the app stops.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut watched = Watched { known: self.stamp, changing: None };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let file = self.file.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || Stamp::of(&file)).await else { continue };
            if !self.running.now().config.reload.watch {
                // A change while the file is not watched waits for somebody to ask for a reload.
                watched = Watched { known: now, changing: None };
            } else if watched.is_due(now) {
                tokio::select! {
                    () = stop.cancelled() => return,
                    // The result is in the log, the metrics and the console.
                    _outcome = self.reload.ask(BY) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_due_once_it_is_another_and_at_rest() {
        let stamp = |n| Stamp(Some([n; 5]));
        let mut watched = Watched { known: stamp(1), changing: None };
        let looks = [1, 2, 3, 3, 3, 4, 3, 5, 5].map(|n| watched.is_due(stamp(n)));
        assert_eq!(looks, [false, false, false, true, false, false, false, false, true]);
    }

    #[test]
    fn a_link_that_is_led_elsewhere_names_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("reelhook.toml"), "same").unwrap();
        }
        std::os::unix::fs::symlink("v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/reelhook.toml", at("reelhook.toml")).unwrap();
        let before = Stamp::of(&at("reelhook.toml"));
        assert_eq!(before, Stamp::of(&at("reelhook.toml")));
        std::os::unix::fs::symlink("v2", at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
        assert_ne!(before, Stamp::of(&at("reelhook.toml")));
        assert_eq!(Stamp::of(&at("gone")), Stamp(None));
    }
}
