//! Delivered deliveries, in the order of their events, a part at a time.

use deadpool_postgres::ClientWrapper;

use crate::domain::DeliveryId;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, delivery_id, get, number, sink, text};
use crate::store::{Delivered, Found, Looked, ids};

/// Looks at a part of the deliveries.
pub async fn look(
    client: &ClientWrapper,
    (which, after, limit): (&Delivered, Option<DeliveryId>, usize),
) -> Result<Looked, Failure> {
    let statement = "SELECT r.id, r.sink, r.route, e.kind, \
        r.state = 2 AND r.resend_of IS NULL AND r.created_at <= $3 AND r.at <= $4 AS may_be \
        FROM delivery_rows r JOIN events e ON e.number = r.number >> 12 \
        WHERE r.number > $1 AND e.received_at / 1000 >= $2 ORDER BY r.number LIMIT $5";
    let after = after.map_or(-1, |id| ids::delivery_row(id.0));
    let (until, delivered_until) = (which.until.as_microsecond(), which.delivered_until.as_microsecond());
    let values: sql::Values<'_> = &[&after, &which.since.as_millisecond(), &until, &delivered_until, &number(limit)];
    let rows = sql::rows(client, statement, values).await?;
    let mut looked = Looked { n_seen: rows.len(), ..Looked::default() };
    for row in &rows {
        let (id, sink, kind) = (delivery_id(row, "id")?, sink(row, "sink")?, text(row, "kind")?);
        if get(row, "may_be")? && which.means(sink.as_str(), &text(row, "route")?, &kind) {
            looked.found.push(Found { id, sink, kind });
        }
        looked.last = Some(id).filter(|_| rows.len() == limit);
    }
    Ok(looked)
}
