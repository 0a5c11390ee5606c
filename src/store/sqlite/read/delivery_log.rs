//! The delivery log: deliveries by their numbers, newest event first. Dead letters are found by their index, sink by sink;
//! a few deliveries that are not settled by the index of those. All others are read by their keys.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::event_log::{Time, received_in};
use super::rows::delivery_id;
use super::views::{EVENT_COLUMNS, all, deliveries, event_in};
use super::walk::{MOST, MOST_LARGE, Walk, Walked, lower, of_time, text};
use crate::domain::{DeliveryId, SinkName};
use crate::store::ids;
use crate::store::seal::Seal;
use crate::store::{DeadFilter, DeadKey, DeliveryFilter, LoggedDelivery, Newest, Page, Phase};

/// The most sinks whose dead letters are merged by their index. Beyond that, deliveries are read by their keys.
const MOST_SINKS: usize = 100;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which deliveries.
    pub which: &'a DeliveryFilter,
    /// When their events arrived; the filter's own instants are not looked at.
    pub time: Time,
    /// Now, in microseconds of steady time.
    pub now: i64,
    /// Which page.
    pub page: Newest<DeliveryId>,
}

/// A condition on a delivery `d`, its values, and how many deliveries are looked at. `?5` and `?6` are the ends of the page,
/// `?7` is `most`.
struct Meant {
    condition: String,
    values: Vec<Value>,
    most: i64,
    /// A statement with the deliveries behind the page's end that are looked at too; empty: none.
    late: String,
}

/// Whether a dead letter `d` has the reason (`?2`) and died in the time (`?3`, `?4`) that a [`DeadFilter`] names.
pub const DEAD_MEANT: &str = "(?2 IS NULL OR instr(lower(coalesce(d.reason, '')), lower(?2)) > 0) \
                              AND (?3 IS NULL OR d.at >= ?3) AND (?4 IS NULL OR d.at <= ?4)";

/// Where only a few deliveries are not settled, these are read alone.
const UNSETTLED: &str = "d.seq IN (SELECT seq FROM deliveries INDEXED BY deliveries_unsettled WHERE state < 2) AND";
const UNSETTLED_OF_SINK: &str =
    "d.seq IN (SELECT seq FROM deliveries INDEXED BY deliveries_unsettled WHERE state < 2 AND sink = ?1) AND";

/// A page of the deliveries that are meant.
pub fn page(
    connection: &Connection,
    seal: &Seal,
    asked: Asked<'_>,
) -> rusqlite::Result<Page<LoggedDelivery, DeliveryId>> {
    shown(connection, seal, walk(connection, asked)?.go(connection, asked.page.limit)?)
}

/// A page of the dead letters that are meant.
pub fn dead(
    connection: &Connection,
    seal: &Seal,
    which: &DeadFilter,
    page: Newest<DeliveryId>,
) -> rusqlite::Result<Page<LoggedDelivery, DeliveryId>> {
    let before = page.before.map_or(i64::MAX, |id| ids::delivery_row(id.0));
    let micros = |at: Option<jiff::Timestamp>| at.map_or(Value::Null, |at| Value::Integer(at.as_microsecond()));
    let values = vec![
        text(which.sink.as_ref().map(SinkName::as_str)),
        text(which.reason.as_deref()),
        micros(which.since),
        micros(which.until),
        Value::Integer(before),
        Value::Integer(0),
        Value::Integer(MOST),
    ];
    let condition = format!("d.state = 3 AND (?1 IS NULL OR d.sink = ?1) AND {DEAD_MEANT}");
    let meant = Meant { condition, values, most: MOST, late: String::new() };
    let walk = of_dead(connection, which.sink.as_ref(), meant)?;
    shown(connection, seal, walk.go(connection, page.limit)?)
}

fn walk(connection: &Connection, asked: Asked<'_>) -> rusqlite::Result<Walk> {
    let which = asked.which;
    let (sink, meant) = (which.sink.as_ref(), meant(connection, asked)?);
    if which.phase == Some(Phase::Dead) {
        return of_dead(connection, sink, meant);
    }
    let is_unsettled = matches!(which.phase, Some(Phase::Unsettled | Phase::Waiting | Phase::UnderWay));
    let few = match (is_unsettled && few_wait(connection, sink, meant.most)?, sink) {
        (true, Some(_)) => UNSETTLED_OF_SINK,
        (true, None) => UNSETTLED,
        (false, _) => "",
    };
    Ok(by_keys(meant, few))
}

/// The walk over the deliveries by their keys; `few` narrows them.
fn by_keys(Meant { condition, values, most, late }: Meant, few: &str) -> Walk {
    let sql = format!(
        "SELECT d.seq, {condition} FROM deliveries d NOT INDEXED WHERE {few} d.seq < ?5 AND d.seq >= ?6 {late} \
         ORDER BY 1 DESC LIMIT ?7"
    );
    Walk { sql, values, most }
}

