//! The delivery log: deliveries by their numbers, newest event first; and dead letters.

use deadpool_postgres::ClientWrapper;
use jiff::Timestamp;

use super::backlogs::FRESH;
use super::event_log::IN_TIME;
use super::walk::{self, Walked};
use super::{deliveries, events};
use crate::domain::DeliveryId;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, delivery_id, number, sink};
use crate::store::postgres::engine::text;
use crate::store::seal::Seal;
use crate::store::{Counted, DeadFilter, DeadKey, DeliveryFilter, LoggedDelivery, Newest, Page, Phase, ids};

/// Whether a dead letter `x` is to the sink (`$1`), has the reason (`$2`) and died in the time (`$3`, `$4`) that a
/// [`DeadFilter`] names.
const DEAD_MEANT: &str = "($1::text IS NULL OR x.sink = $1) AND ($2::text IS NULL OR strpos(lower(coalesce(x.reason, '')), $2) > 0) \
                          AND ($3::bigint IS NULL OR x.at >= $3) AND ($4::bigint IS NULL OR x.at <= $4)";

/// The values of [`DEAD_MEANT`].
struct DeadValues {
    sink: Option<String>,
    reason: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
}

impl From<&DeadFilter> for DeadValues {
    fn from(which: &DeadFilter) -> Self {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
        Self {
            sink: which.sink.as_ref().map(|sink| text::stored(sink.as_str()).into_owned()),
            reason: text::lower(which.reason.as_deref()),
            since: micros(which.since),
            until: micros(which.until),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which deliveries.
    pub which: &'a DeliveryFilter,
    /// Which page.
    pub page: Newest<DeliveryId>,
    /// Now, in microseconds of steady time.
    pub now: i64,
}

/// A page of the deliveries that are meant.
pub async fn page(
    client: &ClientWrapper,
    seal: &Seal,
    Asked { which, page, now }: Asked<'_>,
) -> Result<Page<LoggedDelivery, DeliveryId>, Failure> {
    // Those that are not settled, and dead letters, are few.
    let few = match which.phase {
        Some(Phase::Unsettled | Phase::Waiting | Phase::UnderWay) => {
            format!("AND r.number IN (SELECT number FROM waiting UNION ALL SELECT number FROM {FRESH} AS fresh)")
        }
        Some(Phase::Dead) => "AND r.number IN (SELECT number FROM dead)".to_owned(),
        Some(Phase::Delivered) | None => String::new(),
    };
    let phase = match which.phase {
        None => "true",
        Some(Phase::Unsettled) => "r.state < 2",
        Some(Phase::Waiting) => "r.state < 2 AND NOT (r.is_leased AND r.at > $7)",
        Some(Phase::UnderWay) => "r.state < 2 AND r.is_leased AND r.at > $7",
        Some(Phase::Delivered) => "r.state = 2",
        Some(Phase::Dead) => "r.state = 3",
    };
    let statement = format!(
        "SELECT r.number, ($3::text IS NULL OR r.sink = $3) AND {phase} AND ($4::text IS NULL OR lower(e.kind) = $4) \
         AND ($5::text IS NULL OR strpos(lower(coalesce(r.reason, '')), $5) > 0 \
         OR strpos(lower(coalesce(e.client_context, '')), $5) > 0) AND $7::bigint IS NOT NULL AS is_meant \
         FROM delivery_rows r JOIN events e ON e.number = r.number >> 12 \
         WHERE r.number < $6 AND {IN_TIME} {few} ORDER BY r.number DESC LIMIT $8"
    );
    let most = if which.kind.is_some() || which.text.is_some() { walk::MOST_LARGE } else { walk::MOST };
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let values: sql::Values<'_> = &[
        &millis(which.since),
        &millis(which.until),
        &which.sink.as_ref().map(|sink| text::stored(sink.as_str())),
        &text::lower(which.kind.as_deref()),
        &text::lower(which.text.as_deref()),
        &page.before.map_or(i64::MAX, |id| ids::delivery_row(id.0)),
        &now,
        &most,
    ];
    let rows = sql::rows(client, &statement, values).await?;
    shown(client, seal, walk::go(&rows, page.limit, most)?).await
}

/// A page of the dead letters that are meant.
pub async fn dead(
    client: &ClientWrapper,
    seal: &Seal,
    (which, page): (&DeadFilter, Newest<DeliveryId>),
) -> Result<Page<LoggedDelivery, DeliveryId>, Failure> {
    let statement = format!(
        "SELECT x.number, {DEAD_MEANT} AS is_meant FROM dead x WHERE x.number < $5 AND ($1::text IS NULL OR x.sink = $1) \
         ORDER BY x.number DESC LIMIT $6"
    );
    let DeadValues { sink, reason, since, until } = which.into();
    let before = page.before.map_or(i64::MAX, |id| ids::delivery_row(id.0));
    let values: sql::Values<'_> = &[&sink, &reason, &since, &until, &before, &walk::MOST];
    let rows = sql::rows(client, &statement, values).await?;
    shown(client, seal, walk::go(&rows, page.limit, walk::MOST)?).await
}

/// The deliveries of a walk, each with its event.
async fn shown(
    client: &ClientWrapper,
    seal: &Seal,
    Walked { rows, next }: Walked,
) -> Result<Page<LoggedDelivery, DeliveryId>, Failure> {
    let mut found = deliveries::some(client, &rows).await?;
    let numbers: Vec<i64> = rows.iter().map(|number| ids::event_of(*number)).collect();
    let events = events::streamed(client, seal, ("WHERE e.number = ANY($1)", &[&numbers])).await?;
    let logged = rows.iter().filter_map(|number| {
        let of_number = ids::event_of(*number);
        let event = events.iter().find(|it| it.event.number == of_number).map(|it| it.event.clone());
        Some(LoggedDelivery { delivery: found.remove(number)?, event })
    });
    let rows = logged.collect();
    let next = match next {
        None => None,
        Some(number) => sql::first(client, "SELECT id FROM deliveries WHERE number = $1", &[&number]).await?,
    };
    Ok(Page { rows, next: next.map(|row| delivery_id(&row, "id")).transpose()? })
}

/// The dead letters that are meant behind one of them, sink by sink, the earliest of each first.
pub async fn dead_keys(
    client: &ClientWrapper,
    (which, after, limit): (&DeadFilter, Option<&DeadKey>, usize),
) -> Result<Vec<DeadKey>, Failure> {
    let statement = format!(
        "SELECT x.sink, d.id FROM dead x JOIN deliveries d ON d.number = x.number \
         WHERE {DEAD_MEANT} AND (x.sink, x.number) > ($5, $6) ORDER BY x.sink, x.number LIMIT $7"
    );
    let DeadValues { sink: of, reason, since, until } = which.into();
    // No name of a sink is before the empty one.
    let after_sink = after.map_or(String::new(), |after| text::stored(after.sink.as_str()).into_owned());
    let after = after.map_or(-1, |after| ids::delivery_row(after.id.0));
    let values: sql::Values<'_> = &[&of, &reason, &since, &until, &after_sink, &after, &number(limit)];
    let rows = sql::rows(client, &statement, values).await?;
    rows.iter().map(|row| Ok(DeadKey { sink: sink(row, "sink")?, id: delivery_id(row, "id")? })).collect()
}

/// How many dead letters are meant of the first `most` of the wanted sink.
pub async fn count_dead(client: &ClientWrapper, which: &DeadFilter, most: usize) -> Result<Counted, Failure> {
    let statement = format!(
        "SELECT count(*) FILTER (WHERE is_meant) AS n, count(*) AS n_looked FROM (SELECT {DEAD_MEANT} AS is_meant \
         FROM dead x WHERE $1::text IS NULL OR x.sink = $1 ORDER BY x.sink, x.number LIMIT $5) AS looked"
    );
    let DeadValues { sink, reason, since, until } = which.into();
    let values: sql::Values<'_> = &[&sink, &reason, &since, &until, &number(most)];
    walk::counted(sql::first(client, &statement, values).await?, most)
}
