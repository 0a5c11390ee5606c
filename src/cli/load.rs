//! Loads the config and opens the store for a command, and reports what is wrong with them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::EXIT_CONFIG;
use super::print::remark;
use crate::app::{BuiltSinks, Checked};
use crate::clock::Clock;
use crate::config::{self, Config, Loaded, Mistakes, Places, Remark, is_within};
use crate::domain::Channel;
use crate::graph::keys::Keys;
use crate::graph::{Limits, Subscriptions};
use crate::routing::Routes;
use crate::sinks;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::Metrics;

/// Loads a config; reports every mistake and warning. `Err` is the exit code.
pub fn config(path: &Path) -> Result<Config, ExitCode> {
    match config::load(path, config::variables()) {
        Ok(Loaded { config, warnings, .. }) => {
            tell_warnings(&warnings);
            Ok(config)
        }
        Err(mistakes) => Err(tell_mistakes(mistakes.list)),
    }
}

/// Loads a config and builds its sinks, keys and routes, and reports all their mistakes together. `Err` is the exit
/// code.
pub fn with_sinks(path: &Path) -> Result<(Loaded, BuiltSinks), ExitCode> {
    let (loaded, warnings) = whole(path);
    tell_warnings(&warnings);
    loaded.map_err(tell_mistakes)
}

/// The same for a server that runs already, as lines for its log: what it loads again.
///
/// # Errors
/// Every mistake.
pub fn again(path: &Path) -> Result<Checked, Vec<String>> {
    let lines = |remarks: Vec<Remark>| remarks.iter().map(ToString::to_string).collect();
    match whole(path) {
        (Ok((loaded, sinks)), warnings) => Ok(Checked { loaded, sinks, warnings: lines(warnings) }),
        (Err(mistakes), _) => Err(lines(in_order(mistakes))),
    }
}

/// A config and its sinks, or every mistake.
pub type Whole = Result<(Loaded, BuiltSinks), Vec<Remark>>;

/// The whole config, and the warnings about it.
pub fn whole(path: &Path) -> (Whole, Vec<Remark>) {
    match config::load(path, config::variables()) {
        Ok(mut loaded) => {
            let warnings = std::mem::take(&mut loaded.warnings);
            match built(&loaded.config, &loaded.places) {
                Ok(sinks) => (Ok((loaded, sinks)), warnings),
                Err(mistakes) => (Err(mistakes), warnings),
            }
        }
        Err(Mistakes { mut list, readable }) => {
            let more = readable.and_then(|it| built(&it.config, &it.places).err()).unwrap_or_default();
            // What is built from a key with a mistake is not worth another line.
            let known: Vec<String> = list.iter().map(|mistake| mistake.key.clone()).collect();
            let is_known = |it: &Remark| known.iter().any(|key| is_within(&it.key, key) || is_within(key, &it.key));
            list.extend(more.into_iter().filter(|it| !is_known(it)));
            (Err(list), Vec::new())
        }
    }
}

/// The sinks of a config, if nothing that is built from it has a mistake.
fn built(config: &Config, places: &Places) -> Result<BuiltSinks, Vec<Remark>> {
    let others: Vec<Remark> = others(config).iter().map(|told| places.remark(told)).collect();
    match sinks::build_all(&config.sinks, &sinks::Context::of(config)) {
        Ok(sinks) if others.is_empty() => Ok(sinks),
        sinks => Err(sinks.err().into_iter().flatten().chain(others).collect()),
    }
}

/// Mistakes in the order of the file.
pub fn in_order(mut mistakes: Vec<Remark>) -> Vec<Remark> {
    mistakes.sort_by(|a, b| a.place.cmp(&b.place));
    mistakes
}

/// Mistakes in the certificates' keys and the routes, which are checked only when they are built. Each begins with its
/// key path.
fn others(config: &Config) -> Vec<String> {
    let mut mistakes = Vec::new();
    if let Err(error) = Routes::new(&config.routes, &config.sinks) {
        mistakes.push(error.to_string());
    }
    if let Some(subscriptions) = &config.subscriptions {
        let (metrics, clock) = (Arc::new(Metrics::new()), Clock::system());
        let url = subscriptions.openid_configuration.clone();
        match Keys::new(Channel::Subscriptions, url, Arc::clone(&metrics), clock.clone()) {
            Ok(keys) => {
                let limits = Limits { max_items: config.server.max_items };
                if let Err(error) = Subscriptions::new(subscriptions, keys, limits, clock) {
                    mistakes.push(error.to_string());
                }
            }
            Err(error) => mistakes.push(error.to_string()),
        }
    }
    mistakes
}

fn tell_warnings(warnings: &[Remark]) {
    for warning in warnings {
        remark!("warning: {warning}");
    }
}

fn tell_mistakes(mistakes: Vec<Remark>) -> ExitCode {
    let mistakes = in_order(mistakes);
    for mistake in &mistakes {
        remark!("{mistake}");
    }
    let n = mistakes.len();
    remark!("{n} mistake{} in the config", if n == 1 { "" } else { "s" });
    ExitCode::from(EXIT_CONFIG)
}

/// Opens the store of a config beside a running server, or without one.
pub fn store(config: &Config) -> anyhow::Result<SqliteStore> {
    Ok(SqliteStore::open_for_operator(&config.store, Clock::system())?)
}
