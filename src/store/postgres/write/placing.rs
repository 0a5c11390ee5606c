//! New deliveries: each gets its number and id, waits where it must, or goes to this process's memory.
//!
//! **Invariants**
//! 1. Of one operation's deliveries to one sink at most one is open: the others are blocked, delivered or dead.
//! 2. A delivery that has a place in a memory queue is written as this process's own. It is in no other table.

use std::borrow::Cow;
use std::collections::HashSet;

use super::event_rows;
use super::own_event::OwnEvent;
use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};
use crate::store::ids;
use crate::store::instants::micros;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, sink};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::process::Place;

/// A delivery that is to be made.
pub struct Wanted<'a> {
    /// Its number.
    pub number: i64,
    /// The operation that it belongs to.
    pub operation: Option<i64>,
    /// What routing asked for.
    pub new: &'a NewDelivery,
    /// When it was created, in microseconds of the machine's clock.
    pub created_at: i64,
    /// The delivery that it is a resend of.
    pub resend_of: Option<DeliveryId>,
    /// The size of its event, if it may go to memory.
    pub n_bytes: Option<usize>,
}

/// A delivery that was made.
pub struct Placed {
    /// Its id.
    pub id: DeliveryId,
    /// Its place in a memory queue, and until when it is leased.
    pub place: Option<(Place, i64)>,
    is_blocked: bool,
}

/// What deliveries of an event have of it.
pub struct OfEvent<'a> {
    /// The number of the first one.
    pub first: i64,
    /// CloudEvents `type`.
    pub kind: &'a str,
    /// The operation that it is about.
    pub operation: Option<i64>,
    /// When they are created, in microseconds of the machine's clock.
    pub created_at: i64,
}

/// The deliveries of an event to the sinks that take it, behind the last one that it has.
pub fn wanted<'a>(tx: &Tx<'_>, event: &OfEvent<'_>, deliveries: &'a [NewDelivery]) -> Vec<Wanted<'a>> {
    let OfEvent { first, kind, operation, created_at } = *event;
    let taken = deliveries.iter().filter(|new| tx.shared.takes(&new.sink, kind));
    let wanted = taken.zip(first..).map(|(new, number)| Wanted {
        number,
        operation,
        new,
        created_at,
        resend_of: None,
        n_bytes: None,
    });
    wanted.collect()
}

/// Adds an event of reelhook's own with its deliveries.
pub async fn add(tx: &mut Tx<'_>, event: OwnEvent, deliveries: &[NewDelivery]) -> Result<EventId, Failure> {
    let number = tx.numbers("event_numbers", 1).await?;
    let numbered = event.numbered(tx, number, !deliveries.is_empty())?;
    event_rows::insert(tx, &[numbered.row()]).await?;
    let (first, operation) = (ids::first_delivery(number), numbered.operation());
    let event = OfEvent { first, kind: numbered.kind(), operation, created_at: tx.wall };
    let wanted = wanted(tx, &event, deliveries);
    place(tx, &wanted).await?;
    Ok(numbered.id)
}

/// Makes deliveries, in their order.
pub async fn place(tx: &mut Tx<'_>, wanted: &[Wanted<'_>]) -> Result<Vec<Placed>, Failure> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = wanted.iter().filter_map(|it| Some((it.operation?, it.new.sink.clone())));
    let mut unsettled: HashSet<_> = unsettled_of(tx, pairs.collect()).await?.into_iter().collect();
    let mut placed = Vec::with_capacity(wanted.len());
    for it in wanted {
        let sink = &it.new.sink;
        let is_blocked = it.operation.is_some_and(|operation| !unsettled.insert((operation, sink.clone())));
        let place = it.n_bytes.filter(|_| !is_blocked).and_then(|n_bytes| tx.place(sink, n_bytes));
        let place = place.map(|place| {
            let until = tx.steady.saturating_add(micros(place.ttl));
            (place, until)
        });
        match &place {
            Some((_, until)) => tx.fresh(it.number, sink, *until),
            None if !is_blocked => tx.effects.wake(sink),
            None => {}
        }
        placed.push(Placed { id: DeliveryId(ids::of_delivery(it.number, tx.steady)), place, is_blocked });
    }
    insert(tx, wanted, &placed).await?;
    wait(tx, wanted, &placed).await?;
    Ok(placed)
}

