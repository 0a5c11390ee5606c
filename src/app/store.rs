//! The first step of the start: the store, and the values in memory that belong to it.

use std::sync::Arc;

use anyhow::Context;

use super::parts::Parts;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::SinkName;
use crate::routing::{Router, Routes};
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
        let sqlite =
            Arc::new(SqliteStore::open_beside(&setup.config.store, parts.clock.clone(), Arc::clone(&process) as _)?);
        let (store, operations): (Arc<dyn Store>, Arc<dyn Operations>) = (Arc::clone(&sqlite) as _, sqlite);
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

/// What the store knows of the sinks, without those that are gone.
async fn conditions(store: &dyn Store, sinks: &[SinkName]) -> Result<Conditions, StoreError> {
    let conditions = Conditions::load(store, sinks).await?;
    if let Err(error) = conditions.forget_gone(store, sinks).await {
        tracing::warn!(%error, "the states of removed sinks could not be forgotten; the next start tries again");
    }
    Ok(conditions)
}
