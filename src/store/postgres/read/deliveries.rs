//! Deliveries as they are now, with their attempts.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::{DeliveryId, EventId, RouteName};
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, Values, delivery_id, get, maybe_text, sink, text, unknown};
use crate::store::{DeliveryState, DeliveryView, FailedAttempt, Keeping, Success, ids};

/// What [`shown`] reads, up to where a `WHERE` may follow.
const SELECT: &str =
    "SELECT r.*, e.id AS event_id FROM delivery_rows r LEFT JOIN events e ON e.number = r.number >> 12";

const STATES: [DeliveryState; 4] =
    [DeliveryState::Open, DeliveryState::Blocked, DeliveryState::Delivered, DeliveryState::Dead];

/// The state of a row.
pub fn state(row: &Row) -> Result<DeliveryState, Failure> {
    let number: i16 = get(row, "state")?;
    let found = usize::try_from(number).ok().and_then(|at| STATES.get(at)).copied();
    found.ok_or_else(|| unknown("state", &number.to_string()))
}

/// The number of a state.
pub fn state_number(state: DeliveryState) -> i16 {
    match state {
        DeliveryState::Open => 0,
        DeliveryState::Blocked => 1,
        DeliveryState::Delivered => 2,
        DeliveryState::Dead => 3,
    }
}

/// The delivery with an id.
pub async fn one(client: &ClientWrapper, id: DeliveryId) -> Result<Option<DeliveryView>, Failure> {
    let found = shown(client, "WHERE r.number = $1 AND r.id = $2", &[&ids::delivery_row(id.0), &id.0]).await?;
    Ok(found.into_iter().next().map(|(_, view)| view))
}

/// The deliveries of these events, by the numbers of the events.
pub async fn of_events(client: &ClientWrapper, events: &[i64]) -> Result<BTreeMap<i64, Vec<DeliveryView>>, Failure> {
    let filter = "JOIN unnest($1::bigint[]) AS asked (event) ON r.number BETWEEN asked.event << 12 \
                  AND (asked.event << 12) + 4095 ORDER BY r.number";
    let mut found: BTreeMap<i64, Vec<DeliveryView>> = BTreeMap::new();
    for (number, view) in shown(client, filter, &[&events]).await? {
        found.entry(ids::event_of(number)).or_default().push(view);
    }
    Ok(found)
}

/// The deliveries with these numbers.
pub async fn some(client: &ClientWrapper, numbers: &[i64]) -> Result<BTreeMap<i64, DeliveryView>, Failure> {
    Ok(shown(client, "WHERE r.number = ANY($1)", &[&numbers]).await?.into_iter().collect())
}

async fn shown(client: &ClientWrapper, filter: &str, values: Values<'_>) -> Result<Vec<(i64, DeliveryView)>, Failure> {
    let rows = sql::rows(client, &format!("{SELECT} {filter}"), values).await?;
    let numbers = rows.iter().map(|row| get::<i64>(row, "number")).collect::<Result<Vec<_>, _>>()?;
    let mut failures = failures(client, &numbers).await?;
    let views = rows.iter().zip(numbers).map(|(row, number)| {
        let failures = failures.remove(&number).unwrap_or_default();
        Ok((number, view(row, failures)?))
    });
    views.collect()
}

fn view(row: &Row, failures: Vec<FailedAttempt>) -> Result<DeliveryView, Failure> {
    let state = state(row)?;
    let n_failures = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    Ok(DeliveryView {
        id: delivery_id(row, "id")?,
        event: get::<Option<Uuid>>(row, "event_id")?.map_or(EventId(Uuid::nil()), EventId),
        sink: sink(row, "sink")?,
        route: RouteName::new(&text(row, "route")?),
        state,
        n_attempts: n_failures.saturating_add(u32::from(state == DeliveryState::Delivered)),
        created_at: instant(get(row, "created_at")?),
        at: instant(get(row, "at")?),
        is_leased: get(row, "is_leased")?,
        resend_of: get::<Option<Uuid>>(row, "resend_of")?.map(DeliveryId),
        reason: maybe_text(row, "reason")?.unwrap_or_default(),
        success: success(row, &failures)?,
        failures,
    })
}

/// The attempt that delivered.
fn success(row: &Row, failures: &[FailedAttempt]) -> Result<Option<Success>, Failure> {
    let times: (Option<i64>, Option<i64>) = (get(row, "started_at")?, get(row, "took")?);
    let Some((started_at, took)) = times.0.zip(times.1) else { return Ok(None) };
    Ok(Some(Success {
        started_at: instant(started_at),
        took: Duration::from_micros(took.cast_unsigned()),
        is_after_replay: get::<i64>(row, "n_attempts")? == 1 && !failures.is_empty(),
        exchange: Keeping::of_number(get(row, "exchange")?),
    }))
}

/// The attempts that failed, numbered through: in the table, each replay begins with 1 again.
async fn failures(client: &ClientWrapper, numbers: &[i64]) -> Result<BTreeMap<i64, Vec<FailedAttempt>>, Failure> {
    let sql = "SELECT delivery, started_at, took, reason, number, exchange FROM attempts WHERE delivery = ANY($1) \
               ORDER BY delivery, started_at, number";
    let mut found: BTreeMap<i64, Vec<FailedAttempt>> = BTreeMap::new();
    for row in sql::rows(client, sql, &[&numbers]).await? {
        let of_one = found.entry(get(&row, "delivery")?).or_default();
        let number = u32::try_from(of_one.len() + 1).unwrap_or(u32::MAX);
        let is_after_replay = number > 1 && get::<i64>(&row, "number")? == 1;
        of_one.push(FailedAttempt { number, is_after_replay, ..failed(&row)? });
    }
    Ok(found)
}

/// An attempt that failed, with the number that it has in the table.
pub fn failed(row: &Row) -> Result<FailedAttempt, Failure> {
    Ok(FailedAttempt {
        number: u32::try_from(get::<i64>(row, "number")?).unwrap_or(u32::MAX),
        started_at: instant(get(row, "started_at")?),
        took: Duration::from_micros(get::<i64>(row, "took")?.cast_unsigned()),
        reason: text(row, "reason")?,
        is_after_replay: false,
        exchange: Keeping::of_number(get(row, "exchange")?),
    })
}