/// The operations and sinks among these that have a delivery which is neither delivered nor dead. Of the fresh deliveries
/// of an operation to a sink, only the newest may be one, because a later one would have been blocked.
pub async fn unsettled_of(tx: &Tx<'_>, pairs: Vec<(i64, SinkName)>) -> Result<Vec<(i64, SinkName)>, Failure> {
    let operations: Vec<i64> = pairs.iter().map(|(operation, _)| *operation).collect();
    let sinks: Vec<Cow<'_, str>> = pairs.iter().map(|(_, sink)| text::stored(sink.as_str())).collect();
    if operations.is_empty() {
        return Ok(Vec::new());
    }
    let statement = "SELECT p.operation, p.sink FROM unnest($1::bigint[], $2::text[]) AS p (operation, sink) \
        WHERE EXISTS (SELECT 1 FROM waiting w WHERE w.operation = p.operation AND w.sink = p.sink) \
        OR EXISTS (SELECT 1 FROM deliveries d WHERE d.operation = p.operation AND d.sink = p.sink AND d.epoch IS NOT NULL \
            AND d.number >= (SELECT coalesce(min(oldest), 0) FROM epochs) \
            AND NOT EXISTS (SELECT 1 FROM settled s WHERE s.number = d.number) \
            AND NOT EXISTS (SELECT 1 FROM dead x WHERE x.number = d.number))";
    let rows = sql::rows(tx.client, statement, &[&operations, &sinks]).await?;
    rows.iter().map(|row| Ok((get(row, "operation")?, sink(row, "sink")?))).collect()
}

async fn insert(tx: &Tx<'_>, wanted: &[Wanted<'_>], placed: &[Placed]) -> Result<(), Failure> {
    let statement = "INSERT INTO deliveries (number, id, operation, sink, route, captures, created_at, resend_of, epoch, \
        fresh_until) SELECT number, id, operation, sink, route, captures, created_at, resend_of, \
        CASE WHEN fresh_until IS NULL THEN NULL ELSE $10::bigint END, fresh_until \
        FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::uuid[], \
        $9::bigint[]) AS new (number, id, operation, sink, route, captures, created_at, resend_of, fresh_until)";
    let number: Vec<_> = wanted.iter().map(|it| it.number).collect();
    let id: Vec<_> = placed.iter().map(|it| it.id.0).collect();
    let operation: Vec<_> = wanted.iter().map(|it| it.operation).collect();
    let sink: Vec<_> = wanted.iter().map(|it| text::stored(it.new.sink.as_str())).collect();
    let route: Vec<_> = wanted.iter().map(|it| text::stored(it.new.route.as_str())).collect();
    let captures: Vec<_> = wanted.iter().map(|it| captures(it.new)).collect();
    let created_at: Vec<_> = wanted.iter().map(|it| it.created_at).collect();
    let resend_of: Vec<_> = wanted.iter().map(|it| it.resend_of.map(|id| id.0)).collect();
    let fresh_until: Vec<_> = placed.iter().map(|it| it.place.as_ref().map(|(_, until)| *until)).collect();
    let values: sql::Values<'_> = &[
        &number,
        &id,
        &operation,
        &sink,
        &route,
        &captures,
        &created_at,
        &resend_of,
        &fresh_until,
        &tx.shared.epoch.number,
    ];
    sql::execute(tx.client, statement, values).await.map(drop)
}

/// Captures as JSON, which has no NUL; nothing if there are none.
fn captures(new: &NewDelivery) -> Option<String> {
    // A map of texts always serialises.
    (!new.captures.is_empty()).then(|| serde_json::to_string(&new.captures).unwrap_or_default())
}

/// Those that did not go to memory wait.
async fn wait(tx: &Tx<'_>, wanted: &[Wanted<'_>], placed: &[Placed]) -> Result<(), Failure> {
    let waits = || wanted.iter().zip(placed).filter(|(_, placed)| placed.place.is_none());
    let number: Vec<_> = waits().map(|(it, _)| it.number).collect();
    if number.is_empty() {
        return Ok(());
    }
    let sink: Vec<_> = waits().map(|(it, _)| text::stored(it.new.sink.as_str())).collect();
    let operation: Vec<_> = waits().map(|(it, _)| it.operation).collect();
    let state: Vec<_> = waits().map(|(_, placed)| i16::from(placed.is_blocked)).collect();
    let statement = "INSERT INTO waiting (number, sink, operation, state, at, is_leased, token, n_attempts) \
        SELECT number, sink, operation, state, $5, false, 0, 0 \
        FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::smallint[]) AS new (number, sink, operation, state)";
    sql::execute(tx.client, statement, &[&number, &sink, &operation, &state, &tx.steady]).await.map(drop)
}
