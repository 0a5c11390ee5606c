//! `reelhook store`: copies the store of a running or stopped server (`backup`), and checks it (`check`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;
use bytesize::ByteSize;
use indicatif::ProgressBar;
use serde_json::json;

use super::print::{remark, say};
use super::signals::Signals;
use super::{ConfigArg, load, progress, text};
use crate::config;
use crate::store::StoreError;
use crate::store::health::WHAT_TO_DO;
use crate::store::sqlite::{backup, integrity};

/// The longest line about damage.
const MAX_LINE: usize = 1000;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook store backup /backup/reelhook-2026-11-29.db --config my.toml
  reelhook store check --config my.toml

Both work while the server runs, and while it is stopped. They need a store in a file (store.path). For
a store in PostgreSQL (store.url) use its own tools: pg_dump and pg_amcheck.")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Copy the database, as it is at one moment, into a file
    #[command(after_help = "\
Examples:
  reelhook store backup /backup/reelhook-$(date +%F).db --config my.toml
  reelhook store backup copy.db --config my.toml && reelhook store check --store copy.db --config my.toml

The server goes on meanwhile. Its log (<store.path>-wal) cannot be emptied until the copy is done.
The file appears under its name when the copy is complete, checked, and on the disk. An existing file
is never replaced.

The key is not in the copy. Keep a copy of it in another place: it is in <store.path>.key, unless
store.encryption_key is set. Without it nobody can read the payloads. How to restore:
docs/operations.md, \"Backup and restore\".

Exit codes:
  0    the copy is complete
  1    no copy was made
  2    wrong usage, or the config has mistakes
  130  ended by Ctrl-C: no copy was made (SIGTERM: 143, SIGHUP: 129)")]
    Backup {
        /// The file to write; its folder must exist
        #[arg(value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Look for damage in the tables, in each encrypted value, and in the stored counts
    #[command(after_help = "\
Examples:
  reelhook store check --config my.toml
  reelhook store check --store backup.db --config my.toml      a backup, with the key of the config
  reelhook store check --config my.toml --json | jq .damage

It reads the whole store, and changes nothing. The server goes on meanwhile, but shares the disk with
it. Each damaged place is one line on standard output. With --store too, the key is the one of the config:
store.encryption_key, or the file <store.path>.key.

Exit codes: 0 no damage, 1 damage or the store cannot be opened, 2 wrong usage or the config has mistakes")]
    Check {
        /// Another file than store.path, such as a backup
        #[arg(long, value_name = "FILE")]
        store: Option<PathBuf>,
        /// Print the result as one line of JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Does what was asked for.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Backup { to, config } => match load::config(&config.config) {
            Ok(config) => back_up(config.store, to).await,
            Err(code) => Ok(code),
        },
        Action::Check { store, json, config } => match load::config(&config.config) {
            Ok(config) => check(config.store, store, json).await,
            Err(code) => Ok(code),
        },
    }
}

/// Refuses a store that is no file.
fn need_file(store: &config::Store) -> anyhow::Result<()> {
    ensure!(
        store.url.is_none(),
        "store.url: found a store in PostgreSQL, expected a file: its own tools (pg_dump, pg_amcheck) back it up and check it"
    );
    Ok(())
}

async fn back_up(store: config::Store, to: PathBuf) -> anyhow::Result<ExitCode> {
    need_file(&store)?;
    let mut signals = Signals::new()?;
    let is_ended = Arc::new(AtomicBool::new(false));
    let bar = progress::bar(Some(1), "[{bar:40}] {percent:>3} %  {bytes} of {total_bytes}  {elapsed}");
    let goes_on = going_on(&bar, &is_ended);
    let (settings, place) = (store.clone(), to.clone());
    let mut copy = tokio::task::spawn_blocking(move || backup::make(&settings, &place, goes_on));
    let (outcome, told) = tokio::select! {
        outcome = &mut copy => (outcome?, None),
        told = signals.next() => {
            is_ended.store(true, Ordering::Relaxed);
            (copy.await?, Some(told))
        }
    };
    bar.finish_and_clear();
    match (outcome, told) {
        (Ok(n_bytes), _) => {
            say!("{}: {}", to.display(), ByteSize(n_bytes));
            remark!("the key is not in it: keep a copy of {} in another place", key_of(&store));
            Ok(ExitCode::SUCCESS)
        }
        (Err(StoreError::Slow), Some(told)) => {
            remark!("ended by {}: no copy was made", told.name());
            Ok(told.code())
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn going_on(bar: &ProgressBar, is_ended: &Arc<AtomicBool>) -> impl Fn(backup::Copied) -> bool + Send + 'static {
    let (bar, is_ended) = (bar.clone(), Arc::clone(is_ended));
    move |copied| {
        bar.set_length(copied.of_bytes.max(copied.n_bytes));
        bar.set_position(copied.n_bytes);
        !is_ended.load(Ordering::Relaxed)
    }
}

/// Where the key of a store is, for a person.
fn key_of(store: &config::Store) -> String {
    match store.encryption_key {
        Some(_) => "store.encryption_key".into(),
        None => format!("{}.key", store.path.display()),
    }
}

async fn check(settings: config::Store, other: Option<PathBuf>, as_json: bool) -> anyhow::Result<ExitCode> {
    if other.is_none() {
        need_file(&settings)?;
    }
    let bar = progress::bar(Some(1), "[{bar:30}] {pos} of {len}  {elapsed}  {msg}");
    let shown = bar.clone();
    let checked = tokio::task::spawn_blocking(move || {
        integrity::check(&settings, other.as_deref(), |step| {
            shown.set_length(step.of as u64);
            shown.set_position(step.n_done as u64);
            shown.set_message(step.part.to_owned());
        })
    });
    let checked = checked.await?;
    bar.finish_and_clear();
    let integrity::Checked { n_tables, n_sealed, damage } = checked?;
    if as_json {
        say!("{}", json!({ "tables": n_tables, "encryptedValues": n_sealed, "damage": damage }));
    } else {
        damage.iter().for_each(|line| say!("{}", text::safe(line, MAX_LINE)));
        let found = text::counted(damage.len(), "damaged place");
        remark!("{n_tables} tables and {n_sealed} encrypted values were checked: {found}");
    }
    if damage.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    remark!("what to do: {WHAT_TO_DO}");
    Ok(ExitCode::FAILURE)
}
