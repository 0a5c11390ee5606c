//! Events as operators see them and as sinks get them, and the stream of them.

use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::deliveries;
use crate::domain::{Carried, Channel, ClientContext, Envelope, Event, EventId, Order, Origin, Previous, Status};
use crate::store::contents::{self, Opened};
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{
    self, Values, event_id, get, maybe_parsed, maybe_text, number, parsed, text, unknown,
};
use crate::store::seal::Seal;
use crate::store::{EventView, StoreError, StreamedEvent};

const SELECT: &str = "SELECT e.*, o.metadata FROM events e LEFT JOIN operations o ON o.number = e.operation";

/// Events with their deliveries, in the order of the filter.
pub async fn views(
    client: &ClientWrapper,
    seal: &Seal,
    (filter, values): (&str, Values<'_>),
) -> Result<Vec<EventView>, Failure> {
    let rows = sql::rows(client, &format!("{SELECT} {filter}"), values).await?;
    let mut views = rows.iter().map(|row| view(row, seal)).collect::<Result<Vec<_>, _>>()?;
    let numbers: Vec<i64> = views.iter().map(|view| view.number).collect();
    let mut deliveries = deliveries::of_events(client, &numbers).await?;
    for view in &mut views {
        view.deliveries = deliveries.remove(&view.number).unwrap_or_default();
    }
    Ok(views)
}

/// Events without their deliveries, in the order of the filter.
pub async fn streamed(
    client: &ClientWrapper,
    seal: &Seal,
    (filter, values): (&str, Values<'_>),
) -> Result<Vec<StreamedEvent>, Failure> {
    let rows = sql::rows(client, &format!("{SELECT} {filter}"), values).await?;
    rows.iter()
        .map(|row| Ok(StreamedEvent { event: view(row, seal)?, metadata: maybe_text(row, "metadata")? }))
        .collect()
}

/// The events after a number, oldest first. Numbers are in the order of commits, so none appears before one that was read.
pub async fn after(
    client: &ClientWrapper,
    seal: &Seal,
    (after, limit): (i64, usize),
) -> Result<Vec<StreamedEvent>, Failure> {
    streamed(client, seal, ("WHERE e.number > $1 ORDER BY e.number LIMIT $2", &[&after, &number(limit)])).await
}

/// The last number that was given to an event.
pub async fn last_given(client: &ClientWrapper) -> Result<i64, Failure> {
    let row = sql::first(client, "SELECT last_value AS last FROM event_numbers", &[]).await?;
    row.map_or(Ok(0), |row| get(&row, "last"))
}

/// The event in a row, without its deliveries.
fn view(row: &Row, seal: &Seal) -> Result<EventView, Failure> {
    let id = event_id(row, "id")?;
    let Opened { data, carried, .. } = contents::open(seal, id, get(row, "sealed")?).unwrap_or_else(|error| {
        tracing::warn!(event = %id, %error, "an event is shown without its data");
        Opened::default()
    });
    Ok(EventView {
        id,
        number: get(row, "number")?,
        origin: origin(row)?,
        kind: text(row, "kind")?,
        received_at: instant(get(row, "received_at")?),
        client_context: maybe_text(row, "client_context")?,
        envelope: envelope(row, carried)?,
        resource: text(row, "resource")?,
        status: maybe_parsed(row, "status", |text| Some(Status::parse(text)))?,
        order: maybe_parsed(row, "op_order", Order::parse)?,
        previous: maybe_parsed(row, "previous_status", |text| Some(Status::parse(text)))?,
        possible_repeat: get(row, "possible_repeat")?,
        is_matched: get(row, "is_matched")?,
        deliveries: Vec::new(),
        data,
    })
}

fn envelope(row: &Row, carried: Carried) -> Result<Envelope, Failure> {
    Ok(Envelope {
        channel: parsed(row, "channel", Channel::parse)?,
        resource_type: text(row, "resource_type")?,
        tenant_id: maybe_text(row, "tenant_id")?,
        subscription_id: maybe_text(row, "subscription_id")?,
        carried,
    })
}

fn origin(row: &Row) -> Result<Origin, Failure> {
    let number: i16 = get(row, "origin")?;
    Origin::of_number(number.into()).ok_or_else(|| unknown("origin", &number.to_string()))
}

/// The events with these numbers, for sinks; a text says why one can never be read. A wrong payload is never returned.
pub async fn for_sinks(
    client: &ClientWrapper,
    seal: &Seal,
    numbers: &[i64],
) -> Result<Vec<(i64, Result<Arc<Event>, String>)>, Failure> {
    let rows = sql::rows(client, &format!("{SELECT} WHERE e.number = ANY($1)"), &[&numbers]).await?;
    let events = rows.iter().map(|row| {
        let event = for_sink(row, seal).map_err(|error| StoreError::from(error).to_string());
        Ok((get(row, "number")?, event.map(Arc::new)))
    });
    events.collect()
}

fn for_sink(row: &Row, seal: &Seal) -> Result<Event, Failure> {
    let id = event_id(row, "id")?;
    let opened = contents::open(seal, id, get(row, "sealed")?)?;
    let previous = maybe_text(row, "previous_status")?;
    let mut event = Event {
        id,
        origin: origin(row)?,
        kind: text(row, "kind")?,
        number: get(row, "number")?,
        envelope: envelope(row, opened.carried)?,
        subject: Some(text(row, "resource")?).filter(|resource| !resource.is_empty()),
        time: instant(get(row, "received_at")?),
        client_context: maybe_parsed(row, "client_context", |text| ClientContext::new(text))?,
        order: maybe_parsed(row, "op_order", Order::parse)?,
        previous: previous.map(|status| Previous { status: Status::parse(&status) }),
        data: opened.data,
        recording_access_token: None,
        secrets: None,
        metadata: maybe_text(row, "metadata")?,
        possible_repeat: get(row, "possible_repeat")?,
    };
    match event.is_of_operation() {
        true => event.recording_access_token = opened.token,
        false => event.secrets = opened.token,
    }
    Ok(event)
}

/// The sealed contents of an event.
pub async fn sealed(client: &ClientWrapper, id: EventId) -> Result<Option<Vec<u8>>, Failure> {
    let sql = "SELECT sealed FROM events WHERE number = $1 AND id = $2";
    let row = sql::first(client, sql, &[&crate::store::ids::event_row(id.0), &id.0]).await?;
    row.map(|row| get(&row, "sealed")).transpose()
}
