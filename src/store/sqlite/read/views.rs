//! Views for operators and the API. Reads only.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::operation;
use super::rows::{delivery_id, event_id, maybe_delivery_id, maybe_parsed, origin, parsed};
use crate::domain::{Channel, DeliveryId, Envelope, EventId, GraphId, Order, RouteName, SinkName, Status};
use crate::store::contents;
use crate::store::contents::Opened;
use crate::store::hashes::operation_lookup;
use crate::store::ids;
use crate::store::instants::instant;
use crate::store::seal::Seal;
use crate::store::{DeliveryState, DeliveryView, EventView, FailedAttempt, Keeping, OperationView, Success};

/// The columns that [`event_in`] reads.
pub const EVENT_COLUMNS: &str = "seq, id, channel, kind, received_at, client_context, resource_type, resource, tenant_id, status, op_order, sealed, \
     previous_status, possible_repeat, origin, subscription_id, is_matched";
/// How many columns [`EVENT_COLUMNS`] has.
pub const N_EVENT_COLUMNS: usize = 17;
const DELIVERY: &str = "SELECT seq, id, sink, route, state, created_at, at, reason, (SELECT id FROM events WHERE seq = deliveries.seq >> 12), \
     started_at, took, is_leased, resend_of, n_attempts, exchange FROM deliveries";

/// How many deliveries are searched for the last failure of a sink.
const N_LAST_DUE: i64 = 100;

/// The operations with this id, or whose expectation has it, in any spelling, with their events.
pub fn operations(connection: &Connection, seal: &Seal, id: &str) -> rusqlite::Result<Vec<OperationView>> {
    let Some(id) = GraphId::new(id) else { return Ok(Vec::new()) };
    let sql = "SELECT o.seq, o.id, o.call_id, o.client_context, o.status, o.created_at, o.modified_at \
               FROM lookups l JOIN operations o ON o.seq = l.target LEFT JOIN expectations x ON x.operation = o.seq \
               WHERE l.hash = ?1 AND (o.id = ?2 OR x.id = ?2) ORDER BY o.seq";
    let found = all(connection, sql, params![operation_lookup(id.as_str()), id.as_str()], |row| {
        let call_id: String = row.get(2)?;
        let view = OperationView {
            id: row.get(1)?,
            call_id: Some(call_id).filter(|call_id| !call_id.is_empty()),
            client_context: row.get(3)?,
            status: parsed(row, 4, |text| Some(Status::parse(text)))?,
            created_at: instant(row.get(5)?),
            modified_at: instant(row.get(6)?),
            expectation: None,
            proof: None,
            call_end: None,
            events: Vec::new(),
        };
        Ok((row.get::<_, i64>(0)?, view))
    })?;
    let with_events = found.into_iter().map(|(seq, mut view)| {
        if let Some(operation) = operation::one(connection, seal, seq)? {
            (view.expectation, view.call_end) = (operation.expectation, operation.call_end);
            view.proof = operation.proof;
        }
        view.events = events(connection, seal, "WHERE op_seq = ?1 ORDER BY seq", [seq])?;
        Ok(view)
    });
    with_events.collect()
}

/// The attempt that delivered, in a row of [`DELIVERY`].
fn success(row: &Row<'_>) -> rusqlite::Result<Option<Success>> {
    let times: (Option<i64>, Option<i64>) = (row.get(9)?, row.get(10)?);
    let Some((started_at, took)) = times.0.zip(times.1) else { return Ok(None) };
    let took = Duration::from_micros(took.cast_unsigned());
    let exchange = Keeping::of_number(row.get(14)?);
    Ok(Some(Success { started_at: instant(started_at), took, is_after_replay: false, exchange }))
}

/// An event by its id.
pub fn event(connection: &Connection, seal: &Seal, id: EventId) -> rusqlite::Result<Option<EventView>> {
    let found = events(connection, seal, "WHERE seq = ?1 AND id = ?2", params![ids::event_row(id.0), id.0.as_bytes()])?;
    Ok(found.into_iter().next())
}

/// The sealed contents of an event.
pub fn sealed(connection: &Connection, id: EventId) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT sealed FROM events WHERE seq = ?1 AND id = ?2";
    let found = params![ids::event_row(id.0), id.0.as_bytes()];
    connection.prepare_cached(sql)?.query_row(found, |row| row.get(0)).optional()
}

/// A page of unmatched events, oldest first.
pub fn unmatched_after(
    connection: &Connection,
    seal: &Seal,
    after: Option<EventId>,
    limit: usize,
) -> rusqlite::Result<Vec<EventView>> {
    let after = after.map_or(0, |id| ids::event_row(id.0));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let filter = "INDEXED BY events_unmatched WHERE is_matched = 0 AND seq > ?1 ORDER BY seq LIMIT ?2";
    events(connection, seal, filter, [after, limit])
}

