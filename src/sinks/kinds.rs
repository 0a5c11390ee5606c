//! A kind of sink, and how a sink is made of its section. The kinds are registered in `mod.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Context, FEATURES, FromConfig, Sink, kinds};
use crate::config::{self, Remark, Section, Table};
use crate::domain::SinkName;

/// A kind of sink in this build.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The value of `kind` in the config.
    pub name: &'static str,
    /// Its purpose in one line.
    pub summary: &'static str,
    /// What has happened to an event when it counts as delivered.
    pub confirmed: &'static str,
    /// Its page in docs/sinks/.
    page: &'static str,
    read: fn(&mut Section<'_>, &Context) -> Option<Arc<dyn Sink>>,
}

impl Kind {
    /// The kind of the sinks `S`.
    pub const fn of<S: FromConfig>() -> Self {
        Self { name: S::KIND, summary: S::SUMMARY, confirmed: S::CONFIRMED, page: S::PAGE, read: read::<S> }
    }

    /// The kind with its keys, for the config's JSON Schema.
    pub fn described(&self) -> config::SinkKind {
        let keys = Table::describe(|section| drop((self.read)(section, &Context::default())));
        config::SinkKind { name: self.name, summary: self.summary, page: self.page, keys }
    }

    /// The keys of its section, without those that every sink has.
    pub fn keys(&self) -> Vec<String> {
        let keys = self.described().keys.into_iter().map(|key| key.path);
        keys.filter(|path| !path.contains(['.', '['])).collect()
    }
}

/// Registers the kinds: for each its Cargo feature, its module and its type. The module's name is the name of the kind.
macro_rules! kinds {
    ($($feature:literal: $kind:ident::$sink:ident;)+) => {
        /// Every kind of sink that this build of reelhook has, by name. See [`kinds`] for all.
        pub const KINDS: &[Kind] = &[$(#[cfg(feature = $feature)] Kind::of::<$kind::$sink>()),+];

        /// Every kind that exists, and the feature that a build needs for it.
        const FEATURES: &[(&str, &str)] = &[$((stringify!($kind), $feature)),+];
    };
}

fn read<S: FromConfig>(section: &mut Section<'_>, context: &Context) -> Option<Arc<dyn Sink>> {
    Some(Arc::new(S::read(section, context)?))
}

/// A sink that was built.
pub struct Built {
    /// The sink.
    pub sink: Arc<dyn Sink>,
    /// The keys of its kind, with their values and origins.
    pub keys: Vec<config::Key>,
}

/// The sinks that a config names, built.
pub type BuiltSinks = Vec<(SinkName, Built)>;

/// Builds a sink as configured.
///
/// # Errors
/// Every mistake in its section, each with its key path and its place.
pub fn build(sink: &config::Sink, context: &Context) -> Result<Built, Vec<Remark>> {
    let built = sink.table.read(&path_of(&sink.name), |section| {
        match kinds().find(|kind| kind.name == sink.kind) {
            Some(kind) => (kind.read)(section, &context.with(sink)),
            None => {
                section.mistake("kind", no_such_kind(&sink.kind, kinds()));
                // Whose keys they are is not known.
                section.ignore_the_rest();
                None
            }
        }
    });
    built.map(|(sink, keys)| Built { sink, keys })
}

/// Builds every sink of a config.
///
/// # Errors
/// Every mistake of every sink, and of two sinks together.
pub fn build_all(configured: &[config::Sink], context: &Context) -> Result<BuiltSinks, Vec<Remark>> {
    let (mut built, mut mistakes): (BuiltSinks, Vec<Remark>) = (Vec::new(), Vec::new());
    let mut writers = BTreeMap::new();
    for sink in configured {
        match build(sink, context) {
            Ok(it) => {
                let file = it.sink.own_path();
                if let Some(other) = file.and_then(|file| writers.insert(file, &sink.name)) {
                    let text = format!("found the file of the sink {other}, expected a file for this sink alone");
                    mistakes.push(sink.table.mistake(&format!("{}.path", path_of(&sink.name)), text));
                }
                built.push((sink.name.clone(), it));
            }
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty() { Ok(built) } else { Err(mistakes) }
}

/// Every key of a config with its value and origin, in the order of the sections. Those of a sink's kind follow the keys
/// that every sink has.
pub fn effective(mut keys: Vec<config::Key>, sinks: &BuiltSinks) -> Vec<config::Key> {
    for (name, built) in sinks {
        // A key of the kind stands in place of one of every sink's.
        keys.retain(|key| !built.keys.iter().any(|own| own.path == key.path));
        let section = format!("{}.", path_of(name));
        let end = keys.iter().rposition(|key| key.path.starts_with(&section)).map_or(keys.len(), |last| last + 1);
        keys.splice(end..end, built.keys.iter().cloned());
    }
    keys
}

fn path_of(sink: &SinkName) -> String {
    format!("sinks.{sink}")
}

fn no_such_kind<'a>(found: &str, built: impl Iterator<Item = &'a Kind>) -> String {
    let names: Vec<&str> = built.map(|kind| kind.name).collect();
    let expected =
        if names.is_empty() { "a build that has sinks".to_owned() } else { format!("one of {}", names.join(", ")) };
    match without(found) {
        Some(without) => format!("found {found:?}, expected {expected}: {without}"),
        None => format!("found {found:?}, expected {expected}"),
    }
}

/// What is said of a kind that exists, and that this build does not have. `None`: it has it, or there is no such kind.
pub fn left_out(kind: &str) -> Option<String> {
    without(kind).filter(|_| kinds().all(|built| built.name != kind))
}

fn without(kind: &str) -> Option<String> {
    let (_, feature) = FEATURES.iter().find(|(name, _)| *name == kind)?;
    Some(format!("this build has no sink of kind {kind:?}, it was built without the feature {feature:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::KINDS;

    #[test]
    fn a_kind_that_the_build_lacks_is_told_with_its_feature() {
        assert_eq!(
            no_such_kind("http", KINDS[..1].iter()),
            "found \"http\", expected one of exec: this build has no sink of kind \"http\", it was built without the feature \
             \"http\""
        );
        assert!(no_such_kind("http", [].iter()).contains("expected a build that has sinks: this build has no sink"));
        assert!(!no_such_kind("htpp", KINDS.iter()).contains("feature"));
    }

    #[test]
    fn every_kind_has_a_feature_of_its_name() {
        for (name, feature) in FEATURES {
            assert_eq!(feature, name);
        }
        let built: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let expected =
            FEATURES.iter().map(|(name, _)| *name).filter(|name| *name != "kafka" || cfg!(feature = "kafka"));
        assert!(expected.eq(built), "all of them are in this build, in this order, but for those outside of `default`");
    }
}
