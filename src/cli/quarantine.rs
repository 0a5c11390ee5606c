//! `reelhook quarantine`: notifications that failed verification.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;

use super::print::{self, remark, say};
use super::{ConfigArg, load, text};
use crate::store::wishes::Wish;
use crate::store::{Newest, QuarantineView, Store};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook quarantine list
  reelhook quarantine show 17 > body.json
  reelhook quarantine replay 17           judge it again, by the config of the running server
  reelhook quarantine replay 17 --vouch   and do not ask for the token, which is gone

You need not stop the server; restart it only after you changed its config.")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What is there, newest first, a line each: number, when, channel, reason, size
    #[command(after_help = "Example:\n  reelhook quarantine list --limit 20")]
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// One entry with its body, byte for byte (it may hold secrets)
    #[command(after_help = "Example:\n  reelhook quarantine show 17 > body.json")]
    Show {
        /// Its number
        id: i64,
    },
    /// Judge an entry again; the running server does it within seconds, or the next one that starts
    #[command(after_help = "\
Examples:
  reelhook quarantine replay 17           after the config was mended and the server restarted
  reelhook quarantine replay 17 --vouch   after you looked at it: the token's proof is gone")]
    Replay {
        /// Its number
        id: i64,
        /// Take your word for its origin: its token is gone, so the proof that it gave cannot be had again
        #[arg(long)]
        vouch: bool,
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
        Action::List { limit } => list(&store, limit).await?,
        Action::Show { id } => show(&store, id).await?,
        Action::Replay { id, vouch } => {
            anyhow::ensure!(store.quarantine_entry(id).await?.is_some(), no_entry(id));
            store.wish(&Wish::JudgeAgain { entry: id, vouched: vouch })?;
            say!("entry {id} is judged again by the running server within seconds, or by the next one that starts;");
            say!("accepted, it leaves `quarantine list`; refused again, it stays there with the reason");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &dyn Store, limit: usize) -> anyhow::Result<()> {
    let entries = store.quarantine(Newest::up_to(limit)).await?;
    for entry in &entries {
        say!(
            "{}  {}  {}  {}  {} bytes",
            entry.id,
            text::instant(entry.received_at),
            entry.channel.as_str(),
            reasons(entry),
            entry.n_bytes
        );
    }
    remark!("{}", text::listed(entries.len(), limit, "entry"));
    Ok(())
}

/// Shows the body: byte for byte into a file or a pipe; on a terminal, control characters are shown as text.
async fn show(store: &dyn Store, id: i64) -> anyhow::Result<()> {
    let entry = store.quarantine_entry(id).await?.with_context(|| no_entry(id))?;
    remark!("{}  {}  {}", entry.channel.as_str(), reasons(&entry), text::instant(entry.received_at));
    let Some(raw) = entry.raw else { return Ok(()) };
    if std::io::stdout().is_terminal() {
        say!("{}", text::safe(&String::from_utf8_lossy(&raw.0), usize::MAX));
    } else {
        print::bytes(&raw.0);
    }
    Ok(())
}

/// The last reason, and the first one if it differs.
fn reasons(entry: &QuarantineView) -> String {
    let (first, last) = (entry.first_reason.as_str(), entry.reason.as_str());
    if first == last { last.to_owned() } else { format!("{last} (first {first})") }
}

fn no_entry(id: i64) -> String {
    format!("no quarantine entry {id}; `quarantine list` shows those there are")
}
