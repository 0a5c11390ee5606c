//! `reelhook deadletters`: deliveries that were given up.

use std::process::ExitCode;

use anyhow::Context;
use uuid::Uuid;

use super::{ConfigArg, text};
use crate::clock::Clock;
use crate::domain::{DeliveryId, SinkName};
use crate::store::{DeadLetters, DeliveryState, Store};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  reelhook deadletters list --sink crm\n  reelhook deadletters show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f\n  reelhook deadletters replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f\n  reelhook deadletters replay --all --sink crm"
)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The dead letters, newest first
    List {
        /// Of this sink only
        #[arg(long)]
        sink: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// One dead letter: every attempt, and the event
    Show {
        /// The delivery's id
        id: Uuid,
    },
    /// Make dead letters due again, under their old delivery ids
    Replay {
        /// The delivery's id
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<Uuid>,
        /// All of them (with --sink: all of that sink)
        #[arg(long)]
        all: bool,
        /// Of this sink only
        #[arg(long, requires = "all")]
        sink: Option<String>,
    },
}

/// Runs the command; a running server need not be stopped for it.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match super::load(&args.config.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let store = super::open_store(&config)?;
    match args.action {
        Action::List { sink, limit } => list(&store, sink.as_deref().map(SinkName::new), limit).await,
        Action::Show { id } => show(&store, DeliveryId(id)).await,
        Action::Replay { id: Some(id), .. } => replay(&store, DeadLetters::One(DeliveryId(id))).await,
        Action::Replay { sink: Some(sink), .. } => replay(&store, DeadLetters::OfSink(SinkName::new(&sink))).await,
        Action::Replay { .. } => replay(&store, DeadLetters::All).await,
    }
}

async fn list(store: &dyn Store, sink: Option<SinkName>, limit: usize) -> anyhow::Result<ExitCode> {
    let dead = store.deliveries(DeliveryState::Dead, sink.as_ref(), limit).await?;
    for letter in &dead {
        println!(
            "{}  {}  {}  {} attempts  {}",
            letter.id,
            text::instant(letter.at),
            letter.sink,
            letter.n_attempts,
            text::safe(&letter.reason, 120)
        );
    }
    println!("{} dead letters{}", dead.len(), if dead.len() == limit { " (there may be more: --limit)" } else { "" });
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &dyn Store, id: DeliveryId) -> anyhow::Result<ExitCode> {
    let dead = store.deliveries(DeliveryState::Dead, None, usize::MAX).await?;
    let letter = dead.into_iter().find(|letter| letter.id == id);
    let letter = letter.with_context(|| format!("no dead letter {id}; `deadletters list` shows those there are"))?;
    for line in text::delivery(&letter, Clock::system().now()) {
        println!("{line}");
    }
    if let Some(event) = store.event(letter.event).await? {
        println!("{}", text::event(&event));
        println!("{}", text::safe(&event.data, 65_536));
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(store: &dyn Store, which: DeadLetters) -> anyhow::Result<ExitCode> {
    let n = store.replay_dead(which).await?;
    println!("{n} dead letters are due again; a running server picks them up within seconds");
    Ok(if n == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
