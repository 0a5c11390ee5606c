//! Views of operations for operators and the API.

use deadpool_postgres::ClientWrapper;

use super::deliveries::failed;
use super::{events, listing, operation};
use crate::domain::{GraphId, SinkName};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, number};
use crate::store::postgres::engine::text;
use crate::store::seal::Seal;
use crate::store::{Counted, FailedAttempt, NewestEvents, OperationView};

/// The most events of an operation that are counted.
const MOST_COUNTED: i64 = 2_000;
/// How many deliveries are searched for the last failure of a sink.
const N_LAST_DUE: i64 = 100;

/// The operations with this id, or whose expectation has it, in any spelling, with their events.
pub async fn operations(client: &ClientWrapper, seal: &Seal, id: &str) -> Result<Vec<OperationView>, Failure> {
    let Some(id) = GraphId::new(id) else { return Ok(Vec::new()) };
    let mut views = Vec::new();
    for (number, _) in listing::of_id(client, &id).await? {
        let Some(operation) = operation::one(client, seal, number).await? else { continue };
        let of_it: (&str, sql::Values<'_>) = ("WHERE e.operation = $1 ORDER BY e.number", &[&number]);
        views.push(OperationView {
            id: operation.id,
            call_id: operation.call_id,
            client_context: operation.client_context.map(|context| context.as_str().to_owned()),
            status: operation.status,
            created_at: operation.created_at,
            modified_at: operation.modified_at,
            expectation: operation.expectation,
            proof: operation.proof,
            call_end: operation.call_end,
            events: events::views(client, seal, of_it).await?,
        });
    }
    Ok(views)
}

/// The newest events of an operation, oldest first.
pub async fn newest_events(
    client: &ClientWrapper,
    seal: &Seal,
    (operation, limit): (i64, usize),
) -> Result<NewestEvents, Failure> {
    let filter = "WHERE e.operation = $1 ORDER BY e.number DESC LIMIT $2";
    let mut events = events::views(client, seal, (filter, &[&operation, &number(limit)])).await?;
    events.reverse();
    let statement = "SELECT count(*) AS n FROM (SELECT 1 FROM events WHERE operation = $1 LIMIT $2) AS counted";
    let row = sql::first(client, statement, &[&operation, &MOST_COUNTED]).await?;
    let n: i64 = row.map_or(Ok(0), |row| get(&row, "n"))?;
    Ok(NewestEvents { events, counted: Counted { n: n.cast_unsigned(), is_all: n < MOST_COUNTED } })
}

/// The last failed attempt of the deliveries that wait for a sink, among those that are due last.
pub async fn last_failure(client: &ClientWrapper, sink: &SinkName) -> Result<Option<FailedAttempt>, Failure> {
    let statement = "SELECT number, started_at, took, reason, exchange FROM attempts WHERE delivery IN \
        (SELECT number FROM waiting WHERE sink = $1 AND state = 0 AND NOT is_leased ORDER BY at DESC LIMIT $2) \
        ORDER BY started_at DESC, number DESC LIMIT 1";
    let row = sql::first(client, statement, &[&text::stored(sink.as_str()), &N_LAST_DUE]).await?;
    row.map(|row| failed(&row)).transpose()
}