fn meant(connection: &Connection, Asked { which, time, now, page }: Asked<'_>) -> rusqlite::Result<Meant> {
    let (first, end) = of_time(connection, time.since, time.until)?;
    let end = if end == i64::MAX { end } else { ids::first_delivery(end) };
    let before = page.before.map_or(i64::MAX, |id| ids::delivery_row(id.0));
    let phase = match which.phase {
        None => "1",
        Some(Phase::Unsettled) => "d.state < 2",
        Some(Phase::Waiting) => "d.state < 2 AND NOT (d.is_leased = 1 AND d.at > ?4)",
        Some(Phase::UnderWay) => "d.state < 2 AND d.is_leased = 1 AND d.at > ?4",
        Some(Phase::Delivered) => "d.state = 2",
        Some(Phase::Dead) => "d.state = 3",
    };
    // The event is read only where the delivery itself is meant.
    let condition = format!(
        "(?1 IS NULL OR d.sink = ?1) AND {phase} \
         AND (?2 IS NULL OR (SELECT kind FROM events WHERE seq = d.seq >> 12) IS ?2 COLLATE NOCASE) \
         AND (?3 IS NULL OR instr(lower(coalesce(d.reason, '')), ?3) > 0 \
         OR instr(lower(coalesce((SELECT client_context FROM events WHERE seq = d.seq >> 12), '')), ?3) > 0)"
    );
    let in_time = received_in("?8", "?9");
    // Those of events that were received in the time, and accepted after it.
    let late = match time.until {
        None => String::new(),
        Some(_until) => format!(
            "UNION ALL SELECT * FROM (SELECT d.seq, {condition} AND {in_time} FROM events e INDEXED BY events_late \
             CROSS JOIN deliveries d ON d.seq BETWEEN (e.seq << 12) AND (e.seq << 12) + 4095 \
             WHERE e.accepted_at IS NOT NULL AND e.seq >= (?11 >> 12) AND e.seq <= (?10 >> 12) AND d.seq < ?10 \
             ORDER BY e.seq DESC, d.seq DESC LIMIT ?7)"
        ),
    };
    let condition = match time.is_any() {
        true => condition,
        false => format!(
            "{condition} AND NOT EXISTS (SELECT 1 FROM events e INDEXED BY events_late \
             WHERE e.seq = d.seq >> 12 AND e.accepted_at IS NOT NULL AND NOT ({in_time}))"
        ),
    };
    let most = if which.kind.is_some() || which.text.is_some() { MOST_LARGE } else { MOST };
    let mut values = vec![
        text(which.sink.as_ref().map(SinkName::as_str)),
        text(which.kind.as_deref()),
        lower(which.text.as_ref()),
        Value::Integer(now),
        Value::Integer(before.min(end)),
        Value::Integer(ids::first_delivery(first)),
        Value::Integer(most),
    ];
    if !time.is_any() {
        values.extend(time.values());
    }
    if time.until.is_some() {
        values.extend([before, end].map(Value::Integer));
    }
    Ok(Meant { condition, values, most, late })
}

/// Whether at most so many deliveries are not settled, to a sink or to any.
fn few_wait(connection: &Connection, sink: Option<&SinkName>, most: i64) -> rusqlite::Result<bool> {
    let condition = if sink.is_some() { "sink = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_unsettled \
         WHERE state < 2 AND {condition} LIMIT ?2 + 1)"
    );
    let values = params![sink.map(SinkName::as_str), most];
    connection.prepare_cached(&sql)?.query_row(values, |row| Ok(row.get::<_, i64>(0)? <= most))
}

/// The walk over the dead letters of a sink, or of all sinks: the index has those of each in their order, and SQLite merges
/// them as it reads.
fn of_dead(connection: &Connection, sink: Option<&SinkName>, meant: Meant) -> rusqlite::Result<Walk> {
    let sinks = match sink {
        Some(sink) => vec![sink.as_str().to_owned()],
        None => sinks_with_dead(connection)?,
    };
    if sinks.len() > MOST_SINKS {
        return Ok(by_keys(meant, ""));
    }
    let Meant { condition, mut values, most, late } = meant;
    let first = values.len() + 1;
    let of_sink = |n: usize| {
        format!(
            "SELECT d.seq, {condition} FROM deliveries d INDEXED BY deliveries_dead \
             WHERE d.state = 3 AND d.sink = ?{} AND d.seq < ?5 AND d.seq >= ?6",
            first + n
        )
    };
    // One part at least, so that the statement is whole.
    let parts: Vec<String> = (0..sinks.len().max(1)).map(of_sink).collect();
    values.extend(sinks.into_iter().map(Value::Text));
    if values.len() < first {
        values.push(Value::Null);
    }
    let sql = format!("{} {late} ORDER BY 1 DESC LIMIT ?7", parts.join(" UNION ALL "));
    Ok(Walk { sql, values, most })
}

