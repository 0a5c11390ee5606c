//! The event's row: the one place that names the columns of `events` to write them.

use rusqlite::params;

use super::{tallies, upkeep};
use crate::domain::{Channel, ClientContext, EventId, Order, Origin, Status};
use crate::store::decisions::schedule;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::lookups;
use crate::store::sqlite::engine::tx::Tx;

/// A row to insert. Texts are in Graph's spelling, instants in microseconds of the machine's clock.
pub struct EventRow<'a> {
    /// Its number.
    pub seq: i64,
    /// Its id.
    pub id: EventId,
    /// Whether Graph or reelhook made it.
    pub origin: Origin,
    /// When it arrived.
    pub received_at: i64,
    /// When it was accepted, if it was in the quarantine until then.
    pub accepted_at: Option<i64>,
    /// Where it came in.
    pub channel: Channel,
    /// The operation's row.
    pub operation: Option<i64>,
    /// Whether the operation had many events before this one.
    pub is_long: bool,
    /// The hash that identifies its bytes.
    pub hash: &'a [u8],
    /// The key for looking it up.
    pub lookup: Option<i64>,
    /// Whether it has deliveries.
    pub is_matched: bool,
    /// Whether its contents hold a token or another secret.
    pub has_token: bool,
    /// CloudEvents `type`.
    pub kind: &'a str,
    /// The resource's type.
    pub resource_type: &'a str,
    /// The resource's path.
    pub resource: &'a str,
    /// The client context.
    pub client_context: Option<&'a ClientContext>,
    /// The tenant.
    pub tenant_id: Option<&'a str>,
    /// The subscription.
    pub subscription_id: Option<&'a str>,
    /// The id that Graph gave the notification.
    pub graph_id: Option<&'a str>,
    /// For operations: the status in the notification.
    pub status: Option<&'a Status>,
    /// For operations: how it compares with the stored state.
    pub order: Option<Order>,
    /// For operations: the status before it.
    pub previous: Option<&'a Status>,
    /// Token, data and raw item.
    pub sealed: &'a [u8],
    /// The message that brought it.
    pub message: Option<i64>,
    /// Whether the same bytes were accepted before.
    pub possible_repeat: bool,
}

impl EventRow<'_> {
    /// Inserts the row, its lookup, and when housekeeping looks at it.
    pub fn insert(&self, tx: &Tx<'_>) -> Result<(), Failure> {
        let sql = "INSERT INTO events (seq, id, origin, received_at, channel, op_seq, long_operation, hash, lookup, is_matched, \
                   has_token, kind, resource_type, resource, client_context, tenant_id, subscription_id, graph_id, status, op_order, \
                   previous_status, sealed, message, possible_repeat, accepted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
                   ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)";
        let row = params![
            self.seq,
            self.id.0.as_bytes(),
            self.origin.number(),
            self.received_at,
            self.channel.as_str(),
            self.operation,
            self.operation.filter(|_| self.is_long),
            self.hash,
            self.lookup,
            self.is_matched,
            self.has_token,
            self.kind,
            self.resource_type,
            self.resource,
            self.client_context.map(ClientContext::as_str),
            self.tenant_id,
            self.subscription_id,
            self.graph_id,
            self.status.map(Status::as_str),
            self.order.map(Order::as_str),
            self.previous.map(Status::as_str),
            self.sealed,
            self.message,
            self.possible_repeat,
            self.accepted_at,
        ];
        tx.execute(sql, row)?;
        if !self.is_matched {
            tallies::unmatched(tx, 1)?;
        }
        if let Some(lookup) = self.lookup {
            lookups::add(tx, lookup, self.seq)?;
        }
        upkeep::look_at(tx, self.seq, schedule::first_look(&tx.shared.settings, tx.steady, self.has_token))
    }
}
