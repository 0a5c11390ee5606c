//! Secrets: the config names a file or an environment variable, and the secret is read from there; it is never written
//! in the config.
//!
//! `private` decides who may read the file of a secret. A file that anyone may read is always refused.
//!
//! **Invariants**
//! 1. No value of these types and no error of this file holds or prints a secret. Text in the place of a source is not
//!    printed either, because it may be the secret: `{ env = "hunter2" }`.
//! 2. The value is bounded text and not empty.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::permissions;
use super::tree::{Node, Value};

/// The most bytes of a secret: more than any key, less than a mistake.
const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// How a secret is named.
pub(super) const EXPECTED: &str = "{ file = \"..\" } or { env = \"..\" }";

/// Where a secret is: `{ file = ".." }` or `{ env = ".." }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file; a relative path starts at the working directory.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

/// Why a secret could not be read: what was found, what was expected, what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read. Its name is shown where there is such a file; otherwise it may be the secret itself.
    #[error("{}: found {error}, expected a file that this process can read", shown(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is open to others.
    #[error(
        "file {path}: found mode {mode:04o}, expected a file that only its owner, or a group of this process, can read; \
         run: chmod 600 {path}; in a container, mount it with mode 0440 and a group of this process",
        path = path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The variable is not set, or not text. Its name is not shown: it may be the secret itself.
    #[error("env: found an environment variable's name that is not set, expected one that holds the secret")]
    NotSet,
    /// What was read cannot be a secret.
    #[error("{source_of_it}: found {found}, expected the secret as text")]
    NotASecret {
        /// The source, as it is shown.
        source_of_it: String,
        /// What was found.
        found: &'static str,
    },
}

impl SecretSource {
    /// The form in which a config names one, as a JSON Schema.
    pub(super) fn form() -> Json {
        let names = |key: &str| {
            let text = json!({ "type": "string", "minLength": 1 });
            json!({ "type": "object", "properties": { key: text }, "required": [key], "additionalProperties": false })
        };
        json!({ "oneOf": [names("file"), names("env")] })
    }

    /// Reads where a secret is.
    ///
    /// # Errors
    /// What was found, without showing it, and what was expected.
    pub(super) fn of(node: Node) -> Result<Self, String> {
        let node = node.into_structured();
        let sort = node.sort();
        let Value::Table(mut table) = node.value else { return Err(not_a_source(sort)) };
        let (file, env) = (table.remove("file"), table.remove("env"));
        if !table.is_empty() {
            return Err(not_a_source("another key"));
        }
        let text = |node: Node| node.as_text().map(str::to_owned).ok_or_else(|| not_a_source("something else"));
        match (file.map(text).transpose()?, env.map(text).transpose()?) {
            (Some(file), None) if !file.is_empty() => Ok(Self::File(file.into())),
            (None, Some(env)) if !env.is_empty() => Ok(Self::Env(env)),
            (Some(_), Some(_)) => Err(format!("found both file and env, expected {EXPECTED}")),
            _ => Err(format!("found neither file nor env, expected {EXPECTED}")),
        }
    }

    /// Reads the secret; the environment is the process's own. One newline at the end is taken off.
    ///
    /// # Errors
    /// The secret is missing, empty, no text, too long, or in a file that others can read.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        self.read_with(|name| std::env::var(name).ok().map(SecretString::from))
    }

    /// Reads the secret; `variable` is the environment.
    ///
    /// # Errors
    /// As [`SecretSource::read`].
    pub fn read_with(&self, variable: impl Fn(&str) -> Option<SecretString>) -> Result<SecretString, SecretError> {
        let secret = match self {
            Self::File(path) => self.text(read_file(path)?)?,
            Self::Env(name) => variable(name).ok_or(SecretError::NotSet)?,
        };
        let text = secret.expose_secret();
        let trimmed = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if trimmed.is_empty() {
            return Err(self.not_a_secret("nothing"));
        }
        Ok(SecretString::from(trimmed))
    }

    fn text(&self, bytes: Zeroizing<Vec<u8>>) -> Result<SecretString, SecretError> {
        if bytes.len() as u64 > MAX_SECRET_BYTES {
            return Err(self.not_a_secret("more than 64 KiB"));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(SecretString::from(text)),
            Err(_) => Err(self.not_a_secret("bytes that are not UTF-8")),
        }
    }

    fn not_a_secret(&self, found: &'static str) -> SecretError {
        SecretError::NotASecret { source_of_it: self.to_string(), found }
    }
}

