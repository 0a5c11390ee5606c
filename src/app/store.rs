//! The first step of the start: the store, and the values in memory that belong to it.

use std::sync::Arc;

use anyhow::Context;

use super::parts::Parts;
use crate::clock::Clock;
use crate::config;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::SinkName;
use crate::routing::{Router, Routes};
#[cfg(feature = "store-postgres")]
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Operations, Process, Reception, Store, StoreError};

/// The open store.
pub(super) struct Stored {
    pub(super) store: Arc<dyn Store>,
    pub(super) operations: Arc<dyn Operations>,
    /// The state in this process's memory: the queues of the dispatchers, and the waiters for changes.
    pub(super) process: Arc<Process>,
    pub(super) reception: Arc<Reception>,
    pub(super) pauses: Arc<Pauses>,
    pub(super) conditions: Arc<Conditions>,
    pub(super) routes: Arc<Router>,
}

impl Stored {
    pub(super) async fn open(parts: &Parts) -> anyhow::Result<Self> {
        let setup = parts.running.now();
        let process = Arc::new(Process::default());
        let (store, operations) = engine(&setup.config.store, parts.clock.clone(), Arc::clone(&process)).await?;
        store.watch_by(&setup.config.expectations);
        let routes = Arc::new(Router::new(Routes::new(&setup.config.routes, &setup.config.sinks)?));
        let current = Arc::clone(&routes);
        store.route_by(Box::new(move |key| current.matches(key)));
        let current = Arc::clone(&routes);
        store.choose_by(Box::new(move |sink, kind| current.takes(sink, kind)));
        let pauses = Arc::new(Pauses::load(Arc::clone(&store) as _).await.context("the paused sinks cannot be read")?);
        let conditions =
            conditions(&*store, &setup.sink_names()).await.context("the states of the sinks cannot be read")?;
        let (conditions, reception) = (Arc::new(conditions), Arc::new(Reception::new(parts.clock.clone())));
        Ok(Self { store, operations, process, reception, pauses, conditions, routes })
    }
}

type Engine = (Arc<dyn Store>, Arc<dyn Operations>);

/// The store in the engine that the config names.
async fn engine(settings: &config::Store, clock: Clock, process: Arc<Process>) -> Result<Engine, StoreError> {
    #[cfg(feature = "store-postgres")]
    if settings.url.is_some() {
        let store = Arc::new(PostgresStore::open_beside(settings, clock, process).await?);
        return Ok((Arc::clone(&store) as _, store));
    }
    let store = Arc::new(SqliteStore::open_beside(settings, clock, process)?);
    Ok((Arc::clone(&store) as _, store))
}

/// What the store knows of the sinks, without those that are gone.
async fn conditions(store: &dyn Store, sinks: &[SinkName]) -> Result<Conditions, StoreError> {
    let conditions = Conditions::load(store, sinks).await?;
    if let Err(error) = conditions.forget_gone(store, sinks).await {
        tracing::warn!(%error, "the states of removed sinks could not be forgotten; the next start tries again");
    }
    Ok(conditions)
}
