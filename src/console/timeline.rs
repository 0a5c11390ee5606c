//! The picture of an operation: the places of its marks.
//!
//! The instants of an operation may be milliseconds or days apart. The axis keeps their order and draws longer gaps
//! longer, but by their logarithm: a gap of a day is not drawn 10^7 times as long as one of 10 ms.

use std::time::Duration;

use jiff::Timestamp;

use super::format::{between, duration, instant, time_of_day, tone_of_event};
use super::moment::Moment;
use super::words::of_delivery_state;
use crate::domain::{Operation, Status};
use crate::store::{DeliveryState, DeliveryView, EventView};

/// The lanes for deliveries; further deliveries are only in the table.
const MAX_LANES: usize = 12;
const LEFT: f64 = 24.0;
const WIDTH: f64 = 792.0;
const LANE: usize = 62;
/// The width of a character of a label, rather too wide than too narrow.
const CHARACTER: usize = 7;
/// Between two labels of a row, so that they do not read as one.
const GAP: usize = 2 * CHARACTER;
/// The rows of labels below a lane.
const ROWS: usize = 2;

/// Something that happened, on a lane.
#[derive(Debug)]
pub struct Mark {
    /// Where.
    pub x: usize,
    /// The colour's class.
    pub tone: &'static str,
    /// `dot`, `end` or `deadline`.
    pub shape: &'static str,
    /// What it is.
    pub title: String,
    /// What stands below it; empty: nothing.
    pub label: String,
    /// The row of the label: 0, or 1 where it would overlap another one.
    pub row: usize,
}

impl Mark {
    /// Which part of the label stands at the mark.
    pub fn anchor(&self) -> &'static str {
        match self.x {
            0..60 => "start",
            60..=780 => "middle",
            _ => "end",
        }
    }

    /// Where the label begins and ends.
    fn label_ends(&self) -> (usize, usize) {
        let width = self.label.chars().count() * CHARACTER;
        let begins = match self.anchor() {
            "start" => self.x,
            "middle" => self.x.saturating_sub(width / 2),
            _ => self.x.saturating_sub(width),
        };
        (begins, begins + width)
    }
}

/// One line of the picture.
#[derive(Debug)]
pub struct Lane {
    /// Whose it is.
    pub name: String,
    /// Its middle, from above.
    pub y: usize,
    /// Where its bar begins and ends.
    pub bar: (usize, usize),
    /// The bar's colour.
    pub tone: &'static str,
    /// What happened.
    pub marks: Vec<Mark>,
}

/// The picture.
#[derive(Debug)]
pub struct Timeline {
    /// The operation's lane, then one for each delivery.
    pub lanes: Vec<Lane>,
    /// The height of the picture.
    pub height: usize,
    /// Deliveries that have no lane.
    pub n_left_out: usize,
    /// When it begins and ends.
    pub ends: (Moment, Moment),
    /// How long it is.
    pub took: String,
}

/// Draws it.
pub fn draw(operation: &Operation, events: &[EventView], now: Timestamp) -> Timeline {
    let deliveries: Vec<&DeliveryView> = events.iter().flat_map(|event| &event.deliveries).collect();
    let shown = &deliveries[..deliveries.len().min(MAX_LANES)];
    let axis = Axis::over(instants(operation, events, (shown, now)));
    let mut lanes = vec![of_operation(operation, events, &axis)];
    lanes.extend(shown.iter().enumerate().map(|(at, delivery)| of_delivery(delivery, at + 1, (&axis, now))));
    let (first, last) = axis.ends();
    Timeline {
        height: lanes.len() * LANE + 30,
        lanes,
        n_left_out: deliveries.len() - shown.len(),
        ends: (Moment(first), Moment(last)),
        took: duration(shown_between(first, last)),
    }
}

/// How far two instants are apart. The page shows whole seconds, so these are subtracted, unless they are the same.
fn shown_between(first: Timestamp, last: Timestamp) -> Duration {
    let seconds = last.as_second() - first.as_second();
    u64::try_from(seconds).ok().filter(|it| *it > 0).map_or_else(|| between(first, last), Duration::from_secs)
}