fn shown(path: &Path) -> String {
    match path.symlink_metadata() {
        Ok(_there) => format!("file {}", path.display()),
        Err(_not_there) => "file".to_owned(),
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
        }
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let unreadable = |error| SecretError::Unreadable { path: path.to_owned(), error };
    // Not blocking: a pipe in the place of the file must not hang the start.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("something that is not a file")));
    }
    if let Some(mode) = permissions::open_mode(&metadata) {
        return Err(SecretError::Open { path: path.to_owned(), mode });
    }
    read_bounded(&file).map_err(unreadable)
}

fn read_bounded(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize + 1));
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says what was found without showing it: it may be the secret itself.
fn not_a_source(found: &str) -> String {
    format!("found {found}, expected {EXPECTED}; a secret is never written in the config itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn file(folder: &tempfile::TempDir, content: &[u8], mode: u32) -> SecretSource {
        let path = folder.path().join(format!("secret-{mode:o}-{}", content.len()));
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretSource::File(path)
    }

    fn parse(text: &str) -> Result<SecretSource, String> {
        let Value::Table(mut table) = tree::parse(text).unwrap().value else { unreachable!() };
        SecretSource::of(table.remove("secret").unwrap())
    }

    #[test]
    fn one_newline_at_the_end_is_taken_off() {
        let folder = tempfile::tempdir().unwrap();
        for (content, secret) in [("abc\n", "abc"), ("abcde\r\n", "abcde"), ("ab\n\n", "ab\n"), ("ab", "ab")] {
            assert_eq!(file(&folder, content.as_bytes(), 0o600).read().unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn threat_62_a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o604, 0o666, 0o601, 0o664, 0o620, 0o610] {
            let error = file(&folder, b"canary", mode).read().unwrap_err().to_string();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:04o}")), "{error}");
        }
    }

    #[test]
    fn a_group_may_read_its_own_and_what_belongs_to_root() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o440, 0o640, 0o660] {
            let source = file(&folder, b"canary", mode);
            let SecretSource::File(path) = &source else { unreachable!() };
            assert!(source.read().is_ok(), "{mode:o}: of this process's own group");
            if std::os::unix::fs::chown(path, Some(0), Some(12_345)).is_ok() {
                assert_eq!(source.read().is_ok(), mode != 0o660, "{mode:o}: root's, of another group");
                std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
                assert!(source.read().unwrap_err().to_string().contains("chmod 600"), "{mode:o}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_is_an_error_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"\n", b"\xff\xfecanary", &[b'c'; 64 * 1024 + 1]] {
            let error = file(&folder, content, 0o600).read().unwrap_err().to_string();
            assert!(error.contains("expected") && !error.contains("canary"), "{error}");
        }
        assert!(SecretSource::File(folder.path().to_owned()).read().is_err());
    }

    #[test]
    fn a_secret_in_the_place_of_its_place_is_an_error_that_does_not_show_it() {
        let folder = tempfile::tempdir().unwrap();
        let long = "canary".repeat(99);
        for canary in
            ["canary", "./canary", "CANARY", "canary\0", &folder.path().join("canary").display().to_string(), &long]
        {
            for source in [SecretSource::File(canary.into()), SecretSource::Env(canary.into())] {
                let error = source.read_with(|_name| None).unwrap_err().to_string();
                assert!(error.contains("expected") && !error.to_lowercase().contains("canary"), "{error}");
            }
        }
        let there = file(&folder, b"", 0o600);
        assert!(there.read().unwrap_err().to_string().contains("secret-600-0"), "a file that is there is named");
    }

    #[test]
    fn a_variable_is_read_through_the_environment_that_is_given() {
        let source = SecretSource::Env("TOKEN".into());
        let secret = source.read_with(|name| (name == "TOKEN").then(|| "abc\n".into())).unwrap();
        assert_eq!(secret.expose_secret(), "abc");
    }

    #[test]
    fn a_source_is_a_file_or_a_variable_and_nothing_else() {
        assert_eq!(parse("secret = { file = \"a\" }"), Ok(SecretSource::File("a".into())));
        assert_eq!(parse("secret = { env = \"A\" }"), Ok(SecretSource::Env("A".into())));
        for wrong in ["{ file = \"a\", env = \"A\" }", "{}", "{ path = \"a\" }", "{ env = \"\" }", "3", "[]"] {
            assert!(parse(&format!("secret = {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_in_the_config_itself_is_refused() {
        for (secret, canary) in [("\"canary\"", "canary"), ("135797531", "135797531"), ("1.5797531", "1.5797531")] {
            let error = parse(&format!("secret = {secret}")).unwrap_err();
            assert!(error.contains("never written in the config") && !error.contains(canary), "{error}");
        }
    }
}
