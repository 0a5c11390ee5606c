//! `reelhook quarantine`: what arrived but proved nothing.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::{ConfigArg, text};
use crate::store::Store;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  reelhook quarantine list\n  reelhook quarantine show 17\n  reelhook quarantine replay 17            judge it again, after the config was mended\n  reelhook quarantine replay 17 --vouch    you know where it comes from: do not ask for the token that is gone"
)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What is there, newest first, without the bodies
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// One entry with its body, byte for byte (it may hold secrets)
    Show {
        /// Its number
        id: i64,
    },
    /// Judge an entry again; the running server does it within seconds, or the next one that starts
    Replay {
        /// Its number
        id: i64,
        /// Take your word for its origin: tokens are never stored, so their proof cannot be had again
        #[arg(long)]
        vouch: bool,
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
        Action::List { limit } => {
            let entries = store.quarantine(limit).await?;
            for entry in &entries {
                println!(
                    "{}  {}  {}  {}  {} bytes",
                    entry.id,
                    text::instant(entry.received_at),
                    entry.channel.as_str(),
                    entry.reason.as_str(),
                    entry.n_bytes
                );
            }
            println!("{} entries", entries.len());
        }
        Action::Show { id } => {
            let entry = store.quarantine_entry(id).await?.with_context(|| no_entry(id))?;
            eprintln!("{}  {}  {}", entry.channel.as_str(), entry.reason.as_str(), text::instant(entry.received_at));
            if let Some(raw) = entry.raw {
                let mut out = std::io::stdout().lock();
                out.write_all(&raw.0)?;
                out.write_all(b"\n")?;
            }
        }
        Action::Replay { id, vouch } => {
            anyhow::ensure!(store.wish_replay(id, vouch).await?, no_entry(id));
            println!("entry {id} is judged again by the running server within seconds, or by the next one that starts");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn no_entry(id: i64) -> String {
    format!("no quarantine entry {id}; `quarantine list` shows those there are")
}