/// The last failed attempt of the deliveries that wait for a sink, among those that are due last.
pub fn last_failure(connection: &Connection, sink: &SinkName) -> rusqlite::Result<Option<FailedAttempt>> {
    let sql = "SELECT number, started_at, took, reason, exchange FROM attempts WHERE delivery IN \
               (SELECT seq FROM deliveries INDEXED BY deliveries_due \
               WHERE sink = ?1 AND state = 0 AND is_leased = 0 ORDER BY at DESC LIMIT ?2) \
               ORDER BY started_at DESC, number DESC LIMIT 1";
    let failure = |row: &Row<'_>| {
        Ok(FailedAttempt {
            number: row.get(0)?,
            started_at: instant(row.get(1)?),
            took: Duration::from_micros(row.get::<_, i64>(2)?.cast_unsigned()),
            reason: row.get(3)?,
            is_after_replay: false,
            exchange: Keeping::of_number(row.get(4)?),
        })
    };
    connection.prepare_cached(sql)?.query_row(params![sink.as_str(), N_LAST_DUE], failure).optional()
}

/// A delivery by its id.
pub fn delivery(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<DeliveryView>> {
    let found =
        deliveries(connection, "WHERE seq = ?1 AND id = ?2", params![ids::delivery_row(id.0), id.0.as_bytes()])?;
    Ok(found.into_iter().next())
}

/// Events with their deliveries.
pub(super) fn events(
    connection: &Connection,
    seal: &Seal,
    filter: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<EventView>> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events {filter}");
    let found = all(connection, &sql, params, |row| Ok((row.get::<_, i64>(0)?, event_in(row, seal)?)))?;
    let with_deliveries = found.into_iter().map(|(seq, mut view)| {
        let range = [ids::first_delivery(seq), ids::last_delivery(seq)];
        view.deliveries = deliveries(connection, "WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq", range)?;
        Ok(view)
    });
    with_deliveries.collect()
}

/// The event in a row of [`EVENT_COLUMNS`], without its deliveries.
pub fn event_in(row: &Row<'_>, seal: &Seal) -> rusqlite::Result<EventView> {
    let id = event_id(row, 1)?;
    let sealed: Vec<u8> = row.get(11)?;
    let Opened { data, carried, .. } = contents::open(seal, id, &sealed).unwrap_or_else(|error| {
        tracing::warn!(event = %id, %error, "an event is shown without its data");
        Opened::default()
    });
    Ok(EventView {
        id,
        number: row.get(0)?,
        origin: origin(row, 14)?,
        kind: row.get(3)?,
        received_at: instant(row.get(4)?),
        client_context: row.get(5)?,
        envelope: Envelope {
            channel: parsed(row, 2, Channel::parse)?,
            resource_type: row.get(6)?,
            tenant_id: row.get(8)?,
            subscription_id: row.get(15)?,
            carried,
        },
        resource: row.get(7)?,
        status: maybe_parsed(row, 9, |text| Some(Status::parse(text)))?,
        order: maybe_parsed(row, 10, Order::parse)?,
        previous: maybe_parsed(row, 12, |text| Some(Status::parse(text)))?,
        possible_repeat: row.get(13)?,
        is_matched: row.get(16)?,
        deliveries: Vec::new(),
        data,
    })
}

/// Deliveries with their attempts.
pub(super) fn deliveries(
    connection: &Connection,
    filter: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<DeliveryView>> {
    let found = all(connection, &format!("{DELIVERY} {filter}"), params, |row| {
        let reason: Option<String> = row.get(7)?;
        let view = DeliveryView {
            id: delivery_id(row, 1)?,
            event: event_id(row, 8)?,
            sink: sink(row, 2)?,
            route: parsed(row, 3, |text| Some(RouteName::new(text)))?,
            state: state(row, 4)?,
            n_attempts: 0,
            created_at: instant(row.get(5)?),
            at: instant(row.get(6)?),
            is_leased: row.get(11)?,
            resend_of: maybe_delivery_id(row, 12)?,
            reason: reason.unwrap_or_default(),
            failures: Vec::new(),
            success: success(row)?,
        };
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(13)?, view))
    })?;
    let with_failures = found.into_iter().map(|(seq, n_since_replay, mut view)| {
        let sql =
            "SELECT started_at, took, reason, number, exchange FROM attempts WHERE delivery = ?1 ORDER BY started_at, number";
        // Numbered through: in the table, each replay begins with 1 again.
        let mut n = 0;
        view.failures = all(connection, sql, [seq], |row| {
            n += 1;
            Ok(FailedAttempt {
                number: n,
                started_at: instant(row.get(0)?),
                took: Duration::from_micros(row.get::<_, i64>(1)?.cast_unsigned()),
                reason: row.get(2)?,
                is_after_replay: n > 1 && row.get::<_, i64>(3)? == 1,
                exchange: Keeping::of_number(row.get(4)?),
            })
        })?;
        if let Some(success) = &mut view.success {
            success.is_after_replay = n_since_replay == 1 && !view.failures.is_empty();
        }
        let n_failures = u32::try_from(view.failures.len()).unwrap_or(u32::MAX);
        view.n_attempts = n_failures.saturating_add(u32::from(view.state == DeliveryState::Delivered));
        Ok(view)
    });
    with_failures.collect()
}

/// Each row of a statement.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn sink(row: &Row<'_>, column: usize) -> rusqlite::Result<SinkName> {
    parsed(row, column, |text| Some(SinkName::new(text)))
}

const STATES: [DeliveryState; 4] =
    [DeliveryState::Open, DeliveryState::Blocked, DeliveryState::Delivered, DeliveryState::Dead];

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<DeliveryState> {
    let number: i64 = row.get(column)?;
    let found = usize::try_from(number).ok().and_then(|at| STATES.get(at)).copied();
    found.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}
