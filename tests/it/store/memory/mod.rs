//! A store in memory, for tests. It implements the traits without SQLite and without files, and passes the same
//! conformance suite.
//!
//! **Invariants**
//! 1. Every change happens under one lock. The process beside the store gets its hints afterwards.
//! 2. [`Contents`] is what is durable: a store that is opened on the same contents goes on as after a restart.

mod accept;
mod announce;
mod deliveries;
mod events;
mod exchanges;
mod identity;
mod item;
mod logs;
mod operation;
mod own_event;
mod quarantine;
mod queue;
mod repeats;
mod reports;
mod rows;
mod sweep;
mod traits;
mod tx;
mod views;
mod watches;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use uuid::Uuid;

use self::rows::Rows;
use self::tx::{Around, Tx};
use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::DeliveryId;
use reelhook::store::{Health, Listener, StoreError, ids};

/// The contents of a store in memory. Open them again to restart it.
#[derive(Clone, Debug)]
pub struct Contents {
    rows: Arc<Mutex<Rows>>,
    page_key: [u8; 32],
}

impl Default for Contents {
    fn default() -> Self {
        let mut page_key = [0; 32];
        page_key[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        page_key[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self { rows: Arc::default(), page_key }
    }
}

/// The store in memory.
pub struct MemoryStore {
    contents: Contents,
    around: Around,
    health: Arc<Health>,
}

impl MemoryStore {
    /// Opens a store on `contents`. Deliveries that the last process had leased are due at once.
    pub fn open(settings: &config::Store, clock: Clock, contents: &Contents, listener: Arc<dyn Listener>) -> Self {
        let (routing, choosing) = (OnceLock::new(), OnceLock::new());
        let (expectations, is_closed) = (Mutex::default(), AtomicBool::new(false));
        let around = Around { settings: settings.clone(), clock, listener, routing, choosing, expectations, is_closed };
        let store = Self { contents: contents.clone(), around, health: Arc::default() };
        // An open store accepts every change.
        let _ = store.write(|tx| {
            queue::void_leases(tx);
            Ok(())
        });
        store
    }

    /// Whether a delivery is leased, also by a lease that has ended.
    pub fn is_leased(&self, id: DeliveryId) -> bool {
        let rows = self.contents.rows.lock();
        rows.deliveries.values().any(|row| row.view.id == id && row.is_leased)
    }

    fn write<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.around.write(&self.contents.rows, work)
    }

    fn read<T>(&self, work: impl FnOnce(&Rows) -> T) -> Result<T, StoreError> {
        self.around.read(&self.contents.rows, work)
    }
}
