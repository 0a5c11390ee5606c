//! The tasks beside the writer: the process shows that it lives, takes over what dead ones left, and looks at what others
//! changed.
//!
//! **Invariants**
//! 1. A process beats on a connection of its own, whatever the writer waits for.
//! 2. What others changed is only a hint: the rows are the truth.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::connections::Client;
use super::failure::Failure;
use super::shared::Shared;
use super::{sql, time};
use crate::store::{Hint, StoreError};

/// How often a process beats.
const BEAT: Duration = Duration::from_secs(1);
/// How often it looks at what others changed.
const LOOK: Duration = Duration::from_millis(250);

/// What a process saw last of what others change.
#[derive(Debug, Default)]
struct Seen {
    /// `None`: it has not looked yet.
    event: Option<i64>,
    watch: Option<i64>,
}

/// Starts the heartbeat. A beat that fails is followed by the next one.
pub fn start(tasks: &mut JoinSet<()>, shared: &Arc<Shared>) {
    let beating = Arc::clone(shared);
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(BEAT).await;
            if let Err(error) = beat(&beating).await {
                tracing::warn!(%error, "this process could not show to others that it lives");
            }
        }
    });
    let looking = Arc::clone(shared);
    tasks.spawn(async move {
        let mut seen = Seen::default();
        loop {
            tokio::time::sleep(LOOK + Duration::from_millis(fastrand::u64(..50))).await;
            if let Err(error) = look(&looking, &mut seen).await {
                tracing::debug!(error = %StoreError::from(error), "what other processes changed could not be read");
            }
        }
    });
}

async fn beat(shared: &Shared) -> Result<(), StoreError> {
    let client = shared.connections.get().await?;
    shared.epoch.beat(&client).await?;
    Ok(time::correct(&client, &shared.clock).await?)
}

/// Gives the process hints about what others changed since the last look.
async fn look(shared: &Shared, seen: &mut Seen) -> Result<(), Failure> {
    let client = shared.connections.get().await?;
    events(&client, shared, seen).await?;
    // Sink by sink, because many may wait for one.
    let statement = "WITH RECURSIVE sinks AS (SELECT min(sink) AS sink FROM waiting WHERE state = 0 AND NOT is_leased \
        UNION ALL SELECT (SELECT min(w.sink) FROM waiting w WHERE w.state = 0 AND NOT w.is_leased AND w.sink > s.sink) \
        FROM sinks s WHERE s.sink IS NOT NULL) SELECT sink FROM sinks s WHERE sink IS NOT NULL AND EXISTS \
        (SELECT 1 FROM waiting w WHERE w.sink = s.sink AND w.state = 0 AND NOT w.is_leased AND w.at <= $1)";
    let now = shared.clock.steady().as_microsecond();
    for row in sql::rows(&client, statement, &[&now]).await? {
        shared.listener.hint(Hint::Due(&sql::sink(&row, "sink")?));
    }
    let statement =
        "SELECT least((SELECT min(overdue_at) FROM operations), (SELECT min(lost_at) FROM operations)) AS at";
    let row = sql::first(&client, statement, &[]).await?;
    let watch = row.map_or(Ok(None), |row| sql::get(&row, "at"))?;
    if watch != seen.watch {
        seen.watch = watch;
        shared.listener.hint(Hint::Watches);
    }
    Ok(())
}

async fn events(client: &Client, shared: &Shared, seen: &mut Seen) -> Result<(), Failure> {
    let Some(last) = seen.event else {
        let row = sql::first(client, "SELECT coalesce(max(number), 0) AS last FROM events", &[]).await?;
        seen.event = row.map(|row| sql::get(&row, "last")).transpose()?;
        return Ok(());
    };
    let statement = "SELECT number, operation, epoch <> $2 AS is_of_another FROM events WHERE number > $1 \
                     ORDER BY number LIMIT 5000";
    let mut any = false;
    for row in sql::rows(client, statement, &[&last, &shared.epoch.number]).await? {
        seen.event = Some(sql::get(&row, "number")?);
        if sql::get(&row, "is_of_another")? {
            any = true;
            if let Some(operation) = sql::get::<Option<i64>>(&row, "operation")? {
                shared.listener.hint(Hint::Operation(operation));
            }
        }
    }
    if any {
        shared.listener.hint(Hint::Events);
    }
    Ok(())
}
