//! How much room the store's disk has left, looked at no more than twice a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The disk that holds the store.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    reserve_bytes: u64,
    seen: Mutex<Option<(Instant, bool)>>,
}

impl Disk {
    /// The disk of `folder`, with a reserve.
    pub fn new(folder: &Path, reserve_bytes: u64) -> Self {
        Self { folder: folder.to_owned(), reserve_bytes, seen: Mutex::new(None) }
    }

    /// Whether less than the reserve is free. Where that cannot be told, it is not said: SQLite itself notices a full disk.
    pub fn is_low(&self) -> bool {
        let mut seen = self.seen.lock();
        if let Some((at, is_low)) = *seen
            && at.elapsed() < LOOK_EVERY
        {
            return is_low;
        }
        let is_low = match rustix::fs::statvfs(&self.folder) {
            Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize) < self.reserve_bytes,
            Err(_unknown) => false,
        };
        *seen = Some((Instant::now(), is_low));
        is_low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_beyond_the_disk_is_low_and_none_is_not() {
        assert!(Disk::new(Path::new("/"), u64::MAX).is_low());
        assert!(!Disk::new(Path::new("/"), 0).is_low());
    }
}
