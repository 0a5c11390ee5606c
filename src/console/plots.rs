//! Pictures of numbers: the places of bars and lines. The templates draw them.

use super::format::{number, time_of_day};
use crate::telemetry::{ANSWER_BOUNDS, Minute, N_BUCKETS};
use jiff::Timestamp;

/// The height of the bars' ground, from above.
pub const GROUND: usize = 130;
const TOP: usize = 24;
const WIDTH: usize = 440;

/// A bar.
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
    /// The label below it; empty: none.
    pub label: String,
    /// The middle, for the label.
    pub middle: usize,
}

/// A picture of bars.
#[derive(Debug)]
pub struct Bars {
    /// The bars, from the left.
    pub bars: Vec<Bar>,
    /// The meaning of the picture, for those who cannot see it.
    pub summary: String,
    /// The highest value, written at its height.
    pub highest: String,
    /// Upright lines with their labels.
    pub lines: Vec<(usize, &'static str)>,
}

/// Notifications accepted in each of the last minutes.
pub fn accepted(minutes: &[Minute]) -> Bars {
    let values: Vec<u64> = minutes.iter().map(|minute| minute.n_accepted).collect();
    let total: u64 = values.iter().sum();
    let bars = bars(&values, |at| {
        let began = Timestamp::from_second(minutes[at].minute * 60).unwrap_or_default();
        let time = time_of_day(began).chars().take(5).collect::<String>();
        let label = if at % 7 == 0 { time.clone() } else { String::new() };
        ("accent", format!("{time}: {}", number(values[at])), label)
    });
    let summary = format!("{} accepted in the last {} minutes", number(total), minutes.len());
    Bars { bars, summary, highest: highest(&values), lines: Vec::new() }
}

/// How long answers took in the last minutes. For subscriptions, Graph calls answers over 3 s slow, and drops
/// notifications if too many take over 10 s.
pub fn answers(minutes: &[Minute]) -> Bars {
    const LABELS: [&str; N_BUCKETS] =
        ["1 ms", "", "5 ms", "", "25 ms", "", "0.1 s", "", "0.5 s", "", "3 s", "", "> 10 s"];
    let values: Vec<u64> = (0..N_BUCKETS).map(|at| minutes.iter().map(|minute| minute.answers[at]).sum()).collect();
    let bars = bars(&values, |at| {
        let tone = ["good", "warn", "bad"][at.saturating_sub(N_BUCKETS - 3)];
        let limit = ANSWER_BOUNDS.get(at).map_or("over 10 s".to_owned(), |bound| format!("up to {bound} s"));
        (tone, format!("{limit}: {}", number(values[at])), LABELS[at].to_owned())
    });
    let (total, slow): (u64, u64) = (values.iter().sum(), values[N_BUCKETS - 2..].iter().sum());
    let summary = format!("{} answers, {} of them over 3 s", number(total), number(slow));
    let line = |bucket: usize| WIDTH * bucket / N_BUCKETS;
    let lines = vec![(line(N_BUCKETS - 2), "3 s limit"), (line(N_BUCKETS - 1), "10 s limit")];
    Bars { bars, summary, highest: highest(&values), lines }
}

/// `value` of `most`, on a bar of `width`; anything above zero is visible.
pub fn part(value: u64, most: u64, width: usize) -> usize {
    if value == 0 || most == 0 {
        return 0;
    }
    let share = value as f64 / most.max(value) as f64;
    ((share * width as f64) as usize).max(2)
}

fn bars(values: &[u64], tell: impl Fn(usize) -> (&'static str, String, String)) -> Vec<Bar> {
    let most = values.iter().copied().max().unwrap_or_default();
    let one = |(at, value): (usize, &u64)| {
        let (left, right) = (WIDTH * at / values.len(), WIDTH * (at + 1) / values.len());
        let height = part(*value, most, GROUND - TOP);
        let (tone, title, label) = tell(at);
        let middle = usize::midpoint(left, right);
        Bar { x: left + 3, y: GROUND - height, width: right - left - 6, height, tone, title, label, middle }
    };
    values.iter().enumerate().map(one).collect()
}

fn highest(values: &[u64]) -> String {
    values.iter().copied().max().filter(|most| *most > 0).map(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_picture_and_a_single_one_can_be_seen() {
        let bars = bars(&[1, 1_000_000, 0], |_| ("good", String::new(), String::new()));
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [2, GROUND - TOP, 0]);
        assert!(bars.iter().all(|bar| bar.y + bar.height == GROUND));
    }

    #[test]
    fn an_answer_over_three_seconds_is_drawn_beyond_graphs_line() {
        let mut minute = Minute::default();
        minute.answers[N_BUCKETS - 2] = 1;
        let picture = answers(&[minute]);
        let bar = picture.bars.iter().find(|bar| bar.height > 0).unwrap();
        assert!(bar.x > picture.lines[0].0 && bar.x < picture.lines[1].0);
        assert_eq!(bar.tone, "warn");
    }
}
