//! The composition root: the only module that knows all others, and the owner of every task. Its files are the steps of
//! the start: `store`, `engine` (what works without a request), `faces` (what answers requests).
//!
//! **Invariants**
//! 1. A stop has this order: not ready, accept no connections, finish the requests in progress, finish or hand back
//!    leases, close the sinks, close the store. All of this within the grace.
//! 2. A key provider that is down does not stop the start.
//! 3. A task that fails stops the app cleanly ([`App::broken`]): a server of which only half works must not say that it
//!    is ready.
//! 4. A reload changes everything that it can, or nothing ([`Source`]).

mod backlogs;
mod channels;
mod contents;
mod dispatchers;
mod engine;
mod faces;
mod history;
mod housekeeping;
mod offline_api;
mod parts;
mod reload;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::engine::Engine;
use self::faces::{Faces, Sockets};
use self::history::History;
use self::parts::Parts;
use self::reload::Reloader;
use self::store::Stored;
use crate::clock::Clock;
use crate::config::Loaded;
use crate::dispatch::Pauses;
use crate::running::{Reload, Running, Setup};
use crate::store::{Operations, Store};
use crate::telemetry::{self, Metrics};

pub use self::offline_api::Offline;
pub use self::reload::{Checked, Source};
pub use crate::sinks::BuiltSinks;

/// The least time for dispatch to finish its attempts, even if the grace is nearly over.
const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// A running reelhook: its listeners and all tasks.
pub struct App {
    /// The address for Graph. It has the real port if the config said 0.
    pub public: SocketAddr,
    /// The address for operators.
    pub admin: SocketAddr,
    /// The address for probes, if the config has one.
    pub probes: Option<SocketAddr>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The stored operations.
    pub operations: Arc<dyn Operations>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// The current config.
    pub running: Arc<Running>,
    /// Asks for a reload.
    pub reload: Arc<Reload>,
    parts: Parts,
    engine: Engine,
    faces: Faces,
}

impl App {
    /// Builds everything from a checked config and starts it. An actix system must be running.
    ///
    /// # Errors
    /// An address is in use, the store is locked or unusable, a key or a sink's config is wrong: the text says which.
    pub async fn start(loaded: Loaded, sinks: BuiltSinks, clock: Clock) -> anyhow::Result<Self> {
        let sockets = Sockets::bind(&loaded.config)?;
        let setup = Setup::new(loaded, sinks, clock.now());
        let parts = Parts::new(setup, clock);
        let stored = Stored::open(&parts).await?;
        History::new(&parts, &stored.store).restore().await;
        let engine = Engine::start(&parts, &stored).await?;
        let faces = Faces::serve(sockets, &parts, &stored, &engine)?;
        stored.reception.begins_again();
        let probes = faces.probes.map(tracing::field::display);
        tracing::info!(public = %faces.public, admin = %faces.admin, probes, "serving");
        Ok(Self {
            public: faces.public,
            admin: faces.admin,
            probes: faces.probes,
            metrics: Arc::clone(&parts.metrics),
            store: stored.store,
            operations: stored.operations,
            pauses: stored.pauses,
            running: Arc::clone(&parts.running),
            reload: Arc::clone(&parts.reload),
            parts,
            engine,
            faces,
        })
    }

    /// Resolves when a task has failed. The caller then stops the app and ends with an error, so that a supervisor
    /// restarts the process.
    pub async fn broken(&self) {
        self.parts.tasks.broken().await;
    }

    /// From now on the config can be loaded again from this source. Only the first call has an effect.
    pub fn reload_from(&self, source: Source) {
        let Some(asks) = self.reload.answered_by() else { return };
        let Parts { tasks, stops, .. } = &self.parts;
        let watched = source.watch(&self.parts, stops.waiting.clone());
        let reloader = Reloader::new(self.parts.clone(), &self.engine, &self.faces, source);
        tasks.run("loading the config again", reloader.run(asks, stops.waiting.clone()));
        tasks.run("watching the config file", watched);
    }

    /// Stops cleanly, within the configured grace.
    pub async fn stop(self) {
        let (began, server) = (Instant::now(), self.running.now().config.server.clone());
        let grace = server.shutdown_grace;
        let left = || grace.saturating_sub(began.elapsed()).max(LEAST_DRAIN);
        let Parts { tasks, stops, .. } = &self.parts;
        tasks.begin_stop();
        stops.waiting.cancel();
        tracing::info!(?grace, "stopping: not ready any more");
        tokio::time::sleep(server.shutdown_delay).await;
        let in_flight = self.faces.public_server.stop(true);
        if tokio::time::timeout(left(), in_flight).await.is_err() {
            tracing::warn!("requests were still in progress when the grace ended");
        }
        stops.intake.cancel();
        stops.dispatch.cancel();
        // Waiting clients of the admin listener are being answered; idle connections are closed at once.
        futures_util::future::join_all(self.faces.last_servers.iter().map(|server| server.stop(true))).await;
        self.end_tasks(grace.saturating_sub(began.elapsed())).await;
        History::new(&self.parts, &self.store).save().await;
        self.store.close().await;
        telemetry::log::tell_left_out_at_the_end();
        tracing::info!(took = ?began.elapsed(), "stopped");
    }

    /// Waits at most `left` for the tasks. Near the end, attempts are cancelled, so that every sink can be closed.
    async fn end_tasks(&self, left: Duration) {
        let left = left.max(LEAST_DRAIN);
        let closing = (left / 4).min(LEAST_DRAIN);
        if tokio::time::timeout(left - closing, self.parts.tasks.ended()).await.is_ok() {
            return;
        }
        self.parts.stops.hurry.cancel();
        if tokio::time::timeout(closing, self.parts.tasks.ended()).await.is_err() {
            tracing::warn!("some tasks had not ended when the grace ended; their work is done after the next start");
        }
    }
}