fn instants(
    operation: &Operation,
    events: &[EventView],
    (deliveries, now): (&[&DeliveryView], Timestamp),
) -> Vec<Timestamp> {
    let mut instants = vec![operation.created_at];
    instants.extend(operation.expectation.as_ref().and_then(|it| it.expected_by));
    instants.extend(operation.expectation.as_ref().and_then(|it| it.announced_at));
    instants.extend(operation.call_end.as_ref().map(|end| end.at));
    instants.extend(events.iter().map(|event| event.received_at));
    for delivery in deliveries {
        instants.push(delivery.created_at);
        instants.push(end_of(delivery, now));
        instants.extend(delivery.failures.iter().map(|failure| failure.started_at));
    }
    instants
}

fn of_operation(operation: &Operation, events: &[EventView], axis: &Axis) -> Lane {
    let mut marks = Vec::new();
    if let Some(expectation) = &operation.expectation {
        if let Some(at) = expectation.announced_at {
            let title = format!("announced at {}", instant(at));
            marks.push(Mark { x: axis.x(at), tone: "quiet", shape: "dot", title, label: "announced".into(), row: 0 });
        }
        if let Some(at) = expectation.expected_by {
            let title = format!("expected by {}", instant(at));
            marks.push(Mark {
                x: axis.x(at),
                tone: "warn",
                shape: "deadline",
                title,
                label: "deadline".into(),
                row: 0,
            });
        }
    }
    if let Some(end) = &operation.call_end {
        let title = end.words(&instant(end.at));
        marks.push(Mark {
            x: axis.x(end.at),
            tone: "quiet",
            shape: "deadline",
            title,
            label: "call ended".into(),
            row: 0,
        });
    }
    for event in events {
        let what = event.kind.rsplit('.').next().unwrap_or_default().to_owned();
        let is_end = event.status.as_ref().is_some_and(Status::is_terminal);
        let title = format!("{} at {}", event.kind, instant(event.received_at));
        let (tone, shape) = (tone_of_event(event), if is_end { "end" } else { "dot" });
        marks.push(Mark { x: axis.x(event.received_at), tone, shape, title, label: what, row: 0 });
    }
    let last = events.last().map_or(operation.created_at, |event| event.received_at);
    let bar = (axis.x(operation.created_at), axis.x(last));
    place_labels(&mut marks);
    Lane { name: "operation".into(), y: LANE / 2 - 4, bar, tone: "running", marks }
}

fn of_delivery(delivery: &DeliveryView, at: usize, (axis, now): (&Axis, Timestamp)) -> Lane {
    let mut marks: Vec<Mark> = delivery
        .failures
        .iter()
        .map(|failure| Mark {
            x: axis.x(failure.started_at),
            tone: "bad",
            shape: "dot",
            title: format!("attempt {} failed after {}: {}", failure.number, duration(failure.took), failure.reason),
            label: String::new(),
            row: 0,
        })
        .collect();
    let (state, tone) = of_delivery_state(delivery, now);
    let end = end_of(delivery, now);
    let label =
        if delivery.n_attempts > 1 { format!("{state}, {} attempts", delivery.n_attempts) } else { state.into() };
    let shape = if matches!(delivery.state, DeliveryState::Delivered | DeliveryState::Dead) { "end" } else { "dot" };
    marks.push(Mark { x: axis.x(end), tone, shape, title: format!("{state} at {}", time_of_day(end)), label, row: 0 });
    let bar = (axis.x(delivery.created_at), axis.x(end));
    let resend = if delivery.resend_of.is_some() { " (a resend)" } else { "" };
    Lane { name: format!("to {}{resend}", delivery.sink), y: at * LANE + LANE / 2 - 4, bar, tone, marks }
}

