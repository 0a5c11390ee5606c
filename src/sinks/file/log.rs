//! The file that events are appended to.
//!
//! **Invariants**
//! 1. When `append` returns, its lines are synced to the disk, in a file that has a name in its folder.
//! 2. A batch is written by one call. A failed one is removed again. If it cannot be removed, or a crash or another
//!    program left a torn line, that stays alone on its line.
//! 3. Only a plain file with one name is written: never a symbolic link, a device, or a hard link to another file.
//! 4. After a failed sync the file is opened again; the sync is never repeated (the kernel may have dropped the pages).

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::rotation::{Growth, Rotation};
use crate::clock::Clock;
use crate::sinks::folder;

/// The file at a path, opened when it is needed.
pub(super) struct Log {
    path: PathBuf,
    rotation: Rotation,
    clock: Clock,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Device and inode: which file it is, whatever its name is now.
    id: (u64, u64),
    began_at: Timestamp,
}

impl Log {
    pub(super) fn new(path: PathBuf, rotation: Rotation, clock: Clock) -> Self {
        Self { path, rotation, clock, open: None }
    }

    /// Appends whole lines.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // Taken out: after any failure the next call opens the file again and checks its end.
        let mut open = match self.open.take().filter(|open| open.is_at(&self.path)) {
            Some(open) => open,
            None => Open::at(&self.path, self.clock.now())?,
        };
        // If the file seems to be from the future, the clock was wrong when it was begun: its age counts from now.
        open.began_at = open.began_at.min(self.clock.now());
        let open = self.set_aside_if_due(open, lines.len())?;
        open.append(lines)?;
        self.open = Some(open);
        Ok(())
    }

    fn set_aside_if_due(&self, open: Open, n_more: usize) -> io::Result<Open> {
        let n_bytes = open.file.metadata()?.len();
        let growth = Growth { n_bytes, n_more: n_more as u64, began_at: open.began_at };
        let now = self.clock.now();
        if !self.rotation.is_due(growth, now) {
            return Ok(open);
        }
        drop(open);
        self.rotation.set_aside(&self.path, now)?;
        folder::sync(folder::of(&self.path))?;
        self.rotation.remove_oldest(&self.path);
        Open::at(&self.path, now)
    }

    /// Gives the file back, when what was begun is written. Every batch was synced before.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some(open) => open.file.sync_data(),
            None => Ok(()),
        }
    }

    /// Whether an append would find what it needs. Creates nothing.
    pub(super) fn probe(&self) -> io::Result<()> {
        match existing(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => folder::probe(folder::of(&self.path)),
            found => checked(&found?).map(drop),
        }
    }
}

impl Open {
    fn at(path: &Path, now: Timestamp) -> io::Result<Self> {
        let file = match existing(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => create(path)?,
            found => found?,
        };
        let metadata = checked(&file)?;
        let began_at = if metadata.len() == 0 { now } else { began_at(&metadata).unwrap_or(now) };
        Ok(Self { file, id: (metadata.dev(), metadata.ino()), began_at })
    }

    /// Whether `path` still names this file: another program may have deleted or rotated it.
    fn is_at(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.id)
    }

    /// Whether a file of this size ends in the middle of a line, because of a crash or another program.
    fn is_torn(&self, n_bytes: u64) -> io::Result<bool> {
        let mut last = [b'\n'];
        if let Some(at) = n_bytes.checked_sub(1) {
            // Where it was cut just now there is nothing to read.
            self.file.read_at(&mut last, at)?;
        }
        Ok(last != *b"\n")
    }

    fn append(&self, lines: &[u8]) -> io::Result<()> {
        // Checked each time, because the operator's tools may have cut the file meanwhile.
        let start = self.file.metadata()?.len();
        let mended;
        let lines = if self.is_torn(start)? {
            mended = [b"\n", lines].concat();
            &mended
        } else {
            lines
        };
        if let Err((error, n_written)) = write_all(&self.file, lines) {
            // Only while they are the last: another program's lines must not be cut.
            if self.file.metadata().is_ok_and(|metadata| metadata.len() == start + n_written as u64) {
                drop(self.file.set_len(start)); // where this fails, the torn line stays alone
            }
            return Err(error);
        }
        self.file.sync_data()?;
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("it was deleted while it was written to"));
        }
        Ok(())
    }
}

/// Writes all of `bytes`, by one call where the system takes them at once; tells how many were written before an error.
fn write_all(mut file: &File, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
    let mut n_written = 0;
    while n_written < bytes.len() {
        match file.write(&bytes[n_written..]) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), n_written)),
            Ok(n) => n_written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((error, n_written)),
        }
    }
    Ok(())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Not blocking: opening a pipe would wait for a reader.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).append(true).mode(0o600).custom_flags(flags.bits().cast_signed());
    options
}

fn existing(path: &Path) -> io::Result<File> {
    options().open(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => io::Error::other("it is a symbolic link; expected a plain file"),
        Ok(metadata) if !metadata.is_file() => io::Error::other("it is not a plain file"),
        _ => error,
    })
}

fn create(path: &Path) -> io::Result<File> {
    let folder = folder::of(path);
    folder::make(folder)?;
    let file = options().create_new(true).open(path)?;
    folder::sync(folder)?;
    Ok(file)
}

fn checked(file: &File) -> io::Result<Metadata> {
    let metadata = file.metadata()?;
    match (metadata.is_file(), metadata.nlink()) {
        (false, _) => Err(io::Error::other("it is not a plain file")),
        (true, 2..) => Err(io::Error::other("it has another name (a hard link); expected a file of its own")),
        (true, _) => Ok(metadata),
    }
}

fn began_at(metadata: &Metadata) -> Option<Timestamp> {
    let at = metadata.created().or_else(|_| metadata.modified()).ok()?;
    Timestamp::try_from(at).ok()
}
