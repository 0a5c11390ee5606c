//! Finds sinks whose secrets changed in their files while the config stayed the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use toml::Value;

use crate::config::{SecretSource, Sink};
use crate::domain::SinkName;

/// A SHA-256 over the contents of the files of each sink's secrets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprints(BTreeMap<SinkName, [u8; 32]>);

impl Fingerprints {
    /// Reads the files that the sinks' sections name.
    pub(super) fn of(sinks: &[Sink]) -> Self {
        Self(sinks.iter().map(|sink| (sink.name.clone(), fingerprint(sink))).collect())
    }

    /// The sinks of both configs whose secrets differ.
    pub(super) fn touched(&self, new: &Self) -> BTreeSet<SinkName> {
        let is_other = |(name, new): &(&SinkName, &[u8; 32])| self.0.get(*name).is_some_and(|old| old != *new);
        new.0.iter().filter(is_other).map(|(name, _)| name.clone()).collect()
    }
}

fn fingerprint(sink: &Sink) -> [u8; 32] {
    let mut digest = Sha256::new();
    sink.table.plain().values().for_each(|value| add(value, &mut digest));
    digest.finalize().into()
}

/// Adds the contents of each file that a value names: `{ file = ".." }`, at any depth.
fn add(value: &Value, digest: &mut Sha256) {
    match value {
        Value::Table(table) => match (table.len(), table.get("file").and_then(Value::as_str)) {
            (1, Some(file)) => {
                let secret = SecretSource::File(PathBuf::from(file)).read().ok();
                // The end of each content is marked, so that two secrets never look like one.
                let text = secret.as_ref().map_or("", |secret| secret.expose_secret());
                digest.update(text.len().to_le_bytes());
                digest.update(text);
            }
            _ => table.values().for_each(|value| add(value, digest)),
        },
        Value::Array(values) => values.iter().for_each(|value| add(value, digest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sinks(text: &str) -> Vec<Sink> {
        let text = format!("[calls]\napp_ids = ['x']\n[sinks.crm]\nkind = 'http'\n{text}");
        crate::config::parse(&text, std::iter::empty()).unwrap().config.sinks
    }

    #[test]
    fn a_sink_whose_secret_changed_in_its_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let write = |text: &str| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("one");
        for table in ["secret = { file = 'F' }", "secret = [{ file = 'F' }]", "headers = { cookie = { file = 'F' } }"] {
            let sinks = sinks(&table.replace('F', &file.display().to_string()));
            let before = Fingerprints::of(&sinks);
            assert_eq!(before.touched(&Fingerprints::of(&sinks)), BTreeSet::new(), "{table}");
            write("two");
            assert_eq!(before.touched(&Fingerprints::of(&sinks)), BTreeSet::from([SinkName::new("crm")]), "{table}");
            write("one");
        }
    }

    #[test]
    fn a_sink_that_is_new_is_not_among_those_whose_secret_changed() {
        let sinks = sinks("url = 'https://x.example/'");
        assert_eq!(Fingerprints::default().touched(&Fingerprints::of(&sinks)), BTreeSet::new());
    }
}
