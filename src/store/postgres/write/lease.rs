//! The lease: the right to attempt a delivery that waits.
//!
//! **Invariants**
//! 1. A lease's token grows with each lease of the row, so an old token matches nothing.
//! 2. A blocked delivery is leased only to the holder of the open one before it.
//! 3. Leasing takes no lock of the store, only of its rows. Rows that others are leasing are passed over.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::{DeliveryId, Lease, SinkName};
use crate::store::decisions::leases::{self, Leased, Lost};
use crate::store::postgres::engine::connections::Client;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::shared::Shared;
use crate::store::postgres::engine::sql::{delivery_id, get, maybe_text, number, text as text_of};
use crate::store::postgres::engine::{text, time};
use crate::store::postgres::read::events;
use crate::store::{Limit, ids};

const DUE: &str = "SELECT number, operation FROM waiting WHERE sink = $1 AND state = 0 AND at <= $2 \
                   ORDER BY at, number LIMIT $3 FOR UPDATE SKIP LOCKED";
const BEHIND: &str = "SELECT f.number, f.operation FROM unnest($1::bigint[]) AS k (operation) CROSS JOIN LATERAL \
    (SELECT number, operation FROM waiting w WHERE w.operation = k.operation AND w.sink = $2 AND w.state = 1 \
     ORDER BY w.number LIMIT $3 FOR UPDATE) f";
/// The length of what is sealed is known without reading it.
const SIZES: &str = "SELECT k.number, octet_length(e.sealed)::bigint AS n_bytes FROM unnest($1::bigint[]) AS k (number) \
                     LEFT JOIN events e ON e.number = k.number >> 12";
const LEASE: &str = "UPDATE waiting w SET is_leased = true, at = $2, token = token + 1, epoch = $3 FROM deliveries d \
    WHERE w.number = ANY($1) AND d.number = w.number \
    RETURNING w.number, d.id, d.route, d.captures, d.resend_of, w.n_attempts, w.token, w.state";

/// What is leased.
pub struct Wish<'a> {
    /// The sink.
    pub sink: &'a SinkName,
    /// How much.
    pub limit: Limit,
    /// For how long, in microseconds.
    pub ttl: i64,
}

/// Leases the due deliveries that fit, the longest due first, each with those that wait behind it.
pub async fn lease(client: &mut Client, shared: &Shared, wish: &Wish<'_>) -> Result<Vec<Leased>, Failure> {
    // It is undone when it is dropped.
    let transaction = client.transaction().await?;
    let inner: &tokio_postgres::Transaction<'_> = &transaction;
    let now = match shared.clock.is_manual() {
        true => shared.clock.steady().as_microsecond(),
        false => inner.query_one(&format!("SELECT {} AS now", time::NOW), &[]).await?.try_get("now")?,
    };
    let sink = text::stored(wish.sink.as_str());
    let most = number(wish.limit.n);
    let due = transaction.prepare_cached(DUE).await?;
    let due = inner.query(&due, &[&sink, &now, &most]).await?;
    let operations = due.iter().map(|row| get::<Option<i64>>(row, "operation")).collect::<Result<Vec<_>, _>>()?;
    let numbers = due.iter().map(|row| get::<i64>(row, "number")).collect::<Result<Vec<_>, _>>()?;
    let mut room = wish.limit.n.saturating_sub(numbers.len());
    let mut behind: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let of: Vec<i64> = operations.iter().flatten().copied().collect();
    if room > 0 && !of.is_empty() {
        let statement = transaction.prepare_cached(BEHIND).await?;
        for row in inner.query(&statement, &[&of, &sink, &number(room)]).await? {
            behind.entry(get(&row, "operation")?).or_default().push(get(&row, "number")?);
        }
    }
    let mut chosen = Vec::with_capacity(numbers.len());
    for (first, operation) in numbers.into_iter().zip(operations) {
        chosen.push(first);
        let mut following = operation.and_then(|operation| behind.remove(&operation)).unwrap_or_default();
        following.truncate(room);
        room -= following.len();
        chosen.extend(following);
    }
    let sizes = transaction.prepare_cached(SIZES).await?;
    let mut n_bytes = BTreeMap::new();
    for row in inner.query(&sizes, &[&chosen]).await? {
        let size: Option<i64> = get(&row, "n_bytes")?;
        n_bytes.insert(get::<i64>(&row, "number")?, usize::try_from(size.unwrap_or_default()).unwrap_or(usize::MAX));
    }
    let size = |number: &i64| n_bytes.get(number).copied().unwrap_or_default();
    chosen.truncate(wish.limit.fit(chosen.iter().map(size)));
    let expires_at = now.saturating_add(wish.ttl);
    let statement = transaction.prepare_cached(LEASE).await?;
    let rows = inner.query(&statement, &[&chosen, &expires_at, &shared.epoch.number]).await?;
    transaction.commit().await?;
    let mut leased = BTreeMap::new();
    for row in rows {
        let row = read(&row, expires_at)?;
        leased.insert(row.number, row);
    }
    Ok(chosen.iter().filter_map(|number| leased.remove(number)).collect())
}

fn read(row: &Row, expires_at: i64) -> Result<Leased, Failure> {
    Ok(Leased {
        number: get(row, "number")?,
        id: delivery_id(row, "id")?,
        route: text_of(row, "route")?,
        captures: maybe_text(row, "captures")?,
        resend_of: get::<Option<Uuid>>(row, "resend_of")?.map(DeliveryId),
        attempt: u32::try_from(get::<i64>(row, "n_attempts")?).unwrap_or(u32::MAX).saturating_add(1),
        token: get(row, "token")?,
        follows: get::<i16>(row, "state")? == 1,
        expires_at,
    })
}

/// Reads the events of leased deliveries. Events that can never be read are returned separately.
pub async fn with_events(
    client: &ClientWrapper,
    shared: &Shared,
    (sink, leased): (&SinkName, Vec<Leased>),
) -> Result<(Vec<Lease>, Vec<Lost>), Failure> {
    let mut numbers: Vec<i64> = leased.iter().map(|it| ids::event_of(it.number)).collect();
    numbers.dedup();
    let events: BTreeMap<_, _> = events::for_sinks(client, &shared.seal, &numbers).await?.into_iter().collect();
    let gone = || Err("its event is gone".to_owned());
    leases::with_events(sink, leased, |row| Ok(events.get(&ids::event_of(row)).cloned().unwrap_or_else(gone)))
}
