//! The free space on the store's disk, read at most twice a second.
//!
//! Free pages inside the database file count as free space: SQLite fills the pages that retention freed before the file
//! grows, and the file never shrinks. Without this, a store that was full once would refuse everything for good.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Space;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The space that must be free outside the file in any case: the log grows there.
const LOG_BYTES: u64 = 64 << 20;

/// The disk that holds the store.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    reserve_bytes: u64,
    reusable_bytes: AtomicU64,
    seen: Mutex<Option<(Instant, bool)>>,
}

impl Disk {
    /// The disk of `folder`, with a reserve.
    pub fn new(folder: &Path, reserve_bytes: u64) -> Self {
        let reusable_bytes = AtomicU64::new(0);
        Self { folder: folder.to_owned(), reserve_bytes, reusable_bytes, seen: Mutex::new(None) }
    }

    /// Notes how much of the database's file is free.
    pub fn note_reusable(&self, n_bytes: u64) {
        self.reusable_bytes.store(n_bytes, Ordering::Relaxed);
    }

    /// The size of a database on this disk, and what is free beside it. What cannot be read is 0.
    pub fn space(&self, database: &Path) -> Space {
        Space {
            database_bytes: std::fs::metadata(database).map(|file| file.len()).unwrap_or_default(),
            reusable_bytes: self.reusable_bytes.load(Ordering::Relaxed),
            disk_free_bytes: self.free_bytes().unwrap_or_default(),
            reserve_bytes: self.reserve_bytes,
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        rustix::fs::statvfs(&self.folder).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether less than the reserve is free. `false` where the free space cannot be read: SQLite itself notices a full
    /// disk.
    pub fn is_low(&self) -> bool {
        let mut seen = self.seen.lock();
        if let Some((at, is_low)) = *seen
            && at.elapsed() < LOOK_EVERY
        {
            return is_low;
        }
        let reusable_bytes = self.reusable_bytes.load(Ordering::Relaxed);
        let is_low = self.free_bytes().is_some_and(|free| is_below(self.reserve_bytes, free, reusable_bytes));
        *seen = Some((Instant::now(), is_low));
        is_low
    }
}

fn is_below(reserve_bytes: u64, free_bytes: u64, reusable_bytes: u64) -> bool {
    free_bytes.saturating_add(reusable_bytes) < reserve_bytes || free_bytes < reserve_bytes.min(LOG_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_reserve_beyond_the_disk_is_low_and_none_is_not() {
        assert!(Disk::new(Path::new("/"), u64::MAX).is_low());
        assert!(!Disk::new(Path::new("/"), 0).is_low());
    }

    #[test]
    fn room_inside_the_file_counts_but_does_not_replace_the_logs() {
        assert!(is_below(GIB, GIB / 2, 0));
        assert!(!is_below(GIB, GIB / 2, GIB / 2));
        assert!(is_below(GIB, LOG_BYTES - 1, 10 * GIB));
        assert!(!is_below(1, 1, 0));
    }
}
