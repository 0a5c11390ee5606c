//! The composition root: the only module that knows all others, and the owner of every task.
//!
//! **Invariants**
//! 1. A stop goes in this order: not ready, stop accepting, finish the requests in progress, finish or hand back
//!    leases, close the store. All within the grace.
//! 2. A key provider that is down does not stop the start.
//! 3. A task that breaks ends the app, in order ([`App::broken`]): a server that only half works must not say that it
//!    is ready.

mod offline;
mod spawn;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use anyhow::Context;
use tokio_util::sync::CancellationToken;

pub use self::offline::Offline;
use self::spawn::Spawn;
use crate::access::Access;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::dispatch::{self, Pauses};
use crate::domain::{Channel, SinkName};
use crate::graph::keys::Keys;
use crate::graph::{Calls, Limits, Subscriptions};
use crate::intake::{Intake, quarantine_rate};
use crate::operator::Operator;
use crate::routing::Routes;
use crate::sinks::{self, Sink};
use crate::sources::Proxies;
use crate::store::sqlite::SqliteStore;
use crate::store::{Operations, Reception, Store};
use crate::tasks::Tasks;
use crate::telemetry::{self, Metrics, Rejections};
use crate::watch::Watcher;
use crate::{api, console, http};

/// The least time that dispatch gets to finish its attempts when the grace is nearly over.
const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// The sinks that a config names, built.
pub type BuiltSinks = Vec<(SinkName, Arc<dyn Sink>)>;

/// A running reelhook.
pub struct App {
    /// The address for Graph's POSTs; the real port if the config says 0.
    pub public: SocketAddr,
    /// The address of the admin listener.
    pub admin: SocketAddr,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The operations in it.
    pub operations: Arc<dyn Operations>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    config: Config,
    no_more_waiting: CancellationToken,
    public_server: ServerHandle,
    admin_server: ServerHandle,
    intake_tasks: CancellationToken,
    dispatch_tasks: CancellationToken,
    tasks: Tasks,
}

impl App {
    /// Builds the app from a checked config and starts it. An actix system must be running.
    ///
    /// # Errors
    /// An address is in use, the store is locked or unusable, a key or a sink's config is wrong: the text says which.
    pub async fn start(config: Config, sinks: BuiltSinks, clock: Clock) -> anyhow::Result<Self> {
        let public = TcpListener::bind(config.server.listen)
            .with_context(|| format!("server.listen: cannot listen on {}", config.server.listen))?;
        let admin = TcpListener::bind(config.admin.listen)
            .with_context(|| format!("admin.listen: cannot listen on {}", config.admin.listen))?;
        let metrics = Arc::new(Metrics::new());
        let sqlite = Arc::new(SqliteStore::open(&config.store, clock.clone())?);
        sqlite.watch_by(&config.expectations);
        let routes = Arc::new(Routes::new(&config.routes)?);
        let by_context = Arc::clone(&routes);
        sqlite.route_by(move |key| by_context.matches(key));
        let (store, operations): (Arc<dyn Store>, Arc<dyn Operations>) = (Arc::clone(&sqlite) as _, sqlite);
        let pauses = Arc::new(Pauses::load(Arc::clone(&store)).await.context("the paused sinks cannot be read")?);
        let access = Arc::new(Access::new(config.admin.tokens.clone()));
        let all_sinks = Arc::new(sinks.clone());
        let (intake_tasks, dispatch_tasks) = (CancellationToken::new(), CancellationToken::new());
        let tasks = Tasks::default();
        let no_more_waiting = CancellationToken::new();
        let spawn = Spawn { tasks: &tasks, intake: &intake_tasks, dispatch: &dispatch_tasks };

        let reception = operations.reception();
        let intake = Arc::new(intake(&config, (&store, &reception, &routes), (&metrics, &clock), &spawn)?);
        if let Some(subscriptions) = &intake.subscriptions {
            let rich =
                store.rich_subscriptions().await.context("the subscriptions with encrypted content cannot be read")?;
            subscriptions.remember_rich(&rich);
        }
        let shared = dispatch::Shared {
            store: Arc::clone(&store),
            pauses: Arc::clone(&pauses),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
        };
        spawn.dispatchers(&config, sinks, &shared);
        let watcher = Watcher {
            operations: Arc::clone(&operations),
            routes: Arc::clone(&routes),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
        };
        // The watch ends first: while the listener closes nothing can arrive, and the watch must not count that as
        // lost.
        tasks.run("watching deadlines", watcher.run(no_more_waiting.clone()));
        intake.wait_on().await.context("the items that wait for the provider's keys cannot be read")?;
        spawn.housekeeping(&config, &store, &intake, (&metrics, &clock));
        spawn.looking_after(&store, &metrics);
        spawn.clock(&store, (&metrics, &clock));

        let (public_addr, admin_addr) = (public.local_addr()?, admin.local_addr()?);
        let operator = Arc::new(Operator {
            store: Arc::clone(&store),
            operations: Arc::clone(&operations),
            pauses: Arc::clone(&pauses),
            routes: Arc::clone(&routes),
            sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
            clock: clock.clone(),
        });
        let console = console::Console {
            config: Arc::new(config.clone()),
            access: Arc::clone(&access),
            operator: Arc::clone(&operator),
            operations: Arc::clone(&operations),
            sinks: all_sinks,
            metrics: Arc::clone(&metrics),
            rejections: Arc::clone(&intake.rejections),
            clock: clock.clone(),
        };
        let admin_server = api::serve(
            admin,
            Arc::clone(&access),
            api::Admin {
                operator,
                operations: Arc::clone(&operations),
                default_within: config.expectations.default_within,
                metrics: Arc::clone(&metrics),
                bodies: api::body_limits(&config.admin),
                rejections: Arc::clone(&intake.rejections),
                proxies: Proxies::new(&config.server.trusted_proxies),
                clock: clock.clone(),
                tasks: tasks.clone(),
                no_more_waiting: no_more_waiting.clone(),
            },
            console::routes(actix_web::web::Data::new(console)),
        )?;
        let paths = http::Paths {
            calls: config.calls.as_ref().map(|calls| calls.path.clone()),
            calls_subpaths: config.calls.as_ref().is_some_and(|calls| calls.subpaths),
            subscriptions: config.subscriptions.as_ref().map(|it| (it.path.clone(), it.lifecycle_path.clone())),
        };
        let public_server = http::serve(public, &config.server, paths, intake)?;
        let (public_handle, admin_handle) = (public_server.handle(), admin_server.handle());
        tasks.run("the admin listener", async move { drop(admin_server.await) });
        tasks.run("the public listener", async move { drop(public_server.await) });
        reception.begins_again();
        tracing::info!(public = %public_addr, admin = %admin_addr, "serving");
        Ok(Self {
            public: public_addr,
            admin: admin_addr,
            metrics,
            store,
            operations,
            pauses,
            config,
            no_more_waiting,
            public_server: public_handle,
            admin_server: admin_handle,
            intake_tasks,
            dispatch_tasks,
            tasks,
        })
    }

