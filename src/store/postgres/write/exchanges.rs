//! The attempts that failed, and the exchanges of attempts: bounded in entries and bytes, the oldest make room.

use crate::domain::{Exchanged, Outcome};
use crate::store::decisions::bounds::Size;
use crate::store::instants::micros;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::shared::Shared;
use crate::store::postgres::engine::sql::{self, get, number};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::sealed::{self, AttemptKey};
use crate::store::{Keeping, ids};

/// How many exchanges one round of trimming removes at most.
const TRIM_ROUND: i64 = 200;
/// The class of the exchanges among the sizes.
const CLASS: i16 = 3;

/// An attempt that failed.
pub struct Failed<'a> {
    /// Its outcome.
    pub outcome: &'a Outcome,
    /// Why.
    pub reason: &'a str,
    /// What became of its exchange.
    pub exchange: Option<i64>,
}

/// The exchanges to keep of some outcomes, sealed, each at the place of its outcome. Done before the transaction.
pub fn sealed(shared: &Shared, outcomes: &[Outcome]) -> Vec<Option<Vec<u8>>> {
    if shared.settings.exchanges_max_entries == 0 {
        return Vec::new();
    }
    let sealed = outcomes.iter().map(|outcome| {
        let Exchanged::Told(exchange) = &outcome.attempt.exchange else { return None };
        let sealed = sealed::seal_exchange(&shared.seal, AttemptKey::of(outcome), exchange);
        sealed.inspect_err(|error| tracing::warn!(%error, "an exchange could not be kept")).ok()
    });
    sealed.collect()
}

/// What becomes of the exchange of an outcome.
pub fn keeping(shared: &Shared, outcome: &Outcome) -> Option<i64> {
    Keeping::of(&outcome.attempt.exchange, &shared.settings).number()
}

/// Writes attempts that failed.
pub async fn note_failures(tx: &Tx<'_>, failed: &[Failed<'_>]) -> Result<(), Failure> {
    if failed.is_empty() {
        return Ok(());
    }
    let delivery: Vec<i64> = failed.iter().map(|it| ids::delivery_row(it.outcome.lease.delivery.id.0)).collect();
    let started_at: Vec<i64> = failed.iter().map(|it| it.outcome.attempt.started_at.as_microsecond()).collect();
    let attempt: Vec<i64> = failed.iter().map(|it| it.outcome.attempt.number.into()).collect();
    let took: Vec<i64> = failed.iter().map(|it| micros(it.outcome.attempt.took)).collect();
    let reason: Vec<_> = failed.iter().map(|it| text::stored(it.reason)).collect();
    let exchange: Vec<_> = failed.iter().map(|it| it.exchange).collect();
    // The same attempt can be written twice only if the clock stands still.
    let statement = "INSERT INTO attempts (delivery, started_at, number, took, reason, exchange) \
        SELECT DISTINCT ON (delivery, started_at, number) delivery, started_at, number, took, reason, exchange \
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[]) \
        AS new (delivery, started_at, number, took, reason, exchange) \
        ON CONFLICT (delivery, started_at, number) DO UPDATE SET took = excluded.took, reason = excluded.reason, \
        exchange = excluded.exchange";
    let values: sql::Values<'_> = &[&delivery, &started_at, &attempt, &took, &reason, &exchange];
    sql::execute(tx.client, statement, values).await.map(drop)
}

/// Writes the exchanges of recorded outcomes, and makes room for them.
pub async fn add(tx: &Tx<'_>, kept: &[(&Outcome, &[u8])]) -> Result<(), Failure> {
    if kept.is_empty() {
        return Ok(());
    }
    let delivery: Vec<i64> = kept.iter().map(|(it, _)| ids::delivery_row(it.lease.delivery.id.0)).collect();
    let started_at: Vec<i64> = kept.iter().map(|(it, _)| it.attempt.started_at.as_microsecond()).collect();
    let attempt: Vec<i64> = kept.iter().map(|(it, _)| it.attempt.number.into()).collect();
    let sealed: Vec<&[u8]> = kept.iter().map(|(_, sealed)| *sealed).collect();
    let statement = "INSERT INTO exchanges (delivery, started_at, number, sealed) \
        SELECT delivery, started_at, number, sealed FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) \
        AS new (delivery, started_at, number, sealed)";
    sql::execute(tx.client, statement, &[&delivery, &started_at, &attempt, &sealed]).await?;
    let n_bytes = sealed.iter().map(|sealed| number(sealed.len())).sum();
    resize(tx, CLASS, Size { n_entries: number(kept.len()), n_bytes }).await?;
    trim(tx).await.map(drop)
}

/// Removes one round of the oldest exchanges beyond the bounds. Returns how many.
pub async fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let settings = &tx.shared.settings;
    let n_bytes = i64::try_from(settings.exchanges_max_bytes).unwrap_or(i64::MAX);
    let most = Size { n_entries: number(settings.exchanges_max_entries), n_bytes };
    let size = size(tx, CLASS).await?;
    if !size.is_over(most) {
        return Ok(0);
    }
    let statement = "SELECT id, length(sealed)::bigint AS n_bytes FROM exchanges ORDER BY id LIMIT $1";
    let (mut left, mut going) = (size, Vec::new());
    for row in sql::rows(tx.client, statement, &[&TRIM_ROUND]).await? {
        if !left.is_over(most) {
            break;
        }
        left = left.less(Size { n_entries: 1, n_bytes: get(&row, "n_bytes")? });
        going.push(get::<i64>(&row, "id")?);
    }
    let n = sql::execute(tx.client, "DELETE FROM exchanges WHERE id = ANY($1)", &[&going]).await?;
    resize(tx, CLASS, left.less(size)).await?;
    Ok(n)
}

/// Removes the exchanges of events' deliveries.
pub async fn remove(tx: &Tx<'_>, events: &[i64]) -> Result<(), Failure> {
    let statement = "WITH gone AS (DELETE FROM exchanges x USING unnest($1::bigint[]) AS e (number) \
        WHERE x.delivery BETWEEN e.number << 12 AND (e.number << 12) + 4095 RETURNING length(x.sealed)::bigint AS n_bytes) \
        SELECT count(*) AS n, coalesce(sum(n_bytes), 0)::bigint AS n_bytes FROM gone";
    let Some(row) = sql::first(tx.client, statement, &[&events]).await? else { return Ok(()) };
    let gone = Size { n_entries: get(&row, "n")?, n_bytes: get(&row, "n_bytes")? };
    resize(tx, CLASS, Size::default().less(gone)).await
}

/// The size of a class.
pub async fn size(tx: &Tx<'_>, class: i16) -> Result<Size, Failure> {
    let row = sql::first(tx.client, "SELECT n_entries, n_bytes FROM sizes WHERE class = $1", &[&class]).await?;
    row.map_or(Ok(Size::default()), |row| {
        Ok(Size { n_entries: get(&row, "n_entries")?, n_bytes: get(&row, "n_bytes")? })
    })
}

/// Changes the size of a class.
pub async fn resize(tx: &Tx<'_>, class: i16, by: Size) -> Result<(), Failure> {
    if by == Size::default() {
        return Ok(());
    }
    let statement = "UPDATE sizes SET n_entries = n_entries + $2, n_bytes = n_bytes + $3 WHERE class = $1";
    sql::execute(tx.client, statement, &[&class, &by.n_entries, &by.n_bytes]).await.map(drop)
}
