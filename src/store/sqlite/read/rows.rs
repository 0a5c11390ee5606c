//! Rows to values: events as sinks get them.

use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row};

use crate::domain::{
    Carried, Channel, ClientContext, DeliveryId, Envelope, Event, EventId, Order, Origin, Previous, Status,
};
use crate::store::StoreError;
use crate::store::contents;
use crate::store::ids;
use crate::store::instants::instant;
use crate::store::seal::Seal;
use crate::store::sqlite::engine::failure::store_error;

/// Why an event could not be read.
pub enum Unread {
    /// It never can be: its row is damaged or gone.
    Lost(String),
    /// The database failed; the event may be readable later.
    Failed(StoreError),
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        match (error.sqlite_error_code(), store_error(&error)) {
            // A damaged page stays damaged, and a value of an unexpected type is damage too.
            (Some(ErrorCode::DatabaseCorrupt) | None, error) => Self::Lost(error.to_string()),
            (Some(_), error) => Self::Failed(error),
        }
    }
}

/// The event that a delivery row delivers.
///
/// # Errors
/// See [`Unread`]. A wrong payload is never returned.
pub fn event_of_delivery(connection: &Connection, seal: &Seal, delivery: i64) -> Result<Event, Unread> {
    let sql = "SELECT e.id, e.kind, e.resource, e.received_at, e.client_context, e.op_order, e.previous_status, e.sealed, \
               x.metadata, e.possible_repeat, e.seq, e.origin, e.channel, e.resource_type, e.tenant_id, e.subscription_id \
               FROM events e LEFT JOIN expectations x ON x.operation = e.op_seq WHERE e.seq = ?1";
    let read = |row: &Row<'_>| -> rusqlite::Result<(Event, Vec<u8>)> {
        let resource: String = row.get(2)?;
        let previous: Option<String> = row.get(6)?;
        let event = Event {
            id: event_id(row, 0)?,
            origin: origin(row, 11)?,
            kind: row.get(1)?,
            number: row.get(10)?,
            envelope: Envelope {
                channel: parsed(row, 12, Channel::parse)?,
                resource_type: row.get(13)?,
                tenant_id: row.get(14)?,
                subscription_id: row.get(15)?,
                carried: Carried::default(),
            },
            subject: Some(resource).filter(|resource| !resource.is_empty()),
            time: instant(row.get(3)?),
            client_context: maybe_parsed(row, 4, |text| ClientContext::new(text))?,
            order: maybe_parsed(row, 5, Order::parse)?,
            previous: previous.map(|status| Previous { status: Status::parse(&status) }),
            data: String::new(),
            recording_access_token: None,
            secrets: None,
            metadata: row.get(8)?,
            possible_repeat: row.get(9)?,
        };
        Ok((event, row.get(7)?))
    };
    let found = connection.prepare_cached(sql)?.query_row([ids::event_of(delivery)], read).optional()?;
    let (mut event, sealed) = found.ok_or_else(|| Unread::Lost("its event is gone".into()))?;
    let opened = contents::open(seal, event.id, &sealed).map_err(|error| Unread::Lost(error.to_string()))?;
    (event.data, event.envelope.carried) = (opened.data, opened.carried);
    match event.is_of_operation() {
        true => event.recording_access_token = opened.token,
        false => event.secrets = opened.token,
    }
    Ok(event)
}

/// A column that holds an event's id.
pub fn event_id(row: &Row<'_>, column: usize) -> rusqlite::Result<EventId> {
    Ok(EventId(uuid::Uuid::from_bytes(row.get(column)?)))
}

/// A column that holds an event's origin.
pub fn origin(row: &Row<'_>, column: usize) -> rusqlite::Result<Origin> {
    let number: i64 = row.get(column)?;
    Origin::of_number(number).ok_or_else(|| unknown(column, &number.to_string()))
}

/// A column that holds a delivery's id.
pub fn delivery_id(row: &Row<'_>, column: usize) -> rusqlite::Result<DeliveryId> {
    Ok(DeliveryId(uuid::Uuid::from_bytes(row.get(column)?)))
}

/// A column that may hold a delivery's id.
pub fn maybe_delivery_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DeliveryId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|bytes| DeliveryId(uuid::Uuid::from_bytes(bytes))))
}

/// A column that holds one of a closed set of texts.
pub fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| unknown(column, &text))
}

/// As [`parsed`], for a column that may hold nothing.
pub fn maybe_parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parse(&text).ok_or_else(|| unknown(column, &text))).transpose()
}

fn unknown(column: usize, text: &str) -> rusqlite::Error {
    let found = format!("found {text:?}, expected one of the values that this version writes");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, found.into())
}
