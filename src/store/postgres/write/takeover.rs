//! Taking over deliveries: what a process left that ended, and what this process held for too long.
//!
//! **Invariants**
//! 1. A delivery that is taken over has another token from the next lease on, so what its former holder still tells changes
//!    nothing.
//! 2. Their age keeps the order of those that are taken over.

use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::unanswered;
use crate::domain::SinkName;
use crate::store::StoreError;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, sink};
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::{Grouped, Work, Writer};

/// For how long a process may not beat before it counts as dead, in seconds.
const DEAD_AFTER: f64 = 6.0;

const DEAD: &str = "SELECT number, oldest FROM epochs WHERE beat_at < clock_timestamp() - make_interval(secs => $1) \
                    AND number <> $2 ORDER BY number LIMIT 1";
/// Fresh deliveries of a process wait from now on. `$4`: those alone, unless it is NULL.
const FRESH: &str = "INSERT INTO waiting (number, sink, operation, state, at, is_leased, token, n_attempts) \
    SELECT d.number, d.sink, d.operation, 0, least(d.created_at - $3, $5), false, 1, 0 FROM deliveries d \
    WHERE d.epoch = $1 AND d.number >= $2 AND ($4::bigint[] IS NULL OR d.number = ANY($4)) \
    AND NOT EXISTS (SELECT 1 FROM settled s WHERE s.number = d.number) \
    AND NOT EXISTS (SELECT 1 FROM dead x WHERE x.number = d.number) \
    ON CONFLICT (number) DO NOTHING RETURNING number, sink";
const LEASED: &str = "UPDATE waiting w SET is_leased = false, \
    at = CASE WHEN w.state = 0 THEN least(d.created_at - $2, $3) ELSE w.at END \
    FROM deliveries d WHERE w.epoch = $1 AND w.is_leased AND d.number = w.number RETURNING w.sink";

/// How often a process looks for dead ones.
const LOOK: Duration = Duration::from_secs(2);

/// Looks for dead processes from time to time.
pub fn begin<J: Grouped>(tasks: &mut JoinSet<()>, writer: &Writer<J>) {
    let writer = writer.clone();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            match writer.in_rounds(|| Dead).await {
                Ok(_) | Err(StoreError::Closed) => {}
                Err(error) => tracing::warn!(%error, "it is not known whether another process died"),
            }
        }
    });
}

/// Takes over what one dead process left. Returns how many it found: 0 or 1.
pub struct Dead;

#[async_trait]
impl Work for Dead {
    type Done = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let own = tx.shared.epoch.number;
        let Some(row) = sql::first(tx.client, DEAD, &[&DEAD_AFTER, &own]).await? else { return Ok(0) };
        let (epoch, oldest): (i64, i64) = (get(&row, "number")?, get(&row, "oldest")?);
        let n_marked = unanswered::mark_last(tx, epoch).await?;
        let n_taken = end(tx, (epoch, oldest)).await?;
        tracing::info!(
            n_deliveries = n_taken,
            n_events = n_marked,
            "a process that shared the store died: its deliveries are due again, and its last answers may not have arrived"
        );
        Ok(1)
    }
}

/// Ends the epoch of this process in order.
pub struct Own;

#[async_trait]
impl Work for Own {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        unanswered::write_down(tx).await?;
        let epoch = &tx.shared.epoch;
        let (number, oldest) = (epoch.number, epoch.oldest());
        end(tx, (number, oldest)).await.map(drop)
    }
}

/// Makes everything due that a process has not settled, and removes its epoch. Returns how many deliveries.
async fn end(tx: &mut Tx<'_>, (epoch, oldest): (i64, i64)) -> Result<usize, Failure> {
    let lead = tx.wall.saturating_sub(tx.steady);
    let mut n_taken = free(tx, (epoch, oldest), None).await?;
    let rows = sql::rows(tx.client, LEASED, &[&epoch, &lead, &tx.steady]).await?;
    for row in &rows {
        tx.effects.wake(&sink(row, "sink")?);
    }
    n_taken += rows.len();
    sql::execute(tx.client, "DELETE FROM epochs WHERE number = $1", &[&epoch]).await?;
    Ok(n_taken)
}

/// Makes fresh deliveries of a process wait: these, or all.
async fn free(tx: &mut Tx<'_>, (epoch, oldest): (i64, i64), only: Option<&[i64]>) -> Result<usize, Failure> {
    let lead = tx.wall.saturating_sub(tx.steady);
    let rows = sql::rows(tx.client, FRESH, &[&epoch, &oldest, &lead, &only, &tx.steady]).await?;
    for row in &rows {
        tx.effects.no_longer_fresh(get(row, "number")?);
        tx.effects.wake(&sink(row, "sink")?);
    }
    Ok(rows.len())
}

/// Makes the fresh deliveries of a sink wait whose lease has ended: nobody attempts them any more.
pub struct Expired {
    /// The sink.
    pub sink: SinkName,
}

#[async_trait]
impl Work for Expired {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let expired = tx.shared.epoch.expired(&self.sink, tx.steady);
        if expired.is_empty() {
            return Ok(());
        }
        let own = tx.shared.epoch.number;
        free(tx, (own, 0), Some(&expired)).await?;
        // Those that are settled by now need no lease.
        expired.iter().for_each(|number| tx.effects.no_longer_fresh(*number));
        Ok(())
    }
}
