//! Whether the secrets of a sink are others now: their files have changed, while the config has not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use toml::Value;

use crate::config::{SecretSource, Sink};
use crate::domain::SinkName;

/// What the files of each sink's secrets hold, as one SHA-256.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprints(BTreeMap<SinkName, [u8; 32]>);

impl Fingerprints {
    /// Reads the files that the sinks' tables name.
    pub(super) fn of(sinks: &[Sink]) -> Self {
        Self(sinks.iter().map(|sink| (sink.name.clone(), fingerprint(sink))).collect())
    }

    /// The sinks of both whose secrets are others.
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

/// Adds what the files hold that a value names: `{ file = ".." }`, wherever it stands.
fn add(value: &Value, digest: &mut Sha256) {
    match value {
        Value::Table(table) => match (table.len(), table.get("file").and_then(Value::as_str)) {
            (1, Some(file)) => {
                let secret = SecretSource::File(PathBuf::from(file)).read().ok();
                // The ends are marked, so that two secrets are not one.
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
