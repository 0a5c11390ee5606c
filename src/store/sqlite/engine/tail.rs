//! The last frame of the log, read before a transaction and again after its commit. SQLite appends behind it: if the log
//! was cut in between, zeros are in its place, which end the log at the next start.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use parking_lot::Mutex;

use super::layout::{FRAME_HEADER, frame_at};
use super::open;
use crate::store::StoreError;

/// Where a frame's header has the number of its page, which is never 0, and where the salts of its log, which are others
/// once SQLite has begun the log anew (<https://sqlite.org/fileformat2.html#walformat>).
const PAGE: std::ops::Range<usize> = 0..4;
const SALTS: std::ops::Range<usize> = 8..16;

/// The last frame.
#[derive(Debug)]
pub struct Tail {
    log: File,
    page_bytes: u64,
    noted: Mutex<Noted>,
}

/// A frame, and the same place read again. Both keep their memory for the next transaction.
#[derive(Debug, Default)]
struct Noted {
    /// Where it is; none if there was no whole frame.
    at: Option<u64>,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Tail {
    /// The last frame of the log at `path`.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub fn of(path: &Path, page_bytes: u64) -> Result<Self, StoreError> {
        let log = File::open(path)
            .map_err(|error| open::unusable(path, &format!("the log of the store cannot be read: {error}")))?;
        let frame = vec![0; usize::try_from(FRAME_HEADER + page_bytes).unwrap_or_default()];
        let noted = Noted { at: None, before: frame.clone(), after: frame };
        Ok(Self { log, page_bytes, noted: Mutex::new(noted) })
    }

    /// Reads the last frame of a log with `n_pages`.
    pub fn note(&self, n_pages: u64) {
        let noted = &mut *self.noted.lock();
        let at = n_pages.checked_sub(1).map(|last| frame_at(last, self.page_bytes));
        noted.at = at.filter(|at| self.log.read_exact_at(&mut noted.before, *at).is_ok());
    }

    /// Where the noted frame is, if it is lost.
    pub fn lost_at(&self) -> Option<u64> {
        let noted = &mut *self.noted.lock();
        let at = noted.at?;
        // A log that is shorter now was begun anew, or `files` has told of it.
        self.log.read_exact_at(&mut noted.after, at).ok()?;
        let (before, after) = (&noted.before, &noted.after);
        let is_same_log = before[SALTS] == after[SALTS];
        (before != after && (is_same_log || after[PAGE] == [0; 4])).then_some(at)
    }
}
