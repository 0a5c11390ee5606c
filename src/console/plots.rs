//! Pictures of numbers: the places of bars, lines and labels. The templates draw them.
//!
//! **Invariants**
//! 1. Each picture says in words what it shows, also if it shows nothing, and has its numbers as a table.

use jiff::{SignedDuration, Timestamp};

use super::axis::{Axis, short};
use super::format::{counted, number};
use super::moment::machine_readable;
use super::range::{Range, Step};
use crate::clock::Clock;
use crate::domain::{ANSWER_BOUNDS, Counts, N_BUCKETS};

/// The height of the bars' ground, from above.
pub const GROUND: usize = 130;
/// Where the axis ends, from above.
const TOP: usize = 24;
/// The width of the bars' ground: a whole number for each step of a range.
pub const WIDTH: usize = 240;

/// A bar, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its left edge.
    pub x: usize,
    /// Its upper edge.
    pub y: usize,
    /// How wide it is.
    pub width: usize,
    /// How high it is.
    pub height: usize,
    /// The colour's class.
    pub tone: &'static str,
    /// Its meaning, shown when the pointer is on it.
    pub title: String,
}

/// A label of an axis.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// Where, from the left or from above.
    pub at: usize,
    /// What it says.
    pub text: String,
    /// The instant that it says, if it is one.
    pub time: String,
}

/// A picture of bars.
#[derive(Debug)]
pub struct Plot {
    /// Its name in the page.
    pub id: &'static str,
    /// What the upright axis counts.
    pub unit: String,
    /// What the other axis is.
    pub across: &'static str,
    /// The bars, from the left.
    pub bars: Vec<Bar>,
    /// The labels of the upright axis, from below; each has a line.
    pub ticks: Vec<Label>,
    /// The labels of the other axis.
    pub labels: Vec<Label>,
    /// The meaning of the picture, for those who cannot see it.
    pub summary: String,
    /// The colours with their meanings, if there is more than one.
    pub legend: Vec<(&'static str, &'static str)>,
    /// Upright lines with their labels.
    pub lines: Vec<(usize, &'static str)>,
    /// The heads of the table.
    pub heads: Vec<&'static str>,
    /// The rows of the table: those that have something.
    pub rows: Vec<Row>,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Of what.
    pub label: Label,
    /// The numbers.
    pub numbers: Vec<String>,
}

/// One kind of bars: its colour, its meaning, and its number.
type Series = (&'static str, &'static str, fn(&Counts) -> u64);

/// What the bars of a plot over time stand for.
struct Kinds {
    id: &'static str,
    /// The heads of the table.
    heads: [&'static str; 2],
    /// What is counted, in the singular.
    what: &'static str,
    series: [Series; 2],
}

/// The time over which a plot reaches.
#[derive(Clone, Copy)]
pub struct Span<'a> {
    /// How far back.
    pub range: Range,
    /// Its steps.
    pub steps: &'a [Step],
    /// For the reader's clock.
    pub clock: &'a Clock,
}

/// What came in.
pub fn arrivals(span: Span<'_>) -> Plot {
    let series: [Series; 2] =
        [("accent", "accepted", |it| it.n_accepted), ("warn", "refused or quarantined", |it| it.n_refused)];
    over_time(
        Kinds { id: "arrivals", heads: ["Accepted", "Refused or quarantined"], what: "notification", series },
        span,
    )
}

/// What became of attempts.
pub fn attempts(span: Span<'_>) -> Plot {
    let series: [Series; 2] = [("good", "delivered", |it| it.n_delivered), ("bad", "failed", |it| it.n_failed)];
    over_time(Kinds { id: "attempts", heads: ["Delivered", "Failed"], what: "attempt", series }, span)
}

impl Span<'_> {
    /// When each step began, by the machine's clock. How far that clock is ahead is read once, in whole seconds: each
    /// reading differs by microseconds, so the beginning of a minute could become the end of the one before.
    fn beginnings(&self) -> Vec<Timestamp> {
        let lead = SignedDuration::from_secs(self.clock.lead().as_secs_f64().round() as i64);
        self.steps.iter().map(|step| step.began().saturating_add(lead).unwrap_or_default()).collect()
    }
}

