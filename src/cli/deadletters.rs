//! `reelhook deadletters`: deliveries that reelhook gave up.

use std::process::ExitCode;

use anyhow::Context;
use uuid::Uuid;

use super::print::{remark, say};
use super::wish::{self, Became};
use super::{ConfigArg, load, text};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{DeliveryId, SinkName};
use crate::store::sqlite::SqliteStore;
use crate::store::wishes::Wish;
use crate::store::{DeadLetters, DeliveryState, Newest, Store};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook deadletters list --sink crm
  reelhook deadletters show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deadletters replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deadletters replay --all --sink crm

The server may keep running. The ids are delivery ids, the first column of `list`.

Exit codes: 0 done (or will be done when the server starts), 1 there was nothing to do,
2 wrong usage or config, 3 the running server did not do `replay` within 30 s: it will do it
when it responds again")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List dead letters, newest first, one per line: id, time, sink, attempts, last reason
    #[command(after_help = "Example:\n  reelhook deadletters list --sink crm --limit 20")]
    List {
        /// Only those of this sink
        #[arg(long)]
        sink: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one dead letter: every attempt, and the event
    #[command(after_help = "Example:\n  reelhook deadletters show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f")]
    Show {
        /// The delivery's id
        id: Uuid,
    },
    /// Deliver dead letters again, with their old delivery ids
    #[command(after_help = "\
Examples:
  reelhook deadletters replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deadletters replay --all --sink crm")]
    Replay {
        /// The delivery's id
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<Uuid>,
        /// Replay all of them (with --sink: all of that sink)
        #[arg(long)]
        all: bool,
        /// Only those of this sink
        #[arg(long, requires = "all")]
        sink: Option<String>,
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
        Action::List { sink, limit } => list(&store, sink.map(|sink| named(&config, &sink)), limit).await,
        Action::Show { id } => show(&store, DeliveryId(id)).await,
        Action::Replay { id: Some(id), .. } => replay(&store, DeadLetters::One(DeliveryId(id))).await,
        Action::Replay { sink: Some(sink), .. } => replay(&store, DeadLetters::OfSink(named(&config, &sink))).await,
        Action::Replay { .. } => replay(&store, DeadLetters::All).await,
    }
}

/// The sink of that name. A sink that is not in the config may still have dead letters.
fn named(config: &Config, sink: &str) -> SinkName {
    let sink = SinkName::new(sink);
    if !config.sinks.iter().any(|known| known.name == sink) {
        remark!("note: the config has no sink {}", text::safe(sink.as_str(), 64));
    }
    sink
}

async fn list(store: &dyn Store, sink: Option<SinkName>, limit: usize) -> anyhow::Result<ExitCode> {
    let dead = store.deliveries(DeliveryState::Dead, sink.as_ref(), Newest::up_to(limit)).await?;
    for letter in &dead {
        say!(
            "{}  {}  {}  {}  {}",
            letter.id,
            text::instant(letter.at),
            letter.sink,
            text::counted(letter.n_attempts as usize, "attempt"),
            text::safe(&letter.reason, 120)
        );
    }
    remark!("{}", text::listed(dead.len(), limit, "dead letter"));
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &dyn Store, id: DeliveryId) -> anyhow::Result<ExitCode> {
    let letter = store.delivery(id).await?;
    let letter = letter.with_context(|| format!("no delivery {id}; `deadletters list` shows the dead letters"))?;
    for line in text::delivery(&letter, Clock::system().now()) {
        say!("{line}");
    }
    if let Some(event) = store.event(letter.event).await? {
        say!("{}", text::event(&event));
        say!("{}", text::safe(&event.data, 65_536));
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(store: &SqliteStore, which: DeadLetters) -> anyhow::Result<ExitCode> {
    let (n_dead, wish) = match &which {
        DeadLetters::One(id) => {
            let letter = store.delivery(*id).await?.filter(|it| it.state == DeliveryState::Dead);
            (u64::from(letter.is_some()), Wish::ReplayOne { delivery: id.0 })
        }
        DeadLetters::OfSink(sink) => {
            let n_dead = store.backlog().await?.get(sink).map_or(0, |it| it.n_dead);
            (n_dead, Wish::ReplayOfSink { sink: sink.to_string() })
        }
        DeadLetters::All => (store.backlog().await?.values().map(|it| it.n_dead).sum(), Wish::ReplayAll),
    };
    let became = if n_dead == 0 { None } else { Some(wish::ask(store, &wish).await?) };
    let n = if let Some(Became::Granted(granted)) = became { granted.n } else { n_dead };
    let Some(became) = became.filter(|_| n > 0) else {
        match which {
            DeadLetters::One(id) => remark!("no dead letter {id}; `deadletters list` shows the dead letters"),
            DeadLetters::OfSink(_) | DeadLetters::All => remark!("no dead letters: nothing to replay"),
        }
        return Ok(ExitCode::FAILURE);
    };
    let due = if n == 1 { "is" } else { "are" };
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    say!("{} {due} due again {}", text::counted(n, "dead letter"), became.when());
    Ok(became.code())
}
