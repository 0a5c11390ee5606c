//! Loading the config again while the app runs.
//!
//! **Invariants**
//! 1. The new config is checked whole before anything is changed. If it has a mistake, the server keeps the old one.
//! 2. No request and no delivery is dropped. Those in progress end with the config with which they began.
//! 3. One reload at a time.

mod changes;
mod file;
mod fingerprints;
mod restart;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::changes::Changes;
use self::file::{Stamp, Watcher};
use self::fingerprints::Fingerprints;
use super::dispatchers::{Dispatchers, Work};
use super::engine::Engine;
use super::faces::Faces;
use super::parts::Parts;
use crate::access::Access;
use crate::config::Loaded;
use crate::domain::SinkName;
use crate::http::Bounds;
use crate::intake::{Channels, Intake};
use crate::routing::{Router, Routes};
use crate::running::{Ask, Change, Last, Outcome, Refusal, Setup};
use crate::sinks::BuiltSinks;
use crate::store::Rules;
use crate::telemetry;

/// The loader broke: a fault in reelhook.
const BROKEN: &str = "the config could not be loaded: a fault in reelhook";

/// A config without a mistake, and its sinks.
pub struct Checked {
    /// The config, with its keys.
    pub loaded: Loaded,
    /// Its sinks, built.
    pub sinks: BuiltSinks,
    /// What is right but may not be meant.
    pub warnings: Vec<String>,
}

/// Loads and checks the config as it is now, or tells every mistake: one line each, without any secret.
type Load = dyn Fn() -> Result<Checked, Vec<String>> + Send + Sync;

/// Where the config comes from.
pub struct Source {
    load: Arc<Load>,
    file: Option<(PathBuf, Stamp)>,
}

impl Source {
    /// What `load` says. It may read files.
    pub fn new(load: impl Fn() -> Result<Checked, Vec<String>> + Send + Sync + 'static) -> Self {
        Self { load: Arc::new(load), file: None }
    }

    /// The same, from a file that is watched where the config says so. Call it before the file is read the first time.
    #[must_use]
    pub fn in_file(self, file: PathBuf) -> Self {
        let stamp = Stamp::of(&file);
        Self { file: Some((file, stamp)), ..self }
    }

    /// Asks for a reload when the file changes, until told to stop.
    pub(super) fn watch(&self, parts: &Parts, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let (running, reload) = (Arc::clone(&parts.running), Arc::clone(&parts.reload));
        let watcher = self.file.clone().map(|(file, stamp)| Watcher { file, stamp, running, reload });
        async move {
            match watcher {
                Some(watcher) => watcher.run(stop).await,
                None => stop.cancelled().await,
            }
        }
    }
}

/// Answers whoever asks for a reload.
pub(super) struct Reloader {
    parts: Parts,
    intake: Arc<Intake>,
    dispatchers: Arc<Dispatchers>,
    routes: Arc<Router>,
    rules: Arc<dyn Rules>,
    access: Arc<Access>,
    bounds: Arc<Bounds>,
    load: Arc<Load>,
    /// Those of the secrets' files that the sinks were built from.
    fingerprints: Fingerprints,
}

/// All that a reload needs, ready: from here on nothing can fail.
struct Ready {
    setup: Setup,
    channels: Channels,
    routes: Routes,
    fingerprints: Fingerprints,
    changes: Changes,
}

impl Reloader {
    pub(super) fn new(parts: Parts, engine: &Engine, faces: &Faces, source: Source) -> Self {
        let fingerprints = Fingerprints::of(&parts.running.now().config.sinks);
        Self {
            parts,
            intake: Arc::clone(&engine.intake),
            dispatchers: Arc::clone(&engine.dispatchers),
            routes: Arc::clone(&engine.routes),
            rules: Arc::clone(&engine.rules),
            access: Arc::clone(&faces.access),
            bounds: Arc::clone(&faces.bounds),
            load: source.load,
            fingerprints,
        }
    }

