//! New events: the one place that names the columns of `events` to write them. Many are written by one statement.

use std::borrow::Cow;

use uuid::Uuid;

use crate::domain::{Channel, ClientContext, EventId, Order, Origin, Status};
use crate::store::decisions::schedule;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::{sql, text};

/// A row to insert. Texts are in Graph's spelling, instants in microseconds of the machine's clock.
pub struct EventRow<'a> {
    /// Its number.
    pub number: i64,
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
    /// The message that brought it.
    pub message: Option<i64>,
    /// Whether the same bytes were accepted before.
    pub possible_repeat: bool,
    /// Token, data and raw item.
    pub sealed: &'a [u8],
}

const INSERT: &str = "INSERT INTO events (number, id, epoch, origin, received_at, accepted_at, channel, operation, hash, \
    lookup, is_matched, has_token, kind, resource_type, resource, client_context, tenant_id, subscription_id, graph_id, \
    status, op_order, previous_status, message, possible_repeat, sealed) \
    SELECT number, id, $25, origin, received_at, accepted_at, channel, operation, hash, lookup, is_matched, has_token, kind, \
    resource_type, resource, client_context, tenant_id, subscription_id, graph_id, status, op_order, previous_status, \
    message, possible_repeat, sealed \
    FROM unnest($1::bigint[], $2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], \
    $8::bytea[], $9::bigint[], $10::boolean[], $11::boolean[], $12::text[], $13::text[], $14::text[], $15::text[], \
    $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::bigint[], $23::boolean[], \
    $24::bytea[]) AS new (number, id, origin, received_at, accepted_at, channel, operation, hash, lookup, is_matched, \
    has_token, kind, resource_type, resource, client_context, tenant_id, subscription_id, graph_id, status, op_order, \
    previous_status, message, possible_repeat, sealed)";

/// Inserts rows, and when housekeeping looks at them.
pub async fn insert(tx: &mut Tx<'_>, rows: &[EventRow<'_>]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.effects.event_added();
    let number = column(rows, |row| row.number);
    let id: Vec<Uuid> = column(rows, |row| row.id.0);
    let origin = column(rows, |row| i16::try_from(row.origin.number()).unwrap_or_default());
    let (received_at, accepted_at) = (column(rows, |row| row.received_at), column(rows, |row| row.accepted_at));
    let channel = column(rows, |row| row.channel.as_str());
    let operation = column(rows, |row| row.operation);
    let (hash, lookup) = (column(rows, |row| row.hash), column(rows, |row| row.lookup));
    let (is_matched, has_token) = (column(rows, |row| row.is_matched), column(rows, |row| row.has_token));
    let kind = column(rows, |row| text::stored(row.kind));
    let resource_type = column(rows, |row| text::stored(row.resource_type));
    let resource = column(rows, |row| text::stored(row.resource));
    let client_context = column(rows, |row| row.client_context.map(|it| text::stored(it.as_str())));
    let tenant_id = column(rows, |row| row.tenant_id.map(text::stored));
    let subscription_id = column(rows, |row| row.subscription_id.map(text::stored));
    let graph_id = column(rows, |row| row.graph_id.map(text::stored));
    let status = column(rows, |row| row.status.map(status));
    let order = column(rows, |row| row.order.map(Order::as_str));
    let previous = column(rows, |row| row.previous.map(self::status));
    let (message, possible_repeat) = (column(rows, |row| row.message), column(rows, |row| row.possible_repeat));
    let sealed = column(rows, |row| row.sealed);
    let values: sql::Values<'_> = &[
        &number,
        &id,
        &origin,
        &received_at,
        &accepted_at,
        &channel,
        &operation,
        &hash,
        &lookup,
        &is_matched,
        &has_token,
        &kind,
        &resource_type,
        &resource,
        &client_context,
        &tenant_id,
        &subscription_id,
        &graph_id,
        &status,
        &order,
        &previous,
        &message,
        &possible_repeat,
        &sealed,
        &tx.shared.epoch.number,
    ];
    sql::execute(tx.client, INSERT, values).await?;
    let settings = &tx.shared.settings;
    let look_at = column(rows, |row| schedule::first_look(settings, tx.steady, row.has_token));
    look_at_them(tx, &number, &look_at).await
}

/// Schedules the checks of events, at instants of steady time.
pub async fn look_at_them(tx: &Tx<'_>, events: &[i64], look_at: &[i64]) -> Result<(), Failure> {
    let statement = "INSERT INTO upkeep (look_at, event) SELECT look_at, event \
                     FROM unnest($1::bigint[], $2::bigint[]) AS new (look_at, event)";
    sql::execute(tx.client, statement, &[&look_at, &events]).await.map(drop)
}

fn status(status: &Status) -> Cow<'_, str> {
    text::stored(status.as_str())
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
