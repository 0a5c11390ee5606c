//! The kinds of sinks: which there are, which of them this build has, and how one is made of its section.
//!
//! A new kind is a folder, a `mod` line and a line in [`kinds!`], and a feature in Cargo.toml.

use std::sync::Arc;

use super::{FromConfig, Sink};
use crate::config::{self, Remark, Section, Table};

/// A kind of sink in this build.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The value of `kind` in the config.
    pub name: &'static str,
    /// Its purpose in one line.
    pub summary: &'static str,
    keys: fn() -> Vec<&'static str>,
    read: fn(&mut Section<'_>) -> Option<Arc<dyn Sink>>,
}

impl Kind {
    /// The kind with its keys, for the config's JSON Schema.
    pub fn described(&self) -> config::SinkKind {
        let keys = Table::describe(|section| drop((self.read)(section)));
        config::SinkKind { name: self.name, summary: self.summary, keys }
    }

    /// The keys of its section, those that every sink has aside.
    pub fn keys(&self) -> Vec<&'static str> {
        (self.keys)()
    }
}

/// Lists the kinds, each with its Cargo feature.
macro_rules! kinds {
    ($($feature:tt: $name:tt => $sink:ty;)+) => {
        /// Every kind of sink that this build has, by name.
        pub const KINDS: &[Kind] = &[$(#[cfg(feature = $feature)] kind::<$sink>()),+];

        /// Every kind that there is, and the feature that a build needs for it.
        const FEATURES: &[(&str, &str)] = &[$(($name, $feature)),+];
    };
}

kinds! {
    "sink-file": "file" => super::file::FileSink;
    "sink-http": "http" => super::http::HttpSink;
    "sink-stdout": "stdout" => super::stdout::StdoutSink;
}

#[cfg_attr(
    not(any(feature = "sink-file", feature = "sink-http", feature = "sink-stdout")),
    allow(dead_code, reason = "a build without any kind")
)]
const fn kind<S: FromConfig>() -> Kind {
    Kind { name: S::KIND, summary: S::SUMMARY, keys: keys_of::<S>, read: read::<S> }
}

fn keys_of<S: FromConfig>() -> Vec<&'static str> {
    Table::keys_of(|section| drop(S::read(section)))
}

fn read<S: FromConfig>(section: &mut Section<'_>) -> Option<Arc<dyn Sink>> {
    Some(Arc::new(S::read(section)?))
}

/// Builds a sink as configured.
///
/// # Errors
/// Every mistake in its section, each with its key path and its place.
pub fn build(sink: &config::Sink) -> Result<Arc<dyn Sink>, Vec<Remark>> {
    sink.table.read(&path_of(sink), |section| {
        match KINDS.iter().find(|kind| kind.name == sink.kind) {
            Some(kind) => (kind.read)(section),
            None => {
                section.mistake("kind", no_such_kind(&sink.kind, KINDS));
                // Whose keys they are is not known.
                section.ignore_the_rest();
                None
            }
        }
    })
}

/// The keys of a sink's kind, with their values and where those come from.
pub fn values(sink: &config::Sink) -> Vec<config::Key> {
    let kind = KINDS.iter().find(|kind| kind.name == sink.kind);
    let values = kind.map(|kind| sink.table.values(&path_of(sink), |section| drop((kind.read)(section))));
    values.unwrap_or_default()
}

fn path_of(sink: &config::Sink) -> String {
    format!("sinks.{}", sink.name)
}

fn no_such_kind(found: &str, built: &[Kind]) -> String {
    let names: Vec<&str> = built.iter().map(|kind| kind.name).collect();
    let expected =
        if names.is_empty() { "a build that has sinks".to_owned() } else { format!("one of {}", names.join(", ")) };
    match FEATURES.iter().find(|(name, _)| *name == found) {
        Some((_, feature)) => format!(
            "found {found:?}, expected {expected}: this build has no sink of kind {found:?}, it was built without the \
             feature {feature:?}"
        ),
        None => format!("found {found:?}, expected {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_the_build_lacks_is_told_with_its_feature() {
        assert_eq!(
            no_such_kind("http", &KINDS[..1]),
            "found \"http\", expected one of file: this build has no sink of kind \"http\", it was built without the feature \
             \"sink-http\""
        );
        assert!(no_such_kind("http", &[]).contains("expected a build that has sinks: this build has no sink"));
        assert!(!no_such_kind("htpp", KINDS).contains("feature"));
    }

    #[test]
    fn every_kind_has_a_feature_of_its_name() {
        for (name, feature) in FEATURES {
            assert_eq!(*feature, format!("sink-{name}"));
        }
        let built: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert!(FEATURES.iter().map(|(name, _)| *name).eq(built), "all of them are in this build, in this order");
    }
}
