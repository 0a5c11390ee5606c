//! The board: the part of the first page that an open page renews by itself. Damage, tiles, plots, and the sinks.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use jiff::Timestamp;

use super::format::{duration, number};
use super::gate::Desk;
use super::glance::Glance;
use super::plots::{self, GROUND, Plot, Span, WIDTH, part};
use super::range::Range;
use super::sink_state::Badge;
use crate::domain::{ExpectationState, Minute, SinkName};
use crate::operator::{SinkState, SinkSummary};
use crate::store::{StoreError, Tallies, health};
use crate::telemetry::{SinkCounts, SlowShares};

/// The board.
pub struct Board {
    /// What is damaged.
    pub damage: Option<String>,
    /// What to do about it.
    pub what_to_do: &'static str,
    /// How far back the plots reach.
    pub range: Range,
    /// The plots.
    pub plots: [(&'static str, Plot); 3],
    /// Where they stand in their pictures.
    pub frame: PlotFrame,
    /// Notifications accepted in the last minute.
    pub per_minute: String,
    /// The share of slow answers.
    pub slow: String,
    /// Its colour.
    pub slow_tone: &'static str,
    /// Deliveries that wait.
    pub n_open: String,
    /// Dead letters.
    pub dead: Count,
    /// What waits for somebody to look.
    pub tallies: Vec<Tile>,
    /// The sinks.
    pub sinks: Vec<Sink>,
}

/// The measures of each plot.
pub struct PlotFrame {
    /// Where the bars stand.
    pub ground: usize,
    /// The width of the bars' ground.
    pub width: usize,
}

/// A number, and the colour that it has.
pub struct Count {
    /// The number.
    pub n: String,
    /// The colour's class.
    pub tone: &'static str,
}

/// How many of something wait for somebody to look, with the page that lists them.
pub struct Tile {
    /// Its name for tests.
    pub hook: &'static str,
    /// What it counts.
    pub label: &'static str,
    /// The page.
    pub href: &'static str,
    /// How many.
    pub count: Count,
}

/// A sink in a row.
pub struct Sink {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: Badge,
    /// Deliveries that wait.
    pub open: String,
    /// Dead letters.
    pub dead: String,
    /// The widths of the two bars.
    pub widths: (usize, usize),
    /// How long ago the oldest that waits was created.
    pub oldest: String,
    /// Attempts that delivered.
    pub delivered: String,
    /// Attempts that failed.
    pub failed: String,
}

/// The board alone, as the stream sends it.
#[derive(Template)]
#[template(path = "board.html")]
pub struct Part {
    board: Board,
}

impl Part {
    /// Writes it.
    pub fn html(board: Board) -> String {
        // Writing to a String cannot fail.
        Self { board }.render().unwrap_or_default()
    }
}

impl Board {
    /// The board as of `glance`. Where the store is damaged there is none.
    pub fn of(desk: &Desk, range: Range, glance: Option<&Glance>) -> Self {
        let console = &desk.console;
        let now = console.clock.steady();
        let minutes = console.metrics.minutes.last(range.n_minutes(), now);
        let steps = range.steps(&minutes);
        let span = Span { range, steps: &steps, clock: &console.clock };
        let shares = console.metrics.slow_shares(now);
        let worst = |share: fn(&SlowShares) -> f64| shares.values().map(share).fold(0.0, f64::max);
        let (slow, dropped) = (worst(|it| it.over_3s), worst(|it| it.over_10s));
        let sinks = sinks(desk, glance.map(|it| &*it.sinks));
        let (n_open, n_dead): (u64, u64) =
            sinks.iter().fold((0, 0), |(open, dead), (counts, _)| (open + counts.n_open, dead + counts.n_dead));
        Self {
            damage: console.operator.store.health().damage().map(str::to_owned),
            what_to_do: health::WHAT_TO_DO,
            range,
            plots: [
                ("Notifications", plots::arrivals(span)),
                ("Attempts to deliver", plots::attempts(span)),
                ("Answers to Graph", plots::answers(span)),
            ],
            frame: PlotFrame { ground: GROUND, width: WIDTH },
            per_minute: number(last_minute(&minutes, now)),
            slow: format!("{:.1} %", slow * 100.0),
            // Graph delays above 10 %, and drops above 15 % over 10 s.
            slow_tone: if dropped > 0.15 {
                "bad"
            } else if slow > 0.10 {
                "warn"
            } else {
                "good"
            },
            n_open: number(n_open),
            dead: count(n_dead, "bad"),
            tallies: glance.map(|it| tiles(&it.tallies)).unwrap_or_default(),
            sinks: sinks.into_iter().map(|(_, sink)| sink).collect(),
        }
    }

    /// The board of an open page.
    ///
    /// # Errors
    /// The store could not be read, and does not know why.
    pub async fn recent(desk: &Desk, range: Range) -> Result<Self, StoreError> {
        Self::shown(desk, range, desk.glances.recent(&desk.console.operator).await)
    }

    /// The board of a page that is loaded.
    ///
    /// # Errors
    /// As [`Self::recent`].
    pub async fn fresh(desk: &Desk, range: Range) -> Result<Self, StoreError> {
        Self::shown(desk, range, desk.glances.fresh(&desk.console.operator).await)
    }

    fn shown(desk: &Desk, range: Range, glance: Result<Arc<Glance>, StoreError>) -> Result<Self, StoreError> {
        let is_damaged = desk.console.operator.store.health().damage().is_some();
        let glance = match glance {
            // The page is shown even if the store is damaged, because it says so.
            Err(_unreadable) if is_damaged => None,
            glance => Some(glance?),
        };
        Ok(Self::of(desk, range, glance.as_deref()))
    }
}

fn count(n: u64, tone: &'static str) -> Count {
    Count { n: number(n), tone: if n > 0 { tone } else { "" } }
}

fn tiles(tallies: &Tallies) -> Vec<Tile> {
    let of_state = |state| tallies.expectations.iter().find(|(it, _)| *it == state).map_or(0, |(_, tally)| tally.n);
    let tile = |hook, label, href, (n, tone)| Tile { hook, label, href, count: count(n, tone) };
    let quarantined = tallies.quarantine.iter().map(|(_, tally)| tally.n).sum();
    vec![
        tile("tile-lost", "Lost recordings", "/operations?state=lost", (of_state(ExpectationState::Lost), "bad")),
        tile("tile-overdue", "Overdue", "/operations?state=overdue", (of_state(ExpectationState::Overdue), "warn")),
        tile("tile-quarantine", "In quarantine", "/quarantine", (quarantined, "warn")),
        tile("tile-unmatched", "Unmatched events", "/unmatched", (tallies.unmatched.n, "warn")),
    ]
}

/// How many were accepted in the last 60 s: this minute, and a share of the one before.
fn last_minute(minutes: &[Minute], now: Timestamp) -> u64 {
    let n = |back: usize| minutes.iter().rev().nth(back).map_or(0, |minute| minute.counts.n_accepted);
    let left = 60 - u64::try_from(now.as_second().rem_euclid(60)).unwrap_or_default();
    n(0) + (n(1) * left).div_ceil(60)
}

/// The sinks that were seen, also those that the config does not have any more. Where the store is damaged, and nothing was
/// seen, the last count is shown.
fn sinks(desk: &Desk, seen: Option<&[SinkSummary]>) -> Vec<(SinkCounts, Sink)> {
    let console = &desk.console;
    let counted = |name: &SinkName| (name.clone(), console.metrics.of_sink(name.as_str()));
    let found: Vec<(SinkName, SinkCounts)> = match seen {
        Some(seen) => seen.iter().map(|it| (it.name.clone(), with_backlog(counted(&it.name).1, it))).collect(),
        None => {
            let configured = console.running.now().sink_names();
            let others = console.metrics.sinks().into_iter().map(|name| SinkName::new(&name));
            let others = others.filter(|name| !configured.contains(name)).map(|name| counted(&name));
            let left = others.filter(|(_, counts)| counts.n_open + counts.n_dead > 0);
            configured.iter().map(counted).chain(left).collect()
        }
    };
    let most = found.iter().map(|(_, it)| it.n_open + it.n_dead).max().unwrap_or_default();
    let row = |(name, counts): (SinkName, SinkCounts)| {
        let state = console.operator.sink_state(&name);
        (counts, sink(&name, (counts, state), most))
    };
    found.into_iter().map(row).collect()
}

fn with_backlog(counts: SinkCounts, seen: &SinkSummary) -> SinkCounts {
    let oldest_age = seen.oldest.map(|it| it.age).unwrap_or_default();
    SinkCounts { n_open: seen.n_open, n_dead: seen.n_dead, oldest_age, ..counts }
}

fn sink(name: &SinkName, (it, state): (SinkCounts, SinkState), most: u64) -> Sink {
    Sink {
        name: name.as_str().to_owned(),
        state: Badge::from(state),
        open: number(it.n_open),
        dead: number(it.n_dead),
        widths: (part(it.n_open, most, 160), part(it.n_dead, most, 160)),
        oldest: if it.oldest_age > Duration::ZERO { duration(it.oldest_age) } else { "–".to_owned() },
        delivered: number(it.n_delivered),
        failed: number(it.n_failed),
    }
}