fn over_time(Kinds { id, heads, what, series }: Kinds, span: Span<'_>) -> Plot {
    let (range, steps, times) = (span.range, span.steps, span.beginnings());
    let values: Vec<[u64; 2]> = steps.iter().map(|step| series.map(|(_, _, n)| n(&step.counts))).collect();
    let axis = Axis::to(values.iter().map(|it| it.iter().sum()).max().unwrap_or_default());
    let label = |at: usize| of_time(WIDTH * at / steps.len(), times[at]);
    let said = |numbers: &[u64; 2]| {
        let parts = series.iter().zip(numbers).map(|((_, what, _), n)| format!("{} {what}", number(*n)));
        parts.collect::<Vec<_>>().join(", ")
    };
    let totals = [0, 1].map(|at: usize| values.iter().map(|it| it[at]).sum::<u64>());
    let summary = match totals {
        [0, 0] => format!("No {what} in the last {}.", range.words()),
        _ => format!("{} in the last {}.", said(&totals), range.words()),
    };
    let rows = (0..steps.len()).filter(|at| values[*at] != [0, 0]);
    let numbers = |at: usize| values[at].iter().map(|n| number(*n)).collect();
    Plot {
        id,
        unit: format!("{what}s per {}", range.step_words()),
        across: "UTC",
        bars: bars(&values, axis, |at| {
            (series.map(|(tone, ..)| tone), format!("{} UTC: {}", label(at).text, said(&values[at])))
        }),
        ticks: ticks(axis),
        labels: (0..steps.len()).filter(|at| is_labelled(times[*at], range)).map(label).collect(),
        summary,
        legend: series.iter().map(|(tone, what, _)| (*tone, *what)).collect(),
        lines: Vec::new(),
        heads: vec!["Time", heads[0], heads[1]],
        rows: rows.map(|at| Row { label: label(at), numbers: numbers(at) }).collect(),
    }
}

fn of_time(at: usize, time: Timestamp) -> Label {
    Label { at, text: time.strftime("%H:%M").to_string(), time: machine_readable(time) }
}

/// Whether the axis has a label where a step begins.
fn is_labelled(began: Timestamp, range: Range) -> bool {
    let minute = began.as_second().div_euclid(60);
    minute.rem_euclid(range.label_minutes()) < range.step_minutes()
}

/// The times that one bar of the answers counts.
fn limit(bucket: usize) -> String {
    let bound = |at| ANSWER_BOUNDS.get(at);
    match (bucket.checked_sub(1).and_then(bound), bound(bucket)) {
        (None, Some(to)) => format!("up to {to} s"),
        (Some(from), Some(to)) => format!("{from} to {to} s"),
        (_, None) => "over 10 s".to_owned(),
    }
}

/// How long answers took. For subscriptions, Graph calls answers over 3 s slow, and drops notifications if too many take
/// over 10 s.
pub fn answers(Span { range, steps, .. }: Span<'_>) -> Plot {
    const LABELS: [&str; N_BUCKETS] = ["1 ms", "", "", "10 ms", "", "", "0.1 s", "", "", "1 s", "", "", "> 10 s"];
    let values: Vec<u64> = (0..N_BUCKETS).map(|at| steps.iter().map(|step| step.counts.answers[at]).sum()).collect();
    let label =
        |at: usize, text: String| Label { at: WIDTH * (2 * at + 1) / (2 * N_BUCKETS), text, time: String::new() };
    let axis = Axis::to(values.iter().copied().max().unwrap_or_default());
    let stacked: Vec<[u64; 1]> = values.iter().map(|n| [*n]).collect();
    let (total, slow): (u64, u64) = (values.iter().sum(), values[N_BUCKETS - 2..].iter().sum());
    let line = |bucket: usize| WIDTH * bucket / N_BUCKETS;
    Plot {
        id: "answers",
        unit: "answers".into(),
        across: "time to the answer",
        bars: bars(&stacked, axis, |at| {
            let tone = ["good", "warn", "bad"][at.saturating_sub(N_BUCKETS - 3)];
            ([tone], format!("{}: {}", limit(at), number(values[at])))
        }),
        ticks: ticks(axis),
        labels: (0..N_BUCKETS).filter(|at| !LABELS[*at].is_empty()).map(|at| label(at, LABELS[at].into())).collect(),
        summary: match total {
            0 => format!("No answers in the last {}.", range.words()),
            _ => format!(
                "{} in the last {}, {} of them over 3 s.",
                counted(total, "answer"),
                range.words(),
                number(slow)
            ),
        },
        legend: Vec::new(),
        lines: vec![(line(N_BUCKETS - 2), "3 s"), (line(N_BUCKETS - 1), "10 s")],
        heads: vec!["Time to the answer", "Answers"],
        rows: (0..N_BUCKETS)
            .filter(|at| values[*at] > 0)
            .map(|at| Row { label: label(at, limit(at)), numbers: vec![number(values[at])] })
            .collect(),
    }
}

