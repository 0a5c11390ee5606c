//! The state that the store's own tasks and its writer share.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use rusqlite::Connection;

use super::numbers::Numbers;
use super::open;
use super::recent::Recent;
use crate::clock::Clock;
use crate::config;
use crate::domain::SinkName;
use crate::store::calls::Bounds;
use crate::store::disk::Disk;
use crate::store::seal::Seal;
use crate::store::unanswered::Unanswered;
use crate::store::{Choosing, Health, Hint, Listener, Routing, StoreError};

/// The state that the store's own tasks and its writer share.
pub struct Shared {
    /// `[store]`
    pub settings: config::Store,
    /// The clock.
    pub clock: Clock,
    /// Seals and opens.
    pub seal: Seal,
    /// The process beside the store: it has the memory queues, and is told what was committed.
    pub listener: Arc<dyn Listener>,
    /// The disk that holds the store.
    pub disk: Disk,
    /// Numbers for rows.
    pub numbers: Numbers,
    /// Lookups that are not settled yet.
    pub recent: Recent,
    /// Events that Graph has reason to repeat, until that is written.
    pub unanswered: Arc<Unanswered>,
    /// How long ended calls matter.
    pub bounds: Bounds,
    /// What the store noticed about itself.
    pub health: Arc<Health>,
    /// The routes: see [`crate::store::Rules`].
    pub routing: OnceLock<Routing>,
    /// Which events the sinks choose: see [`crate::store::Rules`].
    pub choosing: OnceLock<Choosing>,
    /// The most steps that each statement of the writer's took.
    #[cfg(test)]
    pub work: parking_lot::Mutex<std::collections::BTreeMap<String, i32>>,
}

/// The parts of the state that are given to the store.
pub struct Parts<'a> {
    /// `[store]`
    pub settings: &'a config::Store,
    /// The clock.
    pub clock: Clock,
    /// Seals and opens.
    pub seal: Seal,
    /// What the store noticed about itself so far.
    pub health: Arc<Health>,
    /// The process beside the store.
    pub listener: Arc<dyn Listener>,
}

impl Shared {
    /// The state of a store that `connection` has opened.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn new(connection: &Connection, parts: Parts<'_>) -> Result<Arc<Self>, StoreError> {
        let Parts { settings, clock, seal, health, listener } = parts;
        let broken = |error: rusqlite::Error| open::broken(&settings.path, &error);
        let shared = Self {
            settings: settings.clone(),
            clock,
            seal,
            listener,
            disk: Disk::new(open::folder(&settings.path), settings.disk_reserve_bytes),
            numbers: last_numbers(connection).map_err(broken)?,
            recent: Recent::of(connection).map_err(broken)?,
            unanswered: Arc::default(),
            bounds: Bounds::default(),
            health,
            #[cfg(test)]
            work: Default::default(),
            routing: OnceLock::new(),
            choosing: OnceLock::new(),
        };
        shared.note_reusable(connection).map_err(broken)?;
        Ok(Arc::new(shared))
    }

    /// Whether a sink gets events of this type, if they are routed to it.
    pub fn takes(&self, sink: &SinkName, kind: &str) -> bool {
        self.choosing.get().is_none_or(|choosing| choosing(sink, kind))
    }

    /// Wakes the streams if they can read more events than after the last call.
    pub fn tell_of_events(&self) {
        if self.numbers.has_moved() {
            self.listener.hint(Hint::Events);
        }
    }

    /// An instant of the machine's clock in steady time, in microseconds.
    pub fn in_steady_time(&self, at: Timestamp) -> i64 {
        let lead = i64::try_from(self.clock.lead().as_micros()).unwrap_or_default();
        at.as_microsecond().saturating_sub(lead)
    }

    /// Reads how much of the database's file is free: two numbers of its header.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn note_reusable(&self, connection: &Connection) -> rusqlite::Result<()> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let n_bytes = number("freelist_count")?.saturating_mul(number("page_size")?);
        self.disk.note_reusable(n_bytes.cast_unsigned());
        Ok(())
    }
}

fn last_numbers(connection: &Connection) -> rusqlite::Result<Numbers> {
    let last = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let event = last("SELECT max(event, (SELECT coalesce(max(seq), 0) FROM events)) FROM removed")?;
    let operation = last("SELECT max(operation, (SELECT coalesce(max(seq), 0) FROM operations)) FROM removed")?;
    let quarantine = last("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'quarantine'")?;
    Ok(Numbers::after(event, operation, quarantine))
}
