//! `reelhook events`: the event log, and single events. The events as they arrive are `tail`'s.

use std::process::ExitCode;

use anyhow::anyhow;
use uuid::Uuid;

use super::answers::{Event, tell, tell_data};
use super::print::{remark, say};
use super::remote::Trouble;
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook events list --since 2h
  reelhook events list --text order-17
  reelhook events show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f

The command asks the running server. If no server runs, add --offline.

Exit codes:
  0  done (an empty list too)
  1  no such event; or the server refused, or could not be reached
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
    /// List events of all types, newest first, one per line: id, when it arrived, type, clientContext, resource, deliveries
    #[command(after_help = "\
Examples:
  reelhook events list --type recordOperation.failed --since 2h
  reelhook events list --resource chatMessage --until 2026-11-24T08:00:00Z
  reelhook events list --matched false --limit 20
  reelhook events list --text 0FE0623FD62842EDB4BD8AC290072CC5")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = text::at_least_one)]
        limit: usize,
    },
    /// Show one event: what it reported, its deliveries, its data
    #[command(after_help = "Example:\n  reelhook events show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f")]
    Show {
        /// The event's id
        id: Uuid,
    },
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only events of this type, such as recordOperation.completed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events of this type of resource, or whose resource's path contains this text
    #[arg(long, value_name = "TEXT")]
    resource: Option<String>,
    /// Only events that match a route (true), or that match none (false)
    #[arg(long, value_name = "BOOL", value_parser = ["true", "false"])]
    matched: Option<String>,
    /// Only events that arrived after this time: an age (2h) or an instant (2026-11-24T08:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only events that arrived before this time
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only events with this id (of the event, a delivery, the operation or the call), or with this text in the client
    /// context
    #[arg(long)]
    text: Option<String>,
}

impl Filter {
    fn query(&self) -> Vec<(&str, &str)> {
        let Self { kind, resource, matched, since, until, text } = self;
        let fields = [("type", kind), ("resource", resource), ("matched", matched)];
        let fields = fields.into_iter().chain([("since", since), ("until", until), ("text", text)]);
        fields.filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let action = args.action;
    let command = async |server: &Session| match action {
        Action::List { filter, limit } => list(server, &filter, limit).await,
        Action::Show { id } => show(server, id).await,
    };
    args.server.ask(Needs::Reading, command).await
}

async fn list(server: &Session, filter: &Filter, limit: usize) -> anyhow::Result<ExitCode> {
    let found: Vec<Event> = server.list(&["eventLog"], &filter.query(), limit).await?;
    for event in &found {
        let states =
            event.deliveries.iter().map(|it| format!("{} {}", text::safe(&it.sink, 64), text::safe(&it.state, 64)));
        let states: Vec<String> = states.collect();
        let states = match (event.is_matched, states.is_empty()) {
            (true, true) => "no sink takes it".to_owned(),
            (false, true) => "no route matches".to_owned(),
            (_, false) => states.join(", "),
        };
        say!("{}  {states}", event.line());
    }
    remark!("{}", text::listed(found.len(), limit, "event"));
    Ok(ExitCode::SUCCESS)
}

async fn show(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    let event: Event = match server.get(&["events", &id.to_string()], &[]).await {
        Err(Trouble::Missing(_)) => return Err(anyhow!("no event {id}; `events list` shows the stored ones")),
        event => event?,
    };
    say!("{}", event.line());
    // Its first line says the same.
    tell(event.story.get(1..).unwrap_or_default());
    tell_data(event.data.as_deref());
    Ok(ExitCode::SUCCESS)
}