    /// Answers until told to stop.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, stop: CancellationToken) {
        loop {
            let ask = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                ask = asks.recv() => ask,
            };
            // Its other end is held by the app.
            let Some(Ask { by, answer }) = ask else { return stop.cancelled().await };
            let outcome = self.reload().await;
            self.tell(&by, &outcome);
            // Who asked may have gone.
            drop(answer.send(outcome));
        }
    }

    async fn reload(&mut self) -> Outcome {
        let load = Arc::clone(&self.load);
        let loaded = tokio::task::spawn_blocking(move || {
            let checked = load()?;
            let fingerprints = Fingerprints::of(&checked.loaded.config.sinks);
            Ok((checked, fingerprints))
        });
        let loaded = loaded.await.map_err(|_panic| Refusal::Impossible(BROKEN))?;
        let (Checked { loaded, sinks, warnings }, fingerprints) = loaded.map_err(Refusal::Mistakes)?;
        let new = Setup::new(loaded, sinks, self.parts.clock.now());
        let (new, needs_restart) = restart::keep(&self.parts.running.now(), new);
        let ready = self.prepare(new, fingerprints).map_err(|mistake| Refusal::Mistakes(vec![mistake]))?;
        let changed = ready.changes.names();
        self.apply(ready);
        Ok(Change { changed, needs_restart, warnings })
    }

    /// Builds what the new config needs.
    fn prepare(&self, new: Setup, fingerprints: Fingerprints) -> Result<Ready, String> {
        let config = &new.config;
        let now = self.parts.running.now();
        let touched = self.fingerprints.touched(&fingerprints);
        let changes = Changes::between(&now.config, config, &touched);
        let channels = self.intake.channels.load().again(config).map_err(|error| error.to_string())?;
        let routes = Routes::new(&config.routes, &config.sinks).map_err(|error| error.to_string())?;
        telemetry::log::set_filter(&config.log.filter)?;
        let keep = |(name, new)| match now.built(SinkName::as_str(&name)) {
            Some(old) if !changes.is_other(&name) => (name, Arc::clone(old)),
            _ => (name, new),
        };
        let sinks = new.sinks.into_iter().map(keep).collect();
        let setup = Setup { sinks, ..new };
        Ok(Ready { setup, channels, routes, fingerprints, changes })
    }

    /// Has the new config run. Sinks that are new are ready before something is routed to them; those that are gone end
    /// when nothing is.
    fn apply(&mut self, Ready { setup, channels, routes, fingerprints, changes }: Ready) {
        for name in &changes.sinks.added {
            self.dispatchers.set(name, Work::of(&setup, name));
        }
        let config = &setup.config;
        self.access.replace(config.admin.tokens.clone());
        self.bounds.replace(&config.server);
        self.rules.watch_by(&config.expectations);
        self.intake.channels.store(Arc::new(channels));
        self.routes.replace(routes);
        for name in changes.sinks.changed.iter().chain(&changes.sinks.removed) {
            self.dispatchers.set(name, Work::of(&setup, name));
        }
        self.parts.metrics.config_loaded(setup.since);
        self.parts.running.replace(setup);
        self.fingerprints = fingerprints;
    }

    fn tell(&self, by: &str, outcome: &Outcome) {
        let list = |texts: &[String]| texts.join(", ");
        match outcome {
            Ok(Change { changed, needs_restart, warnings }) => {
                tracing::info!(
                    asked_by = by,
                    changed = list(changed),
                    warnings = list(warnings),
                    "the config was loaded again"
                );
                if !needs_restart.is_empty() {
                    let keys = list(needs_restart);
                    tracing::warn!(keys, "the config file has other values for these keys: they need a restart");
                }
            }
            Err(Refusal::Mistakes(mistakes)) => {
                let (n, mistakes) = (mistakes.len(), mistakes.join("; "));
                tracing::error!(
                    asked_by = by,
                    n_mistakes = n,
                    mistakes,
                    "the config has mistakes and was not loaded: the server keeps the old one"
                );
            }
            Err(Refusal::Impossible(why)) => {
                tracing::error!(asked_by = by, error = why, "the config was not loaded: the server keeps the old one")
            }
        }
        self.parts.metrics.config_reload(if outcome.is_ok() { "ok" } else { "refused" });
        self.parts.reload.note(Last { at: self.parts.clock.now(), by: by.to_owned(), outcome: outcome.clone() });
    }
}
