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
  reelhook quarantine replay 17           verify it again, with the running server's config
  reelhook quarantine replay 17 --vouch   accept it without its token, which was not stored

The server may keep running. Restart it first to apply a changed config.")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List entries, newest first, one per line: number, time, channel, reason, size
    #[command(after_help = "Example:\n  reelhook quarantine list --limit 20")]
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show an entry and its body, byte for byte (it may contain secrets)
    #[command(after_help = "Example:\n  reelhook quarantine show 17 > body.json")]
    Show {
        /// The entry's number
        id: i64,
    },
    /// Verify an entry again, and deliver it if it is accepted
    #[command(after_help = "\
Examples:
  reelhook quarantine replay 17           after you fixed the config and restarted the server
  reelhook quarantine replay 17 --vouch   after you read the entry and trust its origin

The running server does it within seconds; a stopped one, when it starts.")]
    Replay {
        /// The entry's number
        id: i64,
        /// Accept the entry's origin on your word: bearer tokens are not stored, so they cannot be checked again
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
            say!("entry {id} will be verified again: within seconds if a server is running, or when one starts;");
            say!("if it is accepted, it leaves `quarantine list`; if it is refused again, it stays with the reason");
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
    format!("no quarantine entry {id}; `quarantine list` shows the entries")
}