/// The sinks that have dead letters. Each costs one descent of the index.
fn sinks_with_dead(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "WITH RECURSIVE found (sink) AS ( \
               SELECT min(sink) FROM deliveries INDEXED BY deliveries_dead WHERE state = 3 UNION ALL \
               SELECT (SELECT min(sink) FROM deliveries INDEXED BY deliveries_dead WHERE state = 3 AND sink > found.sink) \
               FROM found WHERE found.sink IS NOT NULL LIMIT ?1) \
               SELECT sink FROM found WHERE sink IS NOT NULL";
    all(connection, sql, [MOST_SINKS as i64 + 1], |row| row.get(0))
}

/// The deliveries of a walk, each with its event.
fn shown(connection: &Connection, seal: &Seal, walked: Walked) -> rusqlite::Result<Page<LoggedDelivery, DeliveryId>> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE seq = ?1");
    let mut rows = Vec::new();
    for number in walked.rows {
        let of_number = ids::event_of(number);
        let event = all(connection, &sql, [of_number], |row| event_in(row, seal))?.pop();
        let found = deliveries(connection, "WHERE seq = ?1", [number])?;
        rows.extend(found.into_iter().map(|delivery| LoggedDelivery { delivery, event: event.clone() }));
    }
    let id = |number: i64| {
        let sql = "SELECT id FROM deliveries WHERE seq = ?1";
        connection.prepare_cached(sql)?.query_row([number], |row| delivery_id(row, 0)).optional()
    };
    Ok(Page { rows, next: walked.next.map_or(Ok(None), id)? })
}

/// The dead letters that are meant behind one of them, sink by sink, the earliest of each first.
pub fn dead_keys(
    connection: &Connection,
    which: &DeadFilter,
    after: Option<&DeadKey>,
    limit: usize,
) -> rusqlite::Result<Vec<DeadKey>> {
    let sql = dead_keys_sql(which.sink.is_some());
    let micros = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_microsecond);
    let (sink, limit) = (which.sink.as_ref().map(SinkName::as_str), i64::try_from(limit).unwrap_or(i64::MAX));
    // No name of a sink is before the empty one.
    let (after_sink, after) = after.map_or(("", -1), |after| (after.sink.as_str(), ids::delivery_row(after.id.0)));
    let values = params![sink, which.reason, micros(which.since), micros(which.until), limit, after_sink, after];
    let key = |row: &Row<'_>| Ok(DeadKey { sink: SinkName::new(&row.get::<_, String>(0)?), id: delivery_id(row, 2)? });
    all(connection, &sql, values, key)
}

