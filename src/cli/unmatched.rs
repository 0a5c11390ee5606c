//! `reelhook unmatched`: events that matched no route. They are kept, and can be routed again after the routes were
//! corrected.

use std::process::ExitCode;

use anyhow::anyhow;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answers::{Count, Event, tell, tell_data};
use super::print::{remark, say};
use super::remote::Trouble;
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook unmatched list
  reelhook unmatched show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook unmatched replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook unmatched replay --all   apply the server's routes to all of them again
  reelhook unmatched replay --since 2h --type recordOperation.completed --dry-run

replay uses the current routes of the running server: after you fixed the routes, run
`reelhook reload` first. If no server runs, add --offline: replay then uses the routes of the config
file.

Exit codes:
  0  done
  1  no such event, or no event matched a route at its replay;
     or the server refused, or could not be reached
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
    /// List unmatched events, newest first, one per line: id, when it arrived, type, clientContext, resource
    #[command(after_help = "Example:\n  reelhook unmatched list --since 2h --limit 20")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = text::at_least_one)]
        limit: usize,
    },
    /// Show one event
    #[command(after_help = "Example:\n  reelhook unmatched show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f")]
    Show {
        /// The event's id
        id: Uuid,
    },
    /// Apply the server's current routes to unmatched events again
    #[command(after_help = "\
Examples:
  reelhook unmatched replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook unmatched replay --all
  reelhook unmatched replay --since 2h --dry-run   only count those that match a route now")]
    #[command(group(clap::ArgGroup::new("which").args(["id", "all", "since", "kind"]).required(true).multiple(true)))]
    Replay {
        /// The event's id
        #[arg(conflicts_with_all = ["all", "since", "kind"])]
        id: Option<Uuid>,
        /// Replay all of them
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: Filter,
        /// Only count those that match a route now
        #[arg(long, conflicts_with = "id")]
        dry_run: bool,
    },
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only events of this type, such as recordOperation.completed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those that arrived after this time: an age (2h) or an instant (2026-11-24T08:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// What a round of routing came to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    event_count: usize,
    matched_count: usize,
    delivery_count: usize,
    next: Option<Value>,
}

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

async fn list(server: &Session, filter: &Filter, limit: usize) -> anyhow::Result<ExitCode> {
    let fields = [("type", &filter.kind), ("since", &filter.since)];
    let query: Vec<(&str, &str)> = fields.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))).collect();
    let events: Vec<Event> = server.list(&["unmatched"], &query, limit).await?;
    for event in &events {
        say!("{}", event.line());
    }
    remark!("{}", text::listed(events.len(), limit, "unmatched event"));
    Ok(ExitCode::SUCCESS)
}

async fn show(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    let event: Event = server.get(&["events", &id.to_string()], &[]).await.map_err(|trouble| missing(trouble, id))?;
    say!("{}", event.line());
    // Its first line says the same.
    tell(event.story.get(1..).unwrap_or_default());
    tell_data(event.data.as_deref());
    Ok(ExitCode::SUCCESS)
}

async fn replay_one(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    let mut done = Round { event_count: 1, matched_count: 0, delivery_count: 0, next: None };
    match server.post::<Count>(&["unmatched", &id.to_string(), "replay"], &json!({})).await {
        // No route matches, or it was routed before.
        Err(Trouble::Conflict(_)) => {}
        Err(trouble) => return Err(missing(trouble, id)),
        Ok(routed) => (done.matched_count, done.delivery_count) = (1, routed.count),
    }
    Ok(told(server, &done))
}

async fn replay_all(server: &Session, filter: &Filter, dry_run: bool) -> anyhow::Result<ExitCode> {
    let mut done = Round { event_count: 0, matched_count: 0, delivery_count: 0, next: None };
    loop {
        let mut body = json!({ "from": done.next, "dryRun": dry_run });
        let fields = [("type", &filter.kind), ("since", &filter.since)];
        for (name, value) in fields.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))) {
            body[name] = json!(value);
        }
        let round: Round = server.post(&["unmatched", "replay"], &body).await?;
        done.event_count += round.event_count;
        done.matched_count += round.matched_count;
        done.delivery_count += round.delivery_count;
        done.next = round.next;
        if done.next.is_none() && dry_run {
            let of = text::counted(done.event_count, "event");
            say!("{} of {of} would match a route now", done.matched_count);
            return Ok(ExitCode::SUCCESS);
        }
        if done.next.is_none() {
            return Ok(told(server, &done));
        }
        remark!("{} so far, {} matched", text::counted(done.event_count, "event"), done.matched_count);
    }
}

fn told(server: &Session, done: &Round) -> ExitCode {
    let (of, due) = (text::counted(done.event_count, "event"), text::counted(done.delivery_count, "delivery"));
    let when = if server.is_offline() { " when the server starts" } else { "" };
    say!("{} of {of} matched now: {due} due{when}", done.matched_count);
    if done.matched_count == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn missing(trouble: Trouble, id: Uuid) -> anyhow::Error {
    match trouble {
        Trouble::Missing(_) => anyhow!("no event {id}; `unmatched list` shows the unmatched ones"),
        other => other.into(),
    }
}
