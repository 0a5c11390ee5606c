//! `reelhook deliveries`: waiting deliveries, and moving or dropping those whose sink is not in the config.

use std::process::ExitCode;

use super::print::{remark, say};
use super::wish::{self, Became};
use super::{ConfigArg, load, text};
use crate::config::Config;
use crate::domain::SinkName;
use crate::store::sqlite::SqliteStore;
use crate::store::wishes::Wish;
use crate::store::{DeliveryState, Newest, Store};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook deliveries list --sink old-crm
  reelhook deliveries move --from old-crm --to crm
  reelhook deliveries drop --sink old-crm

The server may keep running; it does this within seconds.

Exit codes: 0 done (or will be done when the server starts), 1 there was nothing to do,
2 wrong usage or config, 3 the running server did not do it within 30 s: it will do it when
it responds again")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List waiting deliveries, newest first, one per line: id, creation time, sink, route, attempts, due time
    #[command(after_help = "Example:\n  reelhook deliveries list --sink old-crm --limit 20")]
    List {
        /// Only those of this sink
        #[arg(long)]
        sink: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Send the waiting deliveries of a removed sink to another sink
    #[command(after_help = "Example:\n  reelhook deliveries move --from old-crm --to crm")]
    Move {
        /// The removed sink
        #[arg(long, value_name = "SINK")]
        from: String,
        /// A sink of the config
        #[arg(long, value_name = "SINK")]
        to: String,
    },
    /// Turn the waiting deliveries of a removed sink into dead letters, which are kept
    #[command(after_help = "Example:\n  reelhook deliveries drop --sink old-crm")]
    Drop {
        /// The removed sink
        #[arg(long)]
        sink: String,
    },
}

/// Runs the command. The server may keep running.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match load::config(&args.config.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let store = load::store(&config)?;
    match args.action {
        Action::List { sink, limit } => list(&store, (&config, sink), limit).await,
        Action::Move { from, to } => {
            is_gone(&config, &from)?;
            anyhow::ensure!(
                has(&config, &to),
                "found no sink {:?} in the config, expected the name of one of its sinks for --to",
                text::safe(&to, 64)
            );
            let wish = Wish::Move { from: from.clone(), to: to.clone() };
            redirect(&store, &from, &wish, Fate::GoTo(to)).await
        }
        Action::Drop { sink } => {
            is_gone(&config, &sink)?;
            redirect(&store, &sink, &Wish::Drop { sink: sink.clone() }, Fate::DeadLetters).await
        }
    }
}

/// The new state of redirected deliveries.
enum Fate {
    GoTo(String),
    DeadLetters,
}

impl Fate {
    /// The new state in words, for `n` deliveries; `is_done` says whether the server has done it.
    fn told(&self, n: usize, is_done: bool) -> String {
        match (self, n, is_done) {
            (Self::GoTo(sink), 1, _) => format!("goes to {}", text::safe(sink, 64)),
            (Self::GoTo(sink), ..) => format!("go to {}", text::safe(sink, 64)),
            (Self::DeadLetters, 1, true) => "is a dead letter".into(),
            (Self::DeadLetters, 1, false) => "becomes a dead letter".into(),
            (Self::DeadLetters, _, true) => "are dead letters".into(),
            (Self::DeadLetters, _, false) => "become dead letters".into(),
        }
    }
}

fn has(config: &Config, sink: &str) -> bool {
    config.sinks.iter().any(|known| known.name.as_str() == sink)
}

/// Refuses a sink that is in the config: its deliveries belong to its dispatcher.
fn is_gone(config: &Config, sink: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        !has(config, sink),
        "found sink {:?} in the config, expected a removed one: remove it from the config and restart the server first",
        text::safe(sink, 64)
    );
    Ok(())
}

async fn list(
    store: &SqliteStore,
    (config, sink): (&Config, Option<String>),
    limit: usize,
) -> anyhow::Result<ExitCode> {
    let sink = sink.map(|sink| SinkName::new(&sink));
    let mut waiting = Vec::new();
    for state in [DeliveryState::Open, DeliveryState::Blocked] {
        waiting.extend(store.deliveries(state, sink.as_ref(), Newest::up_to(limit)).await?);
    }
    waiting.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    waiting.truncate(limit);
    for it in &waiting {
        let due = match it.state {
            DeliveryState::Blocked => "waits for an earlier one".to_owned(),
            _ => format!("due {}", text::instant(it.at)),
        };
        let gone = if has(config, it.sink.as_str()) { "" } else { "  (the config has no such sink)" };
        let (asked_for, attempts) = (text::instant(it.created_at), text::counted(it.n_attempts as usize, "attempt"));
        say!("{}  {asked_for}  {}  {}  {attempts}  {due}{gone}", it.id, it.sink, text::safe(it.route.as_str(), 64));
    }
    remark!("{}", text::listed(waiting.len(), limit, "delivery"));
    Ok(ExitCode::SUCCESS)
}

async fn redirect(store: &SqliteStore, sink: &str, wish: &Wish, fate: Fate) -> anyhow::Result<ExitCode> {
    let n_open = store.backlog().await?.get(&SinkName::new(sink)).map_or(0, |backlog| backlog.n_open);
    if n_open == 0 {
        remark!("no delivery waits for sink {}; `deliveries list` shows the waiting ones", text::safe(sink, 64));
        return Ok(ExitCode::FAILURE);
    }
    let became = wish::ask(store, wish).await?;
    let n = if let Became::Granted(granted) = became { granted.n } else { n_open };
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let told = fate.told(n, matches!(became, Became::Granted(_)));
    let told = format!("{} of {} {told}", text::counted(n, "delivery"), text::safe(sink, 64));
    match became {
        Became::Granted(_) | Became::Waits => say!("{told} {}", became.when()),
        Became::Unserved => say!("No server is running: {told} when it starts"),
    }
    Ok(became.code())
}