/// The statement of [`dead_keys`]. It reads the index from the place on where the last one ended.
fn dead_keys_sql(is_of_sink: bool) -> String {
    let part = |place: &str| {
        format!(
            "SELECT d.sink, d.seq, d.id FROM deliveries d INDEXED BY deliveries_dead \
             WHERE d.state = 3 AND {place} AND {DEAD_MEANT}"
        )
    };
    // SQLite merges the parts as it reads: those of the same sink, and those of the sinks behind it.
    let parts = match is_of_sink {
        true => part("d.sink = ?1 AND d.seq > ?7 AND ?6 IS NOT NULL"),
        false => {
            let [same, behind] = ["?1 IS NULL AND d.sink = ?6 AND d.seq > ?7", "d.sink > ?6"].map(part);
            format!("{same} UNION ALL {behind}")
        }
    };
    format!("{parts} ORDER BY 1, 2 LIMIT ?5")
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Null;

    use super::super::walk::testing::{N, database, plan};
    use super::*;

    fn asked(which: &DeliveryFilter, before: Option<i64>) -> Asked<'_> {
        let before = before.map(|seq| DeliveryId(ids::of_delivery(seq, 0)));
        Asked { which, time: Time::default(), now: 0, page: Newest { before, limit: 50 } }
    }

    fn filters() -> Vec<DeliveryFilter> {
        let (crm, none) = (Some(SinkName::new("crm")), Some("none".to_owned()));
        let phases = Phase::ALL.map(Some).into_iter().chain([None]);
        let of_phase = |phase| {
            let all = DeliveryFilter { phase, ..DeliveryFilter::default() };
            [
                DeliveryFilter { sink: crm.clone(), ..all.clone() },
                DeliveryFilter { kind: none.clone(), ..all.clone() },
                DeliveryFilter { text: none.clone(), sink: crm.clone(), ..all.clone() },
                all,
            ]
        };
        phases.flat_map(of_phase).collect()
    }

    #[test]
    fn what_came_out_of_the_quarantine_is_found_by_an_index_and_no_table_is_read_whole() {
        let connection = database();
        for which in filters() {
            let time = Time { since: Some(1_000), until: Some(2_000), shown: (Some(1), Some(2)) };
            let walk = walk(&connection, Asked { time, ..asked(&which, None) }).unwrap();
            let plan = plan(&connection, &walk);
            assert!(plan.contains("events_late"), "{which:?}: {plan}");
            let reads_whole =
                ["SCAN d;", "SCAN e;", "SCAN deliveries;", "SCAN events;"].iter().any(|it| plan.contains(it));
            assert!(plan.contains("deliveries_unsettled") || !reads_whole, "{which:?}: {plan}");
        }
    }

    #[test]
    fn every_filter_is_answered_by_keys_or_an_index() {
        let connection = database();
        for which in filters() {
            for before in [None, Some(ids::first_delivery(N / 2))] {
                let walk = walk(&connection, asked(&which, before)).unwrap();
                let plan = plan(&connection, &walk);
                // Those that are not settled are few here: SQLite reads them all, and may sort them.
                let is_unsettled = plan.contains("deliveries_unsettled");
                assert!(is_unsettled || !plan.contains("SCAN d") && !plan.contains("TEMP B-TREE"), "{which:?}: {plan}");
                assert_eq!(plan.contains("deliveries_dead"), which.phase == Some(Phase::Dead), "{which:?}: {plan}");
            }
        }
    }

    #[test]
    fn a_page_looks_at_a_limited_number_of_deliveries_and_says_where_to_go_on() {
        let connection = database();
        let go = |which: &DeliveryFilter| walk(&connection, asked(which, None)).unwrap().go(&connection, 50).unwrap();
        let newest = ids::first_delivery(N) + 1;
        let none = DeliveryFilter { sink: Some(SinkName::new("none")), ..DeliveryFilter::default() };
        let looked = ids::first_delivery(N - MOST / 2 + 1);
        assert_eq!(go(&none), Walked { rows: vec![], next: Some(looked) }, "two deliveries of each event");
        assert_eq!(go(&DeliveryFilter::default()).rows[0], newest);
    }

    #[test]
    fn the_few_that_wait_and_the_dead_letters_are_found_however_many_newer_ones_are_delivered() {
        let connection = database();
        connection.execute("UPDATE deliveries SET state = 2 WHERE state = 0", []).unwrap();
        connection.execute("UPDATE deliveries SET state = 1 WHERE seq = 7 << 12", []).unwrap();
        for sink in [None, Some(SinkName::new("crm"))] {
            let which = |phase| DeliveryFilter { phase: Some(phase), sink: sink.clone(), ..DeliveryFilter::default() };
            let found = walk(&connection, asked(&which(Phase::Unsettled), None)).unwrap().go(&connection, 50).unwrap();
            assert_eq!(found, Walked { rows: vec![7 << 12], next: None });
            let dead = walk(&connection, asked(&which(Phase::Dead), None)).unwrap().go(&connection, 50).unwrap();
            assert_eq!((dead.rows.len(), dead.rows[0]), (50, (N / 100 * 100) << 12));
        }
    }

    #[test]
    fn the_dead_letters_are_walked_by_their_index_from_the_last_place_on() {
        let connection = database();
        let plan = |is_of_sink| {
            let sql = format!("EXPLAIN QUERY PLAN {}", dead_keys_sql(is_of_sink));
            let mut statement = connection.prepare(&sql).unwrap();
            let values = params!["crm", Null, Null, Null, 9, "crm", 7];
            let steps = statement.query_map(values, |row| row.get::<_, String>(3)).unwrap();
            steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
        };
        assert_eq!(plan(true), "SEARCH d USING INDEX deliveries_dead (sink=? AND seq>?)");
        let all = plan(false);
        for part in ["deliveries_dead (sink=? AND seq>?)", "deliveries_dead (sink>?)"] {
            assert!(all.contains(part) && !all.contains("TEMP B-TREE"), "{all}");
        }
    }

    #[test]
    fn the_dead_letters_of_many_sinks_are_merged_newest_first() {
        let connection = database();
        connection.execute("UPDATE deliveries SET sink = 'sink-' || ((seq >> 12) % 700) WHERE state = 3", []).unwrap();
        let n_sinks = sinks_with_dead(&connection).unwrap().len();
        assert_eq!(n_sinks, 7);
        let which = DeliveryFilter { phase: Some(Phase::Dead), ..DeliveryFilter::default() };
        let walk = walk(&connection, asked(&which, None)).unwrap();
        let rows = walk.go(&connection, 150).unwrap().rows;
        let expected: Vec<i64> = (1..=N / 100).rev().take(150).map(|n| (n * 100) << 12).collect();
        assert_eq!(rows, expected);
    }
}
