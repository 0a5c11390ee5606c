//! Finds a program as the system does when it starts one.

use std::env::split_paths;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where programs are if no `PATH` says so.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The file of a program that is started in `dir`.
///
/// # Errors
/// It is not there, or must not be executed.
pub(super) fn find(program: &str, path: Option<OsString>, dir: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
        return Err(format!("dir: found no folder {}, expected one that is there", dir.display()));
    }
    let at = |file: PathBuf| dir.map_or_else(|| file.clone(), |dir| dir.join(&file));
    if program.contains('/') {
        let file = at(program.into());
        return match (file.is_file(), can_run(&file)) {
            (true, true) => Ok(file),
            (true, false) => Err(format!("found {program}, which this user may not execute; run: chmod +x {program}")),
            (false, _) => Err(format!("found no file {program}, expected a program")),
        };
    }
    let path = path.unwrap_or_else(|| DEFAULT_PATH.into());
    let files = split_paths(&path).map(|folder| at(folder.join(program)));
    let found = files.into_iter().find(|file| file.is_file() && can_run(file));
    found.ok_or_else(|| format!("found no program {program} that this user may execute in PATH={}", path.display()))
}

fn can_run(file: &Path) -> bool {
    access(file, Access::EXEC_OK).is_ok()
}
