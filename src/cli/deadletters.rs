//! `reelhook deadletters`: deliveries that reelhook gave up.

use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answers::{Count, Delivery, DetailedDelivery, configured_sinks};
use super::print::{remark, say};
use super::remote::Trouble;
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook deadletters list --sink crm
  reelhook deadletters show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deadletters replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deadletters replay --all --sink crm
  reelhook deadletters replay --reason \"answered 500\" --since 2h --dry-run

The command asks the running server. If no server runs, add --offline. An id is the id of a
delivery: each line of `list` begins with it.

Exit codes:
  0  done (an empty list too)
  1  no such dead letter, or nothing to replay; or the server refused, or could not be reached
  2  wrong usage or config
  3  the server took the request, but did not answer within 30 s")]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List dead letters, newest first, one per line: id, when it was given up, sink, attempts, last reason
    #[command(after_help = "Example:\n  reelhook deadletters list --sink crm --since 2h --limit 20")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = text::at_least_one)]
        limit: usize,
    },
    /// Show one dead letter: every attempt with what was sent and answered, and the event
    #[command(after_help = "Example:\n  reelhook deadletters show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f")]
    Show {
        /// The delivery's id
        id: Uuid,
    },
    /// Deliver dead letters again, with their old delivery ids
    #[command(after_help = "\
Examples:
  reelhook deadletters replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deadletters replay --all --sink crm
  reelhook deadletters replay --reason \"answered 500\" --since 2h --dry-run
  reelhook deadletters replay --reason \"answered 500\" --since 2h

If you choose several dead letters, the command first counts them, and then replays them. What
becomes a dead letter after the count is left out. If the command is interrupted, some are replayed
and some are not: run it again.")]
    #[command(group(clap::ArgGroup::new("which").args(["id", "all", "reason", "since"]).required(true).multiple(true)))]
    Replay {
        /// The delivery's id
        #[arg(conflicts_with_all = ["all", "reason", "since", "sink"])]
        id: Option<Uuid>,
        /// Replay all dead letters
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: Filter,
        /// Only count
        #[arg(long, conflicts_with = "id")]
        dry_run: bool,
    },
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only those of this sink
    #[arg(long)]
    sink: Option<String>,
    /// Only those whose last reason contains this text
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those that became dead letters after this time: an age (2h) or an instant (2026-11-24T08:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

impl Filter {
    fn query(&self) -> Vec<(&str, &str)> {
        let fields = [("sink", &self.sink), ("reason", &self.reason), ("since", &self.since)];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// What a dry run counted.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matched {
    matched_count: usize,
    #[serde(default)]
    is_at_least: bool,
}

/// How often `replay --all` counts again, where others die or are replayed meanwhile.
const COUNTS: usize = 5;

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let needs = if matches!(args.action, Action::Replay { .. }) { Needs::Changes } else { Needs::Reading };
    let action = args.action;
    let command = async |server: &Session| match action {
        Action::List { filter, limit } => list(server, &filter, limit).await,
        Action::Show { id } => show(server, id).await,
        Action::Replay { id: Some(id), .. } => replay_one(server, id).await,
        Action::Replay { filter, dry_run, .. } => replay_all(server, &filter, dry_run).await,
    };
    args.server.ask(needs, command).await
}

/// Says so where the config has no such sink: it may still have dead letters.
async fn note_unknown(server: &Session, sink: Option<&str>) -> anyhow::Result<()> {
    if let Some(sink) = sink
        && !configured_sinks(server).await?.contains(sink)
    {
        remark!("note: the config has no sink {}", text::safe(sink, 64));
    }
    Ok(())
}

async fn list(server: &Session, filter: &Filter, limit: usize) -> anyhow::Result<ExitCode> {
    note_unknown(server, filter.sink.as_deref()).await?;
    let dead: Vec<Delivery> = server.list(&["deadLetters"], &filter.query(), limit).await?;
    for letter in &dead {
        say!(
            "{}  {}  {}  {}  {}",
            text::safe(&letter.id, 64),
            letter.settled_date_time.map(text::instant).unwrap_or_default(),
            text::safe(&letter.sink, 64),
            text::counted(letter.attempt_count, "attempt"),
            text::safe(letter.last_failure.as_deref().unwrap_or_default(), 120)
        );
    }
    remark!("{}", text::listed(dead.len(), limit, "dead letter"));
    Ok(ExitCode::SUCCESS)
}

async fn show(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    let found: DetailedDelivery = match server.get(&["deliveries", &id.to_string()], &[]).await {
        Err(Trouble::Missing(_)) => {
            return Err(anyhow!("no delivery {id}; `deadletters list` shows the dead letters"));
        }
        found => found?,
    };
    found.tell();
    Ok(ExitCode::SUCCESS)
}

async fn replay_one(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    match server.post::<Count>(&["deadLetters", &id.to_string(), "replay"], &json!({})).await {
        Err(Trouble::Missing(_) | Trouble::Conflict(_)) => {
            remark!("no dead letter {id}; `deadletters list` shows the dead letters");
            Ok(ExitCode::FAILURE)
        }
        replayed => Ok(told(server, replayed?.count)),
    }
}

async fn replay_all(server: &Session, filter: &Filter, dry_run: bool) -> anyhow::Result<ExitCode> {
    note_unknown(server, filter.sink.as_deref()).await?;
    let (query, mut counts) = (filter.query(), 0);
    loop {
        let Matched { matched_count: n, is_at_least } =
            server.post(&["deadLetters", "replay"], &body(&query, ("dryRun", json!(true)))).await?;
        if n == 0 && !is_at_least {
            remark!("no dead letters: nothing to replay");
            return Ok(ExitCode::FAILURE);
        }
        if dry_run {
            say!("{} would be replayed", text::counted_at_least(n, is_at_least, "dead letter"));
            return Ok(ExitCode::SUCCESS);
        }
        counts += 1;
        match server.post::<Count>(&["deadLetters", "replay"], &body(&query, ("count", json!(n)))).await {
            Err(Trouble::Conflict(_)) if counts < COUNTS => {}
            replayed => return Ok(told(server, replayed?.count)),
        }
    }
}

fn body(query: &[(&str, &str)], (name, value): (&str, Value)) -> Value {
    let fields = query.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    Value::Object(fields.chain([(name.to_owned(), value)]).collect())
}

fn told(server: &Session, n: usize) -> ExitCode {
    let due = if n == 1 { "is" } else { "are" };
    say!("{} {due} due again {}", text::counted(n, "dead letter"), server.when());
    ExitCode::SUCCESS
}
