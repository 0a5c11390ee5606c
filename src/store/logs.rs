//! The event log and the delivery log: everything that was received, and everything that is or was delivered, newest first.
//! Delivered deliveries and most events have no index of their own, because an index costs each accepted event. So a page
//! looks at a limited number of rows, and says where the next one goes on.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{DeliveryState, DeliveryView, EventView, Newest, StoreError};
use crate::domain::{DeliveryId, EventId, SinkName};

/// A page of a list, newest first.
#[derive(Clone, Debug)]
pub struct Page<T, I> {
    /// The rows that are meant.
    pub rows: Vec<T>,
    /// Older rows may be meant: go on before this one. A page can have this, and no rows.
    pub next: Option<I>,
}

impl<T, I: Copy> Page<T, I> {
    /// The page out of all rows that are meant. They may have any order; `id` is the id of a row, and `place` the place that
    /// an id names, the newest last.
    pub fn of(rows: Vec<T>, page: Newest<I>, id: impl Fn(&T) -> I, place: impl Fn(I) -> i64) -> Self {
        let before = page.before.map_or(i64::MAX, &place);
        let mut rows: Vec<T> = rows.into_iter().filter(|row| place(id(row)) < before).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(place(id(row))));
        let has_more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().map(id).filter(|_last| has_more);
        Self { rows, next }
    }
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Those of this CloudEvents type; ASCII letters in any case.
    pub kind: Option<String>,
    /// Those of this type of resource, or whose resource's path contains this text; ASCII letters in any case.
    pub resource: Option<String>,
    /// Those that arrived from this instant on, to a millisecond.
    pub since: Option<Timestamp>,
    /// Those that arrived until this instant, to a millisecond.
    pub until: Option<Timestamp>,
    /// Those that match or matched a route; or those that match none.
    pub is_matched: Option<bool>,
    /// Those whose client context contains this text; ASCII letters in any case.
    pub text: Option<String>,
}

impl EventFilter {
    /// Whether an event is meant.
    pub fn means(&self, event: &EventView) -> bool {
        let context = event.client_context.as_deref().unwrap_or_default();
        let is_of_type = |wanted: &str| event.envelope.resource_type.eq_ignore_ascii_case(wanted);
        self.kind.as_ref().is_none_or(|kind| event.kind.eq_ignore_ascii_case(kind))
            && self.resource.as_ref().is_none_or(|wanted| contains(&event.resource, wanted) || is_of_type(wanted))
            && is_between(event.received_at, self.since, self.until)
            && self.is_matched.is_none_or(|is_matched| is_matched == event.is_matched)
            && self.text.as_ref().is_none_or(|text| contains(context, text))
    }
}

/// What a delivery waits for, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is neither delivered nor a dead letter: it waits, or an attempt is in progress.
    Unsettled,
    /// It waits for an attempt.
    Waiting,
    /// A dispatcher has taken it: an attempt is in progress or about to begin, or waits for the end of a pause.
    UnderWay,
    /// It is delivered.
    Delivered,
    /// It is a dead letter.
    Dead,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Unsettled, Self::Waiting, Self::UnderWay, Self::Delivered, Self::Dead];

    /// Its name in the API, in commands and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsettled => "unsettled",
            Self::Waiting => "waiting",
            Self::UnderWay => "underWay",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The phase with a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// The phase of a delivery. `now` is in the clock of the delivery's due time.
    pub fn of(delivery: &DeliveryView, now: Timestamp) -> Self {
        match delivery.state {
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Dead => Self::Dead,
            DeliveryState::Open | DeliveryState::Blocked if delivery.is_leased && delivery.at > now => Self::UnderWay,
            DeliveryState::Open | DeliveryState::Blocked => Self::Waiting,
        }
    }

    fn means(self, delivery: &DeliveryView, now: Timestamp) -> bool {
        match self {
            Self::Unsettled => delivery.state.is_waiting(),
            other => other == Self::of(delivery, now),
        }
    }
}

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Those to this sink.
    pub sink: Option<SinkName>,
    /// Those in this phase.
    pub phase: Option<Phase>,
    /// Those of events of this CloudEvents type; ASCII letters in any case.
    pub kind: Option<String>,
    /// Those of events that arrived from this instant on, to a millisecond.
    pub since: Option<Timestamp>,
    /// Those of events that arrived until this instant, to a millisecond.
    pub until: Option<Timestamp>,
    /// Those whose client context or last reason contains this text; ASCII letters in any case.
    pub text: Option<String>,
}

impl DeliveryFilter {
    /// Whether a delivery is meant. `now` is in the clock of the delivery's due time.
    pub fn means(&self, delivery: &DeliveryView, event: &EventView, now: Timestamp) -> bool {
        let context = event.client_context.as_deref().unwrap_or_default();
        self.sink.as_ref().is_none_or(|sink| delivery.sink == *sink)
            && self.phase.is_none_or(|phase| phase.means(delivery, now))
            && self.kind.as_ref().is_none_or(|kind| event.kind.eq_ignore_ascii_case(kind))
            && is_between(event.received_at, self.since, self.until)
            && self.text.as_ref().is_none_or(|text| contains(context, text) || contains(&delivery.reason, text))
    }
}

/// A delivery with its event.
#[derive(Clone, Debug)]
pub struct LoggedDelivery {
    /// The delivery.
    pub delivery: DeliveryView,
    /// Its event; `None` if the retention has removed it. In a list, the event is without its deliveries.
    pub event: Option<EventView>,
}

fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

fn is_between(at: Timestamp, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    let at = at.as_millisecond();
    since.is_none_or(|since| since.as_millisecond() <= at) && until.is_none_or(|until| at <= until.as_millisecond())
}

/// Reads the logs. Nothing here changes anything.
#[async_trait]
pub trait Logs: Send + Sync {
    /// A page of the events that are meant.
    ///
    /// # Errors
    /// The database could not be read.
    async fn event_log(
        &self,
        which: &EventFilter,
        page: Newest<EventId>,
    ) -> Result<Page<EventView, EventId>, StoreError>;

    /// A page of the deliveries that are meant, those of the newest event first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivery_log(
        &self,
        which: &DeliveryFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError>;

    /// Events that matched no route and were not routed since, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched(&self, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        let which = EventFilter { is_matched: Some(false), ..EventFilter::default() };
        Ok(self.event_log(&which, page).await?.rows)
    }
}
