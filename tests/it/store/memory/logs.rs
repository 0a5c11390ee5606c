//! The event log and the delivery log.

use super::ids;
use super::rows::Rows;
use super::views::dead;
use jiff::Timestamp;
use reelhook::domain::{DeliveryId, EventId};
use reelhook::store::{DeadFilter, DeliveryFilter, DeliveryView, EventFilter, EventView, LoggedDelivery, Newest, Page};

/// A page of the events that are meant.
pub fn events(rows: &Rows, which: &EventFilter, page: Newest<EventId>) -> Page<EventView, EventId> {
    // Whether an event is matched is kept in its row.
    let others = EventFilter { is_matched: None, ..which.clone() };
    let found = rows.events.values().filter(|row| which.is_matched.is_none_or(|it| it == row.is_matched));
    let found = found.map(|row| rows.event_view(row)).filter(|event| others.means(event)).collect();
    Page::of(found, page, |event: &EventView| event.id, |id| ids::event_row(id.0))
}

/// A page of the deliveries that are meant, at an instant of steady time.
pub fn deliveries(
    rows: &Rows,
    which: &DeliveryFilter,
    page: Newest<DeliveryId>,
    now: Timestamp,
) -> Page<LoggedDelivery, DeliveryId> {
    let found = rows.deliveries.values().map(|row| with_event(rows, row.shown()));
    let is_meant = |it: &LoggedDelivery| {
        let event = it.event.as_ref();
        event.is_some_and(|event| which.means(&it.delivery, event, now))
    };
    paged(found.filter(is_meant).collect(), page)
}

/// A page of the dead letters that are meant.
pub fn dead_letters(rows: &Rows, which: &DeadFilter, page: Newest<DeliveryId>) -> Page<LoggedDelivery, DeliveryId> {
    paged(dead(rows, which).map(|delivery| with_event(rows, delivery)).collect(), page)
}

fn paged(found: Vec<LoggedDelivery>, page: Newest<DeliveryId>) -> Page<LoggedDelivery, DeliveryId> {
    Page::of(found, page, |row: &LoggedDelivery| row.delivery.id, |id| ids::delivery_row(id.0))
}

fn with_event(rows: &Rows, delivery: DeliveryView) -> LoggedDelivery {
    let event = rows.event_row(delivery.event).map(|row| row.view.clone());
    LoggedDelivery { delivery, event }
}
