//! Folders that sinks write in.
//!
//! **Invariant**: when [`make`] returns, a power cut takes none of the folders that it made.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::Access;

/// Makes a folder, and those above it, where they are missing. Nobody else can look into them.
///
/// # Errors
/// It cannot be made, or cannot be synced.
pub fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !at_least_here(folder).exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(at_least_here(folder))?;
    missing.into_iter().try_for_each(|made| sync(of(made)))
}

/// Syncs the names in a folder to the disk.
///
/// # Errors
/// It cannot be synced.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(at_least_here(folder))?.sync_all()
}

/// The folder of a file.
pub fn of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Whether files can be created in a folder; where it is missing, whether it can be made. Creates nothing.
///
/// # Errors
/// They cannot, or it is no folder.
pub fn probe(folder: &Path) -> io::Result<()> {
    let there = folder.ancestors().find(|folder| at_least_here(folder).exists());
    let there = at_least_here(there.unwrap_or(Path::new("")));
    if !there.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The empty path is the working directory.
fn at_least_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
