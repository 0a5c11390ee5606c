//! The composition root: the only room that knows everyone, and the owner of every task. What is built stands in the order
//! of the start: `store`, `engine` (what works without being asked), `faces` (what answers).
//!
//! **Invariants**
//! 1. A stop goes in this order: not ready, stop accepting, finish what is in flight, finish or hand back leases, close
//!    the sinks, close the store. All within the grace.
//! 2. A key provider that is down does not stop the start.
//! 3. A task that breaks ends the app, in order ([`App::broken`]): half a server that says it is ready is none.
//! 4. A reload changes all that can be changed or nothing ([`Source`]).

mod backlogs;
mod channels;
mod dispatchers;
mod engine;
mod faces;
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
use self::parts::Parts;
use self::reload::Reloader;
use self::store::Stored;
use crate::clock::Clock;
use crate::config::{self, Loaded, Remark};
use crate::dispatch::Pauses;
use crate::running::{Reload, Running, Setup};
use crate::sinks;
use crate::store::{Operations, Store};
use crate::telemetry::{self, Metrics};

pub use self::offline_api::Offline;
pub use self::reload::{Checked, Source};
pub use crate::sinks::BuiltSinks;

/// The least time that dispatch gets to finish its attempts when the grace is nearly over.
const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// A running reelhook.
pub struct App {
    /// Where Graph posts to: the port is the real one where the config said 0.
    pub public: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The operations in it.
    pub operations: Arc<dyn Operations>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// The config that runs now.
    pub running: Arc<Running>,
    /// How another is asked for.
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
        let engine = Engine::start(&parts, &stored).await?;
        let faces = Faces::serve(sockets, &parts, &stored, &engine)?;
        stored.reception.begins_again();
        tracing::info!(public = %faces.public, admin = %faces.admin, "serving");
        Ok(Self {
            public: faces.public,
            admin: faces.admin,
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

    /// Resolves when a task broke: then stop, and end with an error, so that what watches the process starts it again.
    pub async fn broken(&self) {
        self.parts.tasks.broken().await;
    }

    /// From now on its config can be loaded again, from this source. The first call counts.
    pub fn reload_from(&self, source: Source) {
        let Some(asks) = self.reload.answered_by() else { return };
        let Parts { tasks, stops, .. } = &self.parts;
        let watched = source.watch(&self.parts, stops.waiting.clone());
        let reloader = Reloader::new(self.parts.clone(), &self.engine, &self.faces, source);
        tasks.run("loading the config again", reloader.run(asks, stops.waiting.clone()));
        tasks.run("watching the config file", watched);
    }

    /// Stops in order, within the configured grace.
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
            tracing::warn!("requests were still in flight when the grace ended");
        }
        stops.intake.cancel();
        stops.dispatch.cancel();
        // Whoever waited there is being answered; what rests is closed at once.
        self.faces.admin_server.stop(true).await;
        self.end_tasks(grace.saturating_sub(began.elapsed())).await;
        self.store.close().await;
        telemetry::log::tell_left_out_at_the_end();
        tracing::info!(took = ?began.elapsed(), "stopped");
    }

    /// Waits for the tasks, `left` at most: near its end attempts are broken off, so that every sink can be closed.
    async fn end_tasks(&self, left: Duration) {
        let left = left.max(LEAST_DRAIN);
        let closing = (left / 4).min(LEAST_DRAIN);
        if tokio::time::timeout(left - closing, self.parts.tasks.ended()).await.is_ok() {
            return;
        }
        self.parts.stops.hurry.cancel();
        if tokio::time::timeout(closing, self.parts.tasks.ended()).await.is_err() {
            tracing::warn!(
                "not everything had ended when the grace ended; what is undone is done again after the start"
            );
        }
    }
}

/// Builds sinks as configured.
///
/// # Errors
/// Every mistake of every sink.
pub fn build_sinks(configured: &[config::Sink]) -> Result<BuiltSinks, Vec<Remark>> {
    let mut built = Vec::new();
    let mut mistakes = Vec::new();
    for sink in configured {
        match sinks::build(sink) {
            Ok(it) => built.push((sink.name.clone(), it)),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty() { Ok(built) } else { Err(mistakes) }
}
