//! The events as a stream: in the order of their numbers, up to the horizon (see [`crate::store::sqlite::engine::numbers`]).
//!
//! **Invariants**
//! 1. The horizon is read before the rows are: everything it covers is durable by then, so no event is skipped.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::rows::event_id;
use super::views::{EVENT_COLUMNS, N_EVENT_COLUMNS, event_in};
use crate::domain::EventId;
use crate::store::StreamedEvent;
use crate::store::ids::event_row;
use crate::store::seal::Seal;
use crate::store::sqlite::engine::numbers::Numbers;

/// A section of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    after: i64,
    up_to: i64,
}

impl Stretch {
    /// The section after an event, which may be gone: its id tells its place. An event whose number was not given out
    /// yet belongs to another store; everything in this store comes after it.
    pub fn after(event: Option<EventId>, numbers: &Numbers) -> Self {
        let after = event.map(|id| event_row(id.0)).filter(|number| *number <= numbers.last_event());
        Self { after: after.unwrap_or_default(), up_to: numbers.horizon() }
    }
}

/// The first events of a section.
pub fn events(
    connection: &Connection,
    seal: &Seal,
    (stretch, limit): (Stretch, usize),
) -> rusqlite::Result<Vec<StreamedEvent>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    read(
        connection,
        seal,
        ("WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3", &[stretch.after, stretch.up_to, limit]),
    )
}

/// The last events up to a horizon, newest first.
pub fn latest(
    connection: &Connection,
    seal: &Seal,
    (horizon, limit): (i64, usize),
) -> rusqlite::Result<Vec<StreamedEvent>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    read(connection, seal, ("WHERE seq <= ?1 ORDER BY seq DESC LIMIT ?2", &[horizon, limit]))
}

fn read(
    connection: &Connection,
    seal: &Seal,
    (filter, params): (&str, &[i64]),
) -> rusqlite::Result<Vec<StreamedEvent>> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, (SELECT metadata FROM expectations WHERE operation = op_seq) FROM events {filter}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(params), |row| {
        Ok(StreamedEvent { event: event_in(row, seal)?, metadata: row.get(N_EVENT_COLUMNS)? })
    })?;
    found.collect()
}

/// The last event up to a horizon.
pub fn newest(connection: &Connection, horizon: i64) -> rusqlite::Result<Option<EventId>> {
    let sql = "SELECT id FROM events WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1";
    connection.prepare_cached(sql)?.query_row([horizon], |row| event_id(row, 0)).optional()
}

#[cfg(test)]
mod tests {

    use std::sync::Arc;

    use jiff::Timestamp;

    use crate::clock::Clock;
    use crate::domain::{Proof, Verified};
    use crate::store::sqlite::{SqliteStore, plain_settings};
    use crate::store::testing::notification;
    use crate::store::{Accepted, Batch, Events, Inbox, Process, Upkeep};

    fn store(folder: &tempfile::TempDir, process: &Arc<Process>) -> SqliteStore {
        let settings = plain_settings(folder.path());
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        SqliteStore::open_beside(&settings, clock, Arc::clone(process) as _).unwrap()
    }

    async fn accept(store: &SqliteStore) {
        let notification = Verified::declare(notification("{}"), Proof::ClientState);
        let accepted = vec![Accepted { notification, deliveries: Vec::new() }];
        store.accept(Batch { received_at: Timestamp::UNIX_EPOCH, accepted, quarantined: Vec::new() }).await.unwrap();
    }

    #[tokio::test]
    async fn an_event_waits_for_those_before_it_and_streams_are_told_when_they_ended() {
        let folder = tempfile::tempdir().unwrap();
        let process = Arc::new(Process::default());
        let store = store(&folder, &process);
        accept(&store).await;
        // A request that has its number and is not written yet.
        let slow = store.shared.numbers.events(1);
        store.shared.tell_of_events();
        let mut told = process.changes.of_events();
        accept(&store).await;
        store.ready().await.unwrap();
        let first = store.newest_event().await.unwrap();
        assert_eq!(store.stream(None, 9).await.unwrap().len(), 1);
        assert!(store.stream(first, 9).await.unwrap().is_empty());
        assert!(!told.has_changed().unwrap());
        // It is refused, and the refusal wakes the streams.
        drop(slow);
        store.shared.tell_of_events();
        assert!(told.has_changed().unwrap());
        told.mark_unchanged();
        assert_eq!(store.stream(first, 9).await.unwrap().len(), 1);
        assert_ne!(store.newest_event().await.unwrap(), first);
        store.ready().await.unwrap();
        assert!(!told.has_changed().unwrap(), "once is enough");
    }
}
