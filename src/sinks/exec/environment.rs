//! The environment of a command.
//!
//! **Invariant**: it is what the config says and [`INHERITED`], and nothing else: the secrets in the environment of this
//! process do not reach it.

use std::ffi::OsString;

use crate::config::{Named, Section, Text};

/// What a command gets of the environment of this process.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
/// Where programs are looked for.
const PATH: &str = "PATH";

/// The variables that the config sets.
pub(super) struct Environment {
    set: Vec<Named<Text>>,
}

impl Environment {
    /// Reads the table `env`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let set = section.texts_or_secrets("env");
        for variable in &set {
            if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
                section
                    .report
                    .mistake(&variable.path, "found a name that no variable can have, expected one without =");
            }
            if variable.value.expose().contains('\0') {
                section.report.mistake(&variable.path, "found a NUL in the value, expected text without");
            }
        }
        Self { set }
    }

    /// Every variable, those of the config last.
    pub(super) fn variables(&self) -> Vec<(&str, OsString)> {
        let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let set = self.set.iter().map(|variable| (variable.name.as_str(), variable.value.expose().into()));
        inherited.chain(set).collect()
    }

    /// Where programs are looked for, if it says so.
    pub(super) fn path(&self) -> Option<OsString> {
        self.variables().into_iter().rev().find(|(name, _)| *name == PATH).map(|(_, value)| value)
    }

    /// The secrets among the values.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.set.iter().filter(|variable| variable.value.is_secret()).map(|variable| variable.value.expose())
    }
}
