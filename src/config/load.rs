//! From a file and the environment to a checked config, or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Config;
use super::environment::overlay;
use super::mistakes::{Mistakes, Place, Remark};
use super::section::{Report, Section};
use super::sections::{channels, listeners, routes, sinks, storage};
use super::tree::{self, Node};
use crate::domain::SinkName;

/// A checked config, and what its operator should know of it.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// What is right but may not be meant.
    pub warnings: Vec<Remark>,
}

/// Loads the config at `path`. `variables` is the environment: it overrides values (see [`super::PREFIX`]) and holds
/// the secrets that the config names by `{ env = ".." }`.
///
/// # Errors
/// Everything that is wrong.
pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Loaded, Mistakes> {
    let file = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => read(&file, &text, variables.collect()),
        Err(error) => Err(only(&file, format!("found {error}, expected a config file in TOML that can be read"))),
    }
}

/// As [`load`], from text.
///
/// # Errors
/// Everything that is wrong.
pub fn parse(text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Loaded, Mistakes> {
    read("config", text, variables.collect())
}

fn only(file: &str, text: String) -> Mistakes {
    let remark = Remark { file: file.into(), place: Place::File, key: String::new(), text };
    Mistakes { list: vec![remark], sinks: Vec::new() }
}

fn read(file: &str, text: &str, variables: BTreeMap<String, String>) -> Result<Loaded, Mistakes> {
    let report = Report::new(file, variables);
    let read = match tree::parse(text) {
        Ok(mut root) => {
            for (place, text) in overlay(&mut root, report.variables()) {
                report.mistake_at(place, "", text);
            }
            Some(config(&report, root))
        }
        Err(errors) => {
            for (place, text) in errors {
                report.mistake_at(place, "", format!("is not TOML: {text}"));
            }
            None
        }
    };
    let (list, warnings) = report.into_remarks();
    match read {
        Some(config) if list.is_empty() => Ok(Loaded { config, warnings }),
        read => Err(Mistakes { list, sinks: read.map(|config| config.sinks).unwrap_or_default() }),
    }
}

/// Reads the whole tree. Where a mistake was noted the config holds something harmless in its place.
fn config(report: &Report, root: Node) -> Config {
    let mut root = Section::root(report, root);
    let server = listeners::server(&mut root);
    let admin = listeners::admin(&mut root, &server);
    let store = storage::store(&mut root);
    let calls = channels::calls(&mut root);
    let subscriptions = channels::subscriptions(&mut root);
    channels::check_paths(calls.as_ref(), subscriptions.as_ref(), &root);
    let dispatch = sinks::dispatch(&mut root);
    let sinks = sinks::sinks(&mut root, &dispatch);
    let routes = routes::routes(&mut root);
    let names: Vec<SinkName> = sinks.iter().map(|sink| sink.name.clone()).collect();
    routes::check(&routes, &names, &root);
    let log = listeners::log(&mut root);
    Config { server, admin, store, calls, subscriptions, dispatch, sinks, routes, log }
}