/// The settlement, or now if it is not settled.
fn end_of(delivery: &DeliveryView, now: Timestamp) -> Timestamp {
    match delivery.state {
        DeliveryState::Delivered | DeliveryState::Dead => delivery.at,
        DeliveryState::Open | DeliveryState::Blocked => now.max(delivery.created_at),
    }
}

/// A label that would overlap a later one goes to the next row. If no row has room, it is not drawn.
fn place_labels(marks: &mut [Mark]) {
    marks.sort_by_key(|mark| mark.x);
    // Where the labels of each row begin so far, from the right.
    let mut begins = [usize::MAX; ROWS];
    for mark in marks.iter_mut().rev().filter(|mark| !mark.label.is_empty()) {
        let (from, to) = mark.label_ends();
        match begins.iter().position(|begin| to + GAP < *begin) {
            Some(row) => (mark.row, begins[row]) = (row, from),
            None => mark.label.clear(),
        }
    }
}

/// From instants to places.
struct Axis {
    instants: Vec<Timestamp>,
    places: Vec<f64>,
}

impl Axis {
    fn over(mut instants: Vec<Timestamp>) -> Self {
        instants.sort_unstable();
        instants.dedup();
        let mut places = vec![0.0];
        for pair in instants.windows(2) {
            let gap = between(pair[0], pair[1]).as_secs_f64();
            let last = places.last().copied().unwrap_or_default();
            places.push(last + 1.0 + (1.0 + gap * 10.0).ln());
        }
        let whole = places.last().copied().filter(|whole| *whole > 0.0).unwrap_or(1.0);
        places.iter_mut().for_each(|place| *place = LEFT + *place / whole * WIDTH);
        Self { instants, places }
    }

    fn x(&self, at: Timestamp) -> usize {
        let found = self.instants.binary_search(&at).unwrap_or_default();
        self.places.get(found).copied().unwrap_or(LEFT) as usize
    }

    fn ends(&self) -> (Timestamp, Timestamp) {
        (self.instants.first().copied().unwrap_or_default(), self.instants.last().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_length_is_what_the_shown_ends_differ_by() {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        assert_eq!(shown_between(at(1_900), at(31_100)), Duration::from_secs(30));
        assert_eq!(shown_between(at(1_100), at(1_900)), Duration::from_millis(800));
    }

    fn labelled(marks: &[(usize, &str)]) -> Vec<(String, usize)> {
        let mark = |(x, label): &(usize, &str)| Mark {
            x: *x,
            tone: "quiet",
            shape: "dot",
            title: String::new(),
            label: (*label).into(),
            row: 0,
        };
        let mut marks: Vec<Mark> = marks.iter().map(mark).collect();
        place_labels(&mut marks);
        marks.into_iter().map(|mark| (mark.label, mark.row)).collect()
    }

    #[test]
    fn a_label_that_would_overlap_a_later_one_stands_in_the_next_row() {
        let row = |label: &str, row| (label.to_owned(), row);
        assert_eq!(
            labelled(&[(24, "announced"), (110, "call ended"), (400, "lost")]),
            [row("announced", 1), row("call ended", 0), row("lost", 0)],
            "the first label begins at its mark, so it reaches further"
        );
        assert_eq!(
            labelled(&[(300, "running"), (310, "updated"), (320, "completed")]),
            [row("", 0), row("updated", 1), row("completed", 0)],
            "there is no third row"
        );
    }

    proptest! {
        #[test]
        fn the_axis_keeps_the_order_and_the_frame(micros in prop::collection::vec(0i64..1 << 50, 1..40)) {
            let mut instants: Vec<Timestamp> =
                micros.iter().map(|at| Timestamp::from_microsecond(*at).unwrap()).collect();
            let axis = Axis::over(instants.clone());
            instants.sort_unstable();
            let places: Vec<usize> = instants.iter().map(|at| axis.x(*at)).collect();
            prop_assert!(places.is_sorted());
            prop_assert!(places.iter().all(|x| (LEFT as usize..=(LEFT + WIDTH) as usize).contains(x)));
        }
    }
}
