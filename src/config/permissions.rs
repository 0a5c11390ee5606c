//! Who may read the file of a secret: one rule for all such files.
//!
//! Its owner may. Its group may read and write it if this process is in that group: Kubernetes sets the group of
//! mounted files to `fsGroup` and their mode to 0640 or 0660, at each mount. A file of root's may be readable by any
//! group, because systemd and mounted secrets pass files that way to a process that is not root. Nobody else may: a
//! file that others can read stops the start.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::process::{getegid, getgroups};

/// The facts that the rule uses.
#[derive(Clone, Copy, Debug)]
struct Access {
    mode: u32,
    /// Whether root owns the file.
    is_roots: bool,
    /// Whether this process is in the file's group.
    is_own_group: bool,
}

impl Access {
    fn is_private(self) -> bool {
        let (group, others) = (self.mode >> 3 & 0o7, self.mode & 0o7);
        let group_may = match group {
            0o0 => true,
            0o4 => self.is_own_group || self.is_roots,
            0o6 => self.is_own_group,
            _ => false,
        };
        others == 0 && group_may
    }
}

/// The permission bits of a file that too many can read; `None` if it is private enough.
pub fn open_mode(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.permissions().mode() & 0o7777;
    let gid = metadata.gid();
    let is_own_group =
        || getegid().as_raw() == gid || getgroups().unwrap_or_default().iter().any(|it| it.as_raw() == gid);
    let access = Access { mode, is_roots: metadata.uid() == 0, is_own_group: mode & 0o070 != 0 && is_own_group() };
    (!access.is_private()).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_groups_right_to_read_is_judged_by_whose_group_it_is() {
        let private = |mode, is_roots, is_own_group| Access { mode, is_roots, is_own_group }.is_private();
        for (mode, of_a_stranger, of_roots, of_own_group) in [
            (0o600, true, true, true),
            (0o400, true, true, true),
            (0o640, false, true, true),
            (0o440, false, true, true),
            (0o660, false, false, true),
            (0o2640, false, true, true),
            (0o620, false, false, false),
            (0o650, false, false, false),
            (0o670, false, false, false),
            (0o604, false, false, false),
            (0o644, false, false, false),
            (0o664, false, false, false),
            (0o601, false, false, false),
            (0o666, false, false, false),
        ] {
            let found = [private(mode, false, false), private(mode, true, false), private(mode, false, true)];
            assert_eq!(found, [of_a_stranger, of_roots, of_own_group], "{mode:o}");
        }
    }

    fn file(folder: &Path, mode: u32) -> std::path::PathBuf {
        let path = folder.join("secret");
        fs::write(&path, "canary").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_of_this_processs_own_group_is_private_and_one_of_another_group_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o660] {
            let path = file(folder.path(), mode);
            std::os::unix::fs::chown(&path, None, Some(getegid().as_raw())).unwrap();
            assert_eq!(open_mode(&path.metadata().unwrap()), None, "{mode:o}");
            // Only root may give a file away.
            if std::os::unix::fs::chown(&path, Some(12_345), Some(12_345)).is_ok() {
                assert_eq!(open_mode(&path.metadata().unwrap()), Some(mode), "{mode:o}");
                std::os::unix::fs::chown(&path, Some(12_345), Some(getegid().as_raw())).unwrap();
                assert_eq!(open_mode(&path.metadata().unwrap()), None, "{mode:o}: of another owner");
            }
            fs::remove_file(&path).unwrap();
        }
    }
}
