//! The event log: events by their numbers, newest first.

use deadpool_postgres::ClientWrapper;
use jiff::Timestamp;

use super::events;
use super::walk::{self, Walked};
use crate::domain::EventId;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, event_id};
use crate::store::postgres::engine::text;
use crate::store::seal::Seal;
use crate::store::{EventFilter, EventView, Newest, Page, ids};

/// Whether an event `e` was received in a time: `$1` and `$2` are its ends, in milliseconds.
pub const IN_TIME: &str =
    "($1::bigint IS NULL OR e.received_at / 1000 >= $1) AND ($2::bigint IS NULL OR e.received_at / 1000 <= $2)";

/// A page of the events that are meant, with their deliveries.
pub async fn page(
    client: &ClientWrapper,
    seal: &Seal,
    (which, page): (&EventFilter, Newest<EventId>),
) -> Result<Page<EventView, EventId>, Failure> {
    // Those that match no route are few, so that they have an index.
    let unmatched = if which.is_matched == Some(false) { "AND NOT e.is_matched" } else { "" };
    let statement = format!(
        "SELECT e.number, ($3::text IS NULL OR lower(e.kind) = $3) \
         AND ($4::text IS NULL OR strpos(lower(e.resource), $4) > 0 OR lower(e.resource_type) = $4) \
         AND ($5::boolean IS NULL OR e.is_matched = $5) \
         AND ($6::text IS NULL OR strpos(lower(coalesce(e.client_context, '')), $6) > 0) AS is_meant \
         FROM events e WHERE e.number < $7 {unmatched} AND {IN_TIME} ORDER BY e.number DESC LIMIT $8"
    );
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let before = page.before.map_or(i64::MAX, |id| ids::event_row(id.0));
    let rows = sql::rows(
        client,
        &statement,
        &[
            &millis(which.since),
            &millis(which.until),
            &text::lower(which.kind.as_deref()),
            &text::lower(which.resource.as_deref()),
            &which.is_matched,
            &text::lower(which.text.as_deref()),
            &before,
            &walk::MOST_LARGE,
        ],
    )
    .await?;
    let Walked { rows, next } = walk::go(&rows, page.limit, walk::MOST_LARGE)?;
    let rows = events::views(client, seal, ("WHERE e.number = ANY($1) ORDER BY e.number DESC", &[&rows])).await?;
    let next = match next {
        None => None,
        Some(number) => sql::first(client, "SELECT id FROM events WHERE number = $1", &[&number]).await?,
    };
    Ok(Page { rows, next: next.map(|row| event_id(&row, "id")).transpose()? })
}
