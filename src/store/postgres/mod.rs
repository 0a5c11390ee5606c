//! PostgreSQL as the store: several processes may share it.
//!
//! One writer task a process groups what waits into one transaction: it reads all rows that the group is about, decides in
//! memory (`crate::store::decisions`), and writes all changes, each with one statement for many rows. Reads have
//! connections of their own.
//!
//! Four folders, each of which uses only those below it: `traits` implements the traits of the store, `write` holds what a
//! transaction does, `read` turns rows into values, and `engine` holds connections, migrations, transactions, the clock and
//! the epochs of processes.
//!
//! **Invariants**
//! 1. Writing transactions of all processes follow one another: each takes the same lock, and holds it until its commit.
//!    So events' numbers are in the order of their commits, and rules that look at several rows need no other lock.
//! 2. An answer is given after the commit. A connection whose server could lose a commit is not used.
//! 3. Leases and timers go by the database's clock, whatever the machines' clocks show.
//! 4. What a process that ended had not settled is taken over once, by whichever process notices it.
//! 5. No lock outlives its transaction, so that a pooler may stand between.

mod engine;
pub mod probe;
mod read;
mod traits;
mod write;

use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::task::JoinSet;

use self::engine::connections::{Client, Connections};
use self::engine::epoch::Epoch;
use self::engine::shared::{Parts, Shared};
use self::engine::writer::Writer;
use self::engine::{beat, key, migrations, time};
use self::write::hot::Hot;
use self::write::takeover;
use super::seal::Seal;
use super::{EventView, Listener, Process, StoreError};
use crate::clock::Clock;
use crate::config;

/// The store in a database of PostgreSQL.
pub struct PostgresStore {
    shared: Arc<Shared>,
    writer: Writer<Hot>,
    /// The heartbeat, and the looks at other processes.
    tasks: Mutex<JoinSet<()>>,
    /// The writer's task.
    _writing: JoinSet<()>,
}

impl PostgresStore {
    /// Opens the store for a process that keeps no memory beside it.
    ///
    /// # Errors
    /// As [`Self::open_beside`].
    pub async fn open(settings: &config::Store, clock: Clock) -> Result<Self, StoreError> {
        Self::open_beside(settings, clock, Arc::new(Process::default())).await
    }

    /// Opens the store; makes its tables where they are missing. `listener` is told what is committed.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where the database is not what it should be; others where it cannot be reached.
    pub async fn open_beside(
        settings: &config::Store,
        clock: Clock,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, StoreError> {
        let seal = Seal::of_shared_key(settings.encryption_key.as_ref())?;
        let connections = Connections::new(address(settings)?)?;
        migrations::run(&connections).await?;
        key::check(&connections, &seal).await?;
        time::anchor(&connections, &clock).await?;
        let epoch = Epoch::begin(&connections).await?;
        let shared = Shared::new(Parts { settings, clock, seal, listener, connections, epoch });
        let mut writing = JoinSet::new();
        let writer = Writer::start(&mut writing, &shared);
        let store = Self { shared, writer, tasks: Mutex::default(), _writing: writing };
        takeover::begin(&mut store.tasks.lock(), &store.writer);
        beat::start(&mut store.tasks.lock(), &store.shared);
        store.writer.in_rounds(|| takeover::Dead).await?;
        Ok(store)
    }

    /// A connection for reads.
    async fn client(&self) -> Result<Client, StoreError> {
        if self.writer.is_closed() {
            return Err(StoreError::Closed);
        }
        self.shared.connections.get().await
    }

    /// Converts the due times of an event's deliveries to the machine's clock.
    fn tell_due(&self, event: &mut EventView) {
        event.deliveries.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
    }
}

fn address(settings: &config::Store) -> Result<&SecretString, StoreError> {
    settings
        .url
        .as_ref()
        .ok_or_else(|| StoreError::Unusable("found no store.url, expected a database's address".into()))
}
