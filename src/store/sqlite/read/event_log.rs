//! The event log: events by their numbers, newest first.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::rows::event_id;
use super::views::events;
use super::walk::{MOST_LARGE, Walk, lower, of_time, text};
use crate::domain::EventId;
use crate::store::ids;
use crate::store::seal::Seal;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::{EventFilter, EventView, Newest, Page};

/// When the events arrived that are meant. Their numbers tell it in steady time, but not of those that came out of the
/// quarantine: their rows tell it, by the machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time {
    /// From this instant on, in microseconds of steady time.
    pub since: Option<i64>,
    /// Until this instant, in microseconds of steady time.
    pub until: Option<i64>,
    /// Both by the machine's clock, in milliseconds.
    pub shown: (Option<i64>, Option<i64>),
}

impl Time {
    /// These instants of the machine's clock.
    pub fn of(shared: &Shared, since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        let steady = |at| shared.in_steady_time(at);
        let shown = (since.map(Timestamp::as_millisecond), until.map(Timestamp::as_millisecond));
        Self { since: since.map(steady), until: until.map(steady), shown }
    }

    /// Whether every event is meant.
    pub fn is_any(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// The values of `shown`, for a statement.
    pub fn values(&self) -> [Value; 2] {
        let value = |at: Option<i64>| at.map_or(Value::Null, Value::Integer);
        [value(self.shown.0), value(self.shown.1)]
    }
}

/// Whether an event `e` out of the quarantine was received in a time: [`Time::values`] are these two parameters.
pub fn received_in(since: &str, until: &str) -> String {
    format!(
        "({since} IS NULL OR e.received_at / 1000 >= {since}) AND ({until} IS NULL OR e.received_at / 1000 <= {until})"
    )
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which events.
    pub which: &'a EventFilter,
    /// When they arrived; the filter's own instants are not looked at.
    pub time: Time,
    /// Which page.
    pub page: Newest<EventId>,
}

/// A page of the events that are meant, with their deliveries.
pub fn page(connection: &Connection, seal: &Seal, asked: Asked<'_>) -> rusqlite::Result<Page<EventView, EventId>> {
    let walked = walk(connection, asked)?.go(connection, asked.page.limit)?;
    let mut rows = Vec::new();
    for number in walked.rows {
        rows.extend(events(connection, seal, "WHERE seq = ?1", [number])?);
    }
    let id = |number: i64| {
        let sql = "SELECT id FROM events WHERE seq = ?1";
        connection.prepare_cached(sql)?.query_row([number], |row| event_id(row, 0)).optional()
    };
    Ok(Page { rows, next: walked.next.map_or(Ok(None), id)? })
}

fn walk(connection: &Connection, Asked { which, time, page }: Asked<'_>) -> rusqlite::Result<Walk> {
    let (first, end) = of_time(connection, time.since, time.until)?;
    let before = page.before.map_or(i64::MAX, |id| ids::event_row(id.0));
    // Those that match no route are few, so that they have an index.
    let (index, condition) = match which.is_matched {
        Some(false) => ("INDEXED BY events_unmatched", "is_matched = 0 AND"),
        Some(true) | None => ("NOT INDEXED", ""),
    };
    let meant = "(?1 IS NULL OR kind = ?1 COLLATE NOCASE) \
         AND (?2 IS NULL OR instr(lower(resource), ?2) > 0 OR lower(resource_type) = ?2) \
         AND (?3 IS NULL OR is_matched = ?3) \
         AND (?4 IS NULL OR instr(lower(coalesce(client_context, '')), ?4) > 0)";
    let in_time = received_in("?8", "?9");
    let of_time = format!(
        "SELECT seq, {meant} AND (accepted_at IS NULL OR ({in_time})) FROM events e {index} \
         WHERE {condition} seq < min(?5, ?10) AND seq >= ?6"
    );
    // Those that were received in the time, and accepted after it.
    let late = match time.until {
        None => String::new(),
        Some(_until) => format!(
            "UNION ALL SELECT seq, {meant} AND {in_time} FROM events e INDEXED BY events_late \
             WHERE accepted_at IS NOT NULL AND seq < ?5 AND seq >= ?10"
        ),
    };
    let sql = format!("{of_time} {late} ORDER BY 1 DESC LIMIT ?7");
    let [since, until] = time.values();
    let values = vec![
        text(which.kind.as_deref()),
        lower(which.resource.as_ref()),
        which.is_matched.map_or(Value::Null, |it| Value::Integer(it.into())),
        lower(which.text.as_ref()),
        Value::Integer(before),
        Value::Integer(first),
        Value::Integer(MOST_LARGE),
        since,
        until,
        Value::Integer(end),
    ];
    Ok(Walk { sql, values, most: MOST_LARGE })
}

#[cfg(test)]
mod tests {
    use super::super::walk::testing::{N, database, plan};
    use super::*;

    fn filters() -> Vec<EventFilter> {
        let (all, none) = (EventFilter::default, Some("none".to_owned()));
        vec![
            all(),
            EventFilter { kind: none.clone(), ..all() },
            EventFilter { resource: none.clone(), ..all() },
            EventFilter { text: none.clone(), ..all() },
            EventFilter { is_matched: Some(true), ..all() },
            EventFilter { is_matched: Some(false), ..all() },
            EventFilter { kind: none, is_matched: Some(false), ..all() },
        ]
    }

    #[test]
    fn every_filter_is_answered_by_keys_or_an_index_without_sorting() {
        let connection = database();
        for which in filters() {
            for before in [None, Some(EventId(ids::of_event(N / 2, 0)))] {
                let asked = Asked { which: &which, time: Time::default(), page: Newest { before, limit: 50 } };
                let walk = walk(&connection, asked).unwrap();
                let plan = plan(&connection, &walk);
                assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{which:?}: {plan}");
                assert_eq!(plan.contains("events_unmatched"), which.is_matched == Some(false), "{which:?}: {plan}");
            }
        }
    }

    #[test]
    fn what_came_out_of_the_quarantine_is_found_by_an_index_without_sorting() {
        let connection = database();
        let time = Time { since: Some(1_000), until: Some(2_000), shown: (Some(1), Some(2)) };
        for which in filters() {
            let asked = Asked { which: &which, time, page: Newest::up_to(50) };
            let plan = plan(&connection, &walk(&connection, asked).unwrap());
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{which:?}: {plan}");
            assert!(plan.contains("events_late"), "{which:?}: {plan}");
        }
    }

    #[test]
    fn a_page_that_finds_nothing_looks_at_a_limited_number_of_events_and_says_where_to_go_on() {
        let connection = database();
        let which = EventFilter { text: Some("none".into()), ..EventFilter::default() };
        let asked = Asked { which: &which, time: Time::default(), page: Newest::up_to(50) };
        let walked = walk(&connection, asked).unwrap().go(&connection, 50).unwrap();
        assert_eq!((walked.rows, walked.next), (vec![], Some(N - MOST_LARGE + 1)));
        let which = EventFilter { text: Some("C-77".into()), ..EventFilter::default() };
        let page = Newest { before: Some(EventId(ids::of_event(100, 0))), limit: 50 };
        let walked = walk(&connection, Asked { which: &which, time: Time::default(), page }).unwrap();
        let walked = walked.go(&connection, 50).unwrap();
        assert_eq!((walked.rows, walked.next), (vec![77], None), "the last page says that it is the last");
    }
}