    /// Resolves when a task broke. The caller then stops and ends with an error, so that the supervisor restarts the
    /// process.
    pub async fn broken(&self) {
        self.tasks.broken().await;
    }

    /// Stops in order, within the configured grace.
    pub async fn stop(self) {
        let began = Instant::now();
        let grace = self.config.server.shutdown_grace;
        let left = || grace.saturating_sub(began.elapsed()).max(LEAST_DRAIN);
        self.tasks.begin_stop();
        self.no_more_waiting.cancel();
        tracing::info!(?grace, "stopping: not ready any more");
        tokio::time::sleep(self.config.server.shutdown_delay).await;
        let in_flight = self.public_server.stop(true);
        if tokio::time::timeout(left(), in_flight).await.is_err() {
            tracing::warn!("requests were still in progress when the grace ended");
        }
        self.intake_tasks.cancel();
        self.dispatch_tasks.cancel();
        // Waiting clients are being answered; idle connections are closed at once.
        self.admin_server.stop(true).await;
        if tokio::time::timeout(left(), self.tasks.ended()).await.is_err() {
            tracing::warn!(
                "attempts were still in progress when the grace ended; they are made again after the next start"
            );
        }
        self.store.close().await;
        telemetry::log::tell_left_out_at_the_end();
        tracing::info!(took = ?began.elapsed(), "stopped");
    }
}

/// Builds the inbound half and starts the tasks that keep its keys fresh.
fn intake(
    config: &Config,
    (store, reception, routes): (&Arc<dyn Store>, &Arc<Reception>, &Arc<Routes>),
    (metrics, clock): (&Arc<Metrics>, &Clock),
    spawn: &Spawn<'_>,
) -> anyhow::Result<Intake> {
    let limits = Limits { max_items: config.server.max_items };
    let keys = |channel: Channel, url: &url::Url| -> anyhow::Result<Arc<Keys>> {
        let keys = Keys::new(channel, url.clone(), Arc::clone(metrics), clock.clone())?;
        spawn.tasks.run(format!("keys of {}", channel.as_str()), Arc::clone(&keys).keep_fresh(spawn.intake.clone()));
        Ok(keys)
    };
    let calls = match &config.calls {
        Some(calls) => {
            let keys = keys(Channel::Calls, &calls.openid_configuration)?;
            Some(Calls::new(calls, keys, limits, clock.clone()))
        }
        None => None,
    };
    let subscriptions = match &config.subscriptions {
        Some(subscriptions) => {
            let keys = keys(Channel::Subscriptions, &subscriptions.openid_configuration)?;
            Some(Subscriptions::new(subscriptions, keys, limits, clock.clone())?)
        }
        None => None,
    };
    Ok(Intake {
        calls,
        subscriptions,
        routes: Arc::clone(routes),
        store: Arc::clone(store),
        reception: Arc::clone(reception),
        metrics: Arc::clone(metrics),
        rejections: Arc::new(Rejections::new(Arc::clone(metrics))),
        clock: clock.clone(),
        answer_timeout: config.server.answer_timeout,
        quarantine_rate: quarantine_rate(),
        undecided: Default::default(),
    })
}

/// Builds the configured sinks.
///
/// # Errors
/// Every mistake, each with its key path.
pub fn build_sinks(configured: &[config::Sink]) -> Result<BuiltSinks, Vec<sinks::SinkConfigError>> {
    let mut built = Vec::new();
    let mut mistakes = Vec::new();
    for sink in configured {
        match sinks::build(sink) {
            Ok(it) => built.push((sink.name.clone(), it)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(built) } else { Err(mistakes) }
}
