//! *Now*: the rate of notifications, the times of answers, and the backlog.

use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;

use super::format::{duration, number};
use super::frame::Frame;
use super::gate::Desk;
use super::live::{self, Row};
use super::page::show;
use super::plots::{Bars, GROUND, accepted, answers, part};
use super::problem::Problem;
use super::sink_state::Badge;
use crate::config::Scope;
use crate::domain::{ExpectationState, SinkName};
use crate::operator::{SinkState, SinkSummary};
use crate::store::{Tallies, health};
use crate::telemetry::{Minute, SinkCounts, SlowShares};

#[derive(Template)]
#[template(path = "now.html")]
struct Page {
    frame: Frame,
    accepted: Bars,
    answers: Bars,
    ground: usize,
    per_minute: String,
    slow: String,
    slow_tone: &'static str,
    n_open: u64,
    n_dead: u64,
    tallies: Vec<Tile>,
    sinks: Vec<Sink>,
    rows: Vec<Row>,
    after: String,
    damage: Option<String>,
    what_to_do: &'static str,
}

/// How many of something wait for somebody to look, with the page that lists them.
struct Tile {
    hook: &'static str,
    label: &'static str,
    href: &'static str,
    n: String,
    tone: &'static str,
}

struct Sink {
    name: String,
    state: Badge,
    open: String,
    dead: String,
    open_width: usize,
    dead_width: usize,
    oldest: String,
    delivered: String,
    failed: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let now = desk.console.clock.steady();
    let metrics = &desk.console.metrics;
    let minutes = metrics.minutes(now);
    let shares = metrics.slow_shares(now);
    let worst = |share: fn(&SlowShares) -> f64| shares.values().map(share).fold(0.0, f64::max);
    let (slow, dropped) = (worst(|it| it.over_3s), worst(|it| it.over_10s));
    let damage = desk.console.operator.store.health().damage().map(str::to_owned);
    let (rows, after) = match live::newest(&desk).await {
        // The page is shown even if the store is damaged, because it says so.
        Err(_unreadable) if damage.is_some() => Default::default(),
        newest => newest?,
    };
    let tallies = match desk.console.operator.store.tallies().await {
        Err(_unreadable) if damage.is_some() => Vec::new(),
        tallies => tiles(&tallies?),
    };
    let summaries = match desk.console.operator.sink_summaries().await {
        Err(_unreadable) if damage.is_some() => Vec::new(),
        summaries => summaries?,
    };
    let sinks = sinks(&desk, &summaries);
    let page = Page {
        frame: visitor.frame("now"),
        accepted: accepted(&minutes),
        answers: answers(&minutes),
        ground: GROUND,
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
        n_open: sinks.iter().map(|(n_open, _, _)| n_open).sum(),
        n_dead: sinks.iter().map(|(_, n_dead, _)| n_dead).sum(),
        tallies,
        sinks: sinks.into_iter().map(|(_, _, sink)| sink).collect(),
        rows,
        after,
        damage,
        what_to_do: health::WHAT_TO_DO,
    };
    show(&request, &visitor, &page)
}

fn tiles(tallies: &Tallies) -> Vec<Tile> {
    let of_state = |state| tallies.expectations.iter().find(|(it, _)| *it == state).map_or(0, |(_, tally)| tally.n);
    let tile =
        |hook, label, href, (n, tone)| Tile { hook, label, href, n: number(n), tone: if n > 0 { tone } else { "" } };
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
    let n = |back: usize| minutes.iter().rev().nth(back).map_or(0, |minute| minute.n_accepted);
    let left = 60 - u64::try_from(now.as_second().rem_euclid(60)).unwrap_or_default();
    n(0) + (n(1) * left).div_ceil(60)
}

/// The sinks of the config. Where the store is damaged, and has no summary, the last count is shown.
fn sinks(desk: &Desk, summaries: &[SinkSummary]) -> Vec<(u64, u64, Sink)> {
    let console = &desk.console;
    let setup = console.running.now();
    let count = |name: &SinkName| {
        let mut counts = console.metrics.of_sink(name.as_str());
        let Some(now) = summaries.iter().find(|it| it.name == *name) else {
            return (counts, console.operator.sink_state(name));
        };
        (counts.n_open, counts.n_dead) = (now.n_open, now.n_dead);
        counts.oldest_age = now.oldest.map(|it| it.age).unwrap_or_default();
        (counts, now.state)
    };
    let counts: Vec<_> = setup.config.sinks.iter().map(|sink| (&sink.name, count(&sink.name))).collect();
    let most = counts.iter().map(|(_, (it, _))| it.n_open + it.n_dead).max().unwrap_or_default();
    let one = |(name, (it, state)): (&SinkName, (SinkCounts, SinkState))| {
        let oldest = if it.oldest_age > Duration::ZERO { duration(it.oldest_age) } else { "–".to_owned() };
        let sink = Sink {
            name: name.as_str().to_owned(),
            state: Badge::from(state),
            open: number(it.n_open),
            dead: number(it.n_dead),
            open_width: part(it.n_open, most, 160),
            dead_width: part(it.n_dead, most, 160),
            oldest,
            delivered: number(it.n_delivered),
            failed: number(it.n_failed),
        };
        (it.n_open, it.n_dead, sink)
    };
    counts.into_iter().map(one).collect()
}
