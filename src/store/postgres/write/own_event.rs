//! An event of reelhook's own: no notification made it. It is stored and delivered like Graph's.

use super::event_rows::EventRow;
use crate::domain::{Carried, Channel, EventId, Operation, Origin};
use crate::store::contents::{self, Contents};
use crate::store::ids;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::tx::Tx;

/// An event of reelhook's own, to be added.
pub struct OwnEvent {
    /// CloudEvents `type`.
    pub kind: &'static str,
    /// The type of what it is about.
    pub resource_type: &'static str,
    /// The path of what it is about.
    pub resource: String,
    /// Its data: JSON.
    pub data: String,
    /// The operation that it is about, in its state now, and the event that caused this one.
    pub about: Option<(Operation, Option<EventId>)>,
}

/// The same with its number and its sealed contents.
pub struct Numbered {
    event: OwnEvent,
    number: i64,
    /// Its id.
    pub id: EventId,
    received_at: i64,
    is_matched: bool,
    sealed: Vec<u8>,
}

impl OwnEvent {
    /// Gives it its number.
    pub fn numbered(self, tx: &Tx<'_>, number: i64, is_matched: bool) -> Result<Numbered, Failure> {
        let id = EventId(ids::of_event(number, tx.steady));
        let carried = self.about.as_ref().map(|(operation, caused_by)| Carried {
            operation_id: Some(operation.id.clone()),
            call_id: operation.call_id.clone(),
            caused_by: *caused_by,
            ..Carried::default()
        });
        let contents = Contents { token: None, data: &self.data, carried: &carried.unwrap_or_default(), raw: b"" };
        let sealed = contents::seal(&tx.shared.seal, id, &contents)?;
        Ok(Numbered { event: self, number, id, received_at: tx.wall, is_matched, sealed })
    }
}

impl Numbered {
    /// CloudEvents `type`.
    pub fn kind(&self) -> &'static str {
        self.event.kind
    }

    /// The number of the operation that it is about.
    pub fn operation(&self) -> Option<i64> {
        self.event.about.as_ref().map(|(operation, _)| operation.number)
    }

    /// Its row.
    pub fn row(&self) -> EventRow<'_> {
        let operation = self.event.about.as_ref().map(|(operation, _)| operation);
        EventRow {
            number: self.number,
            id: self.id,
            origin: Origin::Reelhook,
            received_at: self.received_at,
            accepted_at: None,
            // Every row has a channel: record operations come on this one. Of other events it is told to nobody.
            channel: Channel::Calls,
            operation: operation.map(|it| it.number),
            // There are no bytes from outside that could repeat, so the event's own id stands for them.
            hash: self.id.0.as_bytes(),
            lookup: None,
            is_matched: self.is_matched,
            has_token: false,
            kind: self.event.kind,
            resource_type: self.event.resource_type,
            resource: &self.event.resource,
            client_context: operation.and_then(|it| it.client_context.as_ref()),
            tenant_id: operation.and_then(|it| it.tenant_id.as_deref()),
            subscription_id: None,
            graph_id: None,
            status: operation.map(|it| &it.status),
            order: None,
            previous: None,
            message: None,
            possible_repeat: false,
            sealed: &self.sealed,
        }
    }
}