/// `value` of `most`, on a bar of `width`; anything above zero is visible.
pub fn part(value: u64, most: u64, width: usize) -> usize {
    if value == 0 || most == 0 {
        return 0;
    }
    let share = value as f64 / most.max(value) as f64;
    ((share * width as f64) as usize).max(2)
}

fn ticks(axis: Axis) -> Vec<Label> {
    let at = |n: u64| GROUND - part(n, axis.top(), GROUND - TOP);
    axis.ticks().map(|n| Label { at: at(n), text: short(n), time: String::new() }).collect()
}

/// The bars of some values, whose parts stand on each other.
fn bars<const N: usize>(
    values: &[[u64; N]],
    axis: Axis,
    tell: impl Fn(usize) -> ([&'static str; N], String),
) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (at, parts) in values.iter().enumerate() {
        let (left, right) = (WIDTH * at / values.len(), WIDTH * (at + 1) / values.len());
        let gap = if right - left > 8 { 2 } else { 1 };
        let (tones, title) = tell(at);
        let mut ground = GROUND;
        for (value, tone) in parts.iter().zip(tones).filter(|(value, _)| **value > 0) {
            let height = part(*value, axis.top(), GROUND - TOP);
            ground = ground.saturating_sub(height);
            bars.push(Bar {
                x: left + gap / 2,
                y: ground,
                width: right - left - gap,
                height,
                tone,
                title: title.clone(),
            });
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_picture_and_a_single_one_can_be_seen() {
        let values = [[1], [1_000_000], [0]];
        let bars = bars(&values, Axis::to(1_000_000), |_| (["good"], String::new()));
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [2, GROUND - TOP]);
        assert!(bars.iter().all(|bar| bar.y + bar.height == GROUND));
    }

    #[test]
    fn parts_stand_on_each_other() {
        let bars = bars(&[[30, 10]], Axis::to(40), |_| (["good", "bad"], String::new()));
        assert_eq!((bars[0].y + bars[0].height, bars[1].y + bars[1].height), (GROUND, bars[0].y));
        assert_eq!(bars[0].height / 3, bars[1].height, "{bars:?}");
    }

    #[test]
    fn an_answer_over_three_seconds_is_drawn_beyond_graphs_line() {
        let mut step = Step::default();
        step.counts.answers[N_BUCKETS - 2] = 1;
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let picture = answers(Span { range: Range::Quarter, steps: &[step], clock: &clock });
        let bar = picture.bars.iter().find(|bar| bar.height > 0).unwrap();
        assert!(bar.x > picture.lines[0].0 && bar.x < picture.lines[1].0);
        assert_eq!(bar.tone, "warn");
    }

    #[test]
    fn a_bar_says_from_where_to_where_it_counts() {
        assert_eq!([0, 5, N_BUCKETS - 1].map(limit), ["up to 0.001 s", "0.025 to 0.05 s", "over 10 s"]);
    }

    #[test]
    fn a_label_stands_at_each_full_step_and_nowhere_else_although_the_clocks_differ_by_microseconds() {
        let clock = Clock::system();
        for minute in 0..500 {
            let steps = [5, 6, 7, 8, 9, 10].map(|at| Step { minute: 10 * minute + at, ..Step::default() });
            let plot = arrivals(Span { range: Range::Quarter, steps: &steps, clock: &clock });
            let times: Vec<_> = plot.labels.iter().map(|label| &label.time[14..]).collect();
            assert!(times.iter().all(|time| time.ends_with("0:00Z") || time.ends_with("5:00Z")), "{times:?}");
            assert_eq!(times.len(), 2);
        }
    }

    #[test]
    fn a_picture_of_nothing_says_so_and_still_has_its_axes() {
        let clock = Clock::manual(Timestamp::from_second(86_400 + 59 * 60).unwrap());
        for range in Range::ALL {
            let minutes: Vec<_> = (0..range.n_minutes())
                .map(|back| crate::domain::Minute {
                    minute: 1440 + 59 - range.n_minutes() + 1 + back,
                    ..Default::default()
                })
                .collect();
            let steps = range.steps(&minutes);
            let span = Span { range, steps: &steps, clock: &clock };
            for plot in [arrivals(span), attempts(span), answers(span)] {
                assert!(plot.summary.starts_with("No "), "{}", plot.summary);
                assert!(plot.summary.ends_with(&format!("in the last {}.", range.words())), "{}", plot.summary);
                assert!(plot.bars.is_empty() && plot.rows.is_empty());
                assert_eq!(plot.ticks.iter().map(|it| &*it.text).collect::<Vec<_>>(), ["0", "1"]);
                assert!((2..=5).contains(&plot.labels.len()), "{} {:?}", range.name(), plot.labels);
            }
        }
    }
}
